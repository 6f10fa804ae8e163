// Connection until the TLS handshake is done: the PROXY header of a trusted proxy, the hello, the
// rest.
#include <array>
#include <utility>

#include "proxy/relay/connection.h"
#include "proxy/relay/proxy_reader.h"

namespace usher::relay {
namespace {

// One read before relaying. A flight with a client certificate chain fits; what a client sends
// along with its last flight waits for the backend, and this bounds it.
constexpr std::size_t kHandshakeReadMax = 16 * 1024;

}  // namespace

void Connection::on_client_before_relaying(uv::Ready ready) {
  if ((ready.writable || ready.failed) && to_client_.waiting()) {
    flush_client();
  }
  if (ready.readable || ready.failed) {
    const uv::IoResult got = client_.read(services_.receive.first(kHandshakeReadMax));
    if (got.status == uv::IoStatus::kEnded || got.status == uv::IoStatus::kFailed) {
      close(CloseReason::kClientGone);
      return;
    }
    if (got.status == uv::IoStatus::kProgress) {
      const ByteView received = with_held(services_.receive.first(got.count));
      if (phase_ == Phase::kProxyHeader) {
        take_proxy_header(received);
      } else if (phase_ == Phase::kSuspended) {
        hold(received);
      } else {
        advance_handshake(received);
      }
    }
  }
  watch_before_relaying();
}

// While it is suspended only a client that says nothing is watched, for its end: what came is held.
void Connection::watch_before_relaying() {
  if (phase_ < Phase::kDialing) {
    client_.watch(phase_ != Phase::kSuspended || held_.empty(), to_client_.waiting());
  }
}

void Connection::take_proxy_header(ByteView received) {
  const ProxyHeaderResult header = read_proxy_header(received);
  if (header.status == ProxyHeaderResult::Status::kMalformed) {
    close(CloseReason::kProxyMalformed);
    return;
  }
  if (header.status == ProxyHeaderResult::Status::kIncomplete) {
    hold(received);
    return;
  }
  if (header.source) {
    peer_ = *header.source;
  }
  if (header.destination) {
    told_destination_ = std::make_unique<SocketAddress>(*header.destination);
  }
  const ByteView rest = received.subspan(header.size);
  if (listener_->plain) {
    hold(rest);
    begin_application();
    return;
  }
  enter(Phase::kHello);
  if (rest.empty()) {
    hold(rest);
  } else {
    advance_handshake(rest);
  }
}

void Connection::advance_handshake(ByteView received) {
  if (!tls_) {
    tls_ = tls::TlsSession::create(std::move(context_), services_.keys, services_.sessions, this);
    if (!tls_) {
      close(CloseReason::kOverload);
      return;
    }
  }
  tls_->attach(received, tls_output());
  const tls::IoOutcome outcome = tls_->handshake();
  hold(tls_->unread_input());
  if (tls_->suspended()) {
    enter(Phase::kSuspended);
  } else if (phase_ != Phase::kHandshaking && tls_->hello_seen()) {
    enter(Phase::kHandshaking);
  }
  switch (outcome) {
    case tls::IoOutcome::kProgress:
      on_handshake_done();
      return;
    case tls::IoOutcome::kBlocked:
      send_tls_output();
      return;
    case tls::IoOutcome::kPeerEnded:  // close_notify: the client thought better of it
      close(CloseReason::kClientGone);
      return;
    case tls::IoOutcome::kFailed:
      listener_->metrics->handshake_failures[static_cast<std::size_t>(tls_->failure())].add();
      finish(CloseReason::kHandshakeFailed);
      return;
  }
}

// From the loop: the session that the client asked for was found, or was not.
void Connection::on_handshake_resumable() {
  CHECK(phase_ == Phase::kSuspended);
  advance_handshake(held_.view());
  watch_before_relaying();
}

void Connection::on_handshake_done() {
  count_handshake();
  // In TLS 1.3 only tickets are left to send: with the first answer, if the request is here
  // already. In TLS 1.2 the client waits for our Finished.
  send_tls_output(tls_->facts().version == "TLSv1.3" ? uv::More::kFollows : uv::More::kNo);
  if (listener_->application) {
    begin_application();
  } else {
    dial();
  }
}

void Connection::count_handshake() {
  const auto elapsed = std::chrono::steady_clock::now() - accepted_at_;
  handshake_ms_ = static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count());
  const tls::TlsFacts facts = tls_->facts();
  ListenerMetrics& metrics = *listener_->metrics;
  const auto resumption = static_cast<std::size_t>(facts.resumption);
  metrics.handshakes[facts.version == "TLSv1.3" ? 1 : 0][resumption].add();
  metrics.handshake_seconds[resumption].observe(elapsed);
  if (facts.offer != tls::OfferKind::kNone) {
    metrics.offers[static_cast<std::size_t>(facts.offer)][static_cast<std::size_t>(facts.outcome)]
        .add();
  }
  for (std::size_t i = 0; i < metrics.max_fragment_length.size(); ++i) {
    if (facts.max_fragment_length == 512U << i) {
      metrics.max_fragment_length[i].add();
    }
  }
  services_.tickets_issued.add(facts.tickets_issued);
}

// What was held goes first; the view lives until the next call of hold() or with_held().
ByteView Connection::with_held(ByteView received) {
  if (held_.empty()) {
    return received;
  }
  held_.append(received);
  return held_.view();
}

// Keeps the tail of a with_held() view for later.
void Connection::hold(ByteView rest) {
  if (!held_.empty()) {
    held_.consume(held_.size() - rest.size());
  } else {
    held_.reserve(rest.size());
    held_.append(rest);
  }
  if (held_.empty()) {
    held_.release();
  }
}

}  // namespace usher::relay
