#include "proxy/relay/connection.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/base/unix_errors.h"
#include "proxy/relay/access_log.h"

namespace usher::relay {
namespace {

using std::chrono::milliseconds;

// While the last bytes wait for a client: the longest time without any of them being taken. A
// reader that is alive takes some within seconds, even where the kernel holds a full send buffer
// before them.
constexpr milliseconds kFlushTimeout(30'000);
// After our FIN: the longest wait for the client's. Closing a socket into which the client still
// sends makes the kernel answer with a reset, which destroys what the client has not read yet. Two
// retransmissions of a lost FIN fit; nginx's lingering_timeout has the same length.
constexpr milliseconds kLingerTimeout(5'000);

// What an idle connection may cost besides OpenSSL's 14.0 KiB is 1.5 KiB, libuv's handles included.
static_assert(sizeof(Connection) <= 576);

}  // namespace

std::unique_ptr<Connection> Connection::accept(WorkerServices& services,
                                               std::shared_ptr<const ListenerState> listener,
                                               UniqueFd socket, const SocketAddress& peer) {
  std::unique_ptr<Connection> connection(new Connection(services, std::move(listener), peer));
  if (!connection->client_.adopt<&Connection::on_client>(services.loop, std::move(socket),
                                                         *connection)) {
    connection->client_.close();  // start() finds it closed
  }
  return connection;
}

Connection::Connection(WorkerServices& services, std::shared_ptr<const ListenerState> listener,
                       const SocketAddress& peer)
    : ClientPort(services, std::move(listener), peer),
      context_(listener_->tls),
      accepted_at_(std::chrono::steady_clock::now()),
      started_(services.loop.now()) {
  listener_->metrics->connections.add();
  listener_->metrics->phases[static_cast<std::size_t>(phase_)].add();
  timer_.open<&Connection::on_timer>(services_.loop, *this);
}

Connection::~Connection() {
  CHECK(phase_ == Phase::kClosed);
}

void Connection::start() {
  if (!client_.is_open()) {
    close(CloseReason::kOverload);
    return;
  }
  if (listener_->proxy_protocol_in) {
    const auto trusts = [this](const Cidr& network) { return network.contains(peer_); };
    if (std::ranges::none_of(listener_->proxy_protocol_from, trusts)) {
      close(CloseReason::kProxyUntrusted);
      return;
    }
    enter(Phase::kProxyHeader);
  } else if (listener_->plain) {
    begin_application();
    return;
  } else {
    enter(Phase::kHello);
  }
  on_client(uv::Ready{.readable = true});
}

void Connection::drain() {
  if (application_ && phase_ == Phase::kRelaying) {
    call_application(&Application::drain);
  }
}

void Connection::enter(Phase phase) {
  CHECK(may_follow(phase_, phase));
  ListenerMetrics& metrics = *listener_->metrics;
  metrics.phases[static_cast<std::size_t>(phase_)].sub();
  phase_ = phase;
  if (phase != Phase::kClosed) {
    metrics.phases[static_cast<std::size_t>(phase)].add();
    phase_since_ = last_activity_ = services_.loop.now();
    arm_timer();
  }
  if (log::enabled(log::Level::kDebug)) {
    log::debug(
        "connection",
        {{"listener", listener_->name}, {"client", peer_.to_string()}, {"phase", name_of(phase)}});
  }
}

void Connection::on_client(uv::Ready ready) {
  if (ready.unwatchable) {
    return close(CloseReason::kOverload);
  }
  switch (phase_) {
    case Phase::kProxyHeader:
    case Phase::kHello:
    case Phase::kSuspended:
    case Phase::kHandshaking:
      return on_client_before_relaying(ready);
    case Phase::kDialing:
      return on_client_while_dialing(ready);
    case Phase::kRelaying:
      return application_ ? on_client_speaking(ready) : on_client_relaying(ready);
    case Phase::kDraining:
      return on_client_draining(ready);
    case Phase::kAccepted:
    case Phase::kClosed:
      break;
  }
  CHECK(false && "a client socket that nobody watches is ready");
}

void Connection::on_backend(uv::Ready ready) {
  if (ready.unwatchable) {
    return finish(CloseReason::kOverload);
  }
  if (phase_ == Phase::kDialing) {
    on_dialed();
  } else {
    on_backend_relaying(ready);
  }
}

// A timer that fires too early costs less than one that is moved with every byte: activity only
// notes the time, and the timer re-arms itself for the remainder.
void Connection::arm_timer() {
  const uv::LoopTime due = deadline();
  if (due == uv::LoopTime::max()) {
    return;
  }
  if (!timer_.active() || due < timer_due_) {
    timer_due_ = due;
    timer_.start(due - services_.loop.now());
  }
}

void Connection::on_timer() {
  if (services_.loop.now() < deadline()) {
    arm_timer();
  } else {
    on_deadline();
  }
}

uv::LoopTime Connection::deadline() const {
  const ListenerState& listener = *listener_;
  switch (phase_) {
    case Phase::kDialing:
      return phase_since_ + listener.backend->settings().connect_timeout;
    case Phase::kRelaying:
      return application_ ? application_->deadline() : last_activity_ + listener.idle_timeout;
    case Phase::kDraining:
      return fin_sent_ ? phase_since_ + std::min(kLingerTimeout, listener.idle_timeout)
                       : last_activity_ + std::min(kFlushTimeout, listener.idle_timeout);
    default:
      return started_ + listener.handshake_timeout;
  }
}

void Connection::on_deadline() {
  switch (phase_) {
    case Phase::kProxyHeader:
      return close(CloseReason::kProxyTimeout);
    case Phase::kHello:
    case Phase::kSuspended:
    case Phase::kHandshaking:
      return close(CloseReason::kHandshakeTimeout);
    case Phase::kDialing:
      backend_.close();
      dialer_->failed(ETIMEDOUT);
      return try_next_server();
    case Phase::kRelaying:
      return application_ ? call_application(&Application::on_deadline)
                          : close(CloseReason::kIdleTimeout);
    case Phase::kDraining:
      return lose_client(CloseReason::kDrainTimeout);
    case Phase::kAccepted:
    case Phase::kClosed:
      break;
  }
  CHECK(false && "no timer runs in this phase");
}

void Connection::close(CloseReason reason) {
  if (phase_ == Phase::kClosed) {
    return;
  }
  if (phase_ == Phase::kDraining && fin_sent_) {
    reason = ending_;  // everything was said before whoever closes it now came along
  }
  ending_ = reason;
  if (tls_) {
    tls_->cancel_lookup();
  }
  stop_application();
  release_backend();
  count_close();
  if (services_.access_log.enabled() && !requests_logged_) {
    write_access_line();
  }
  enter(Phase::kClosed);
  timer_.close();
  client_.close();
  services_.output.clear();
  services_.retire(*this);
}

// A backend that has not seen the client's clean end sees a reset: it must not take a cut-off
// stream for a whole one.
void Connection::release_backend() {
  dialer_.reset();
  if (!backend_connected_) {
    backend_.close();
    return;
  }
  backend_connected_ = false;
  listener_->backend->disconnected(server_);
  listener_->backend_metrics->per_server[server_].connections.sub();
  if (to_backend_.ended_cleanly()) {
    backend_.close();
  } else {
    backend_.reset();
  }
}

void Connection::count_close() {
  ListenerMetrics& metrics = *listener_->metrics;
  metrics.closes[static_cast<std::size_t>(ending_)].add();
  if (tls_ && !tls_->handshake_done()) {
    const tls::OfferKind kind = tls_->facts().offer;
    if (kind != tls::OfferKind::kNone) {
      metrics
          .offers[static_cast<std::size_t>(kind)]
                 [static_cast<std::size_t>(tls::OfferOutcome::kOther)]
          .add();
    }
  }
}

void Connection::write_access_line() {
  const std::string client = peer_.to_string();
  const std::string detail = failure_detail();
  std::string backend;
  AccessEntry entry;
  entry.listener = listener_->name;
  entry.client = client;
  if (tls_) {
    const tls::TlsFacts facts = tls_->facts();
    entry.sni = facts.sni;
    if (tls_->handshake_done()) {
      entry.version = facts.version;
      entry.cipher = facts.cipher;
      entry.alpn = facts.alpn;
      entry.resumption = name_of(facts.resumption);
    }
    if (facts.offer != tls::OfferKind::kNone) {
      entry.offer = name_of(tls_->handshake_done() ? facts.outcome : tls::OfferOutcome::kOther);
    }
  }
  if (server_ != kNoServer) {
    backend = listener_->backend->settings().servers[server_].label();
    entry.backend = backend;
  }
  entry.bytes_in = to_backend_.plain_bytes;
  entry.bytes_out = to_client_.plain_bytes;
  entry.handshake = milliseconds(handshake_ms_);
  entry.duration =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - accepted_at_);
  entry.reason = name_of(ending_);
  entry.detail = detail;
  services_.access_log.write(entry);
}

std::string Connection::failure_detail() const {
  if (tls_ && tls_->failure() != tls::TlsFailure::kNone) {
    std::string detail(name_of(tls_->failure()));
    if (const std::string more = tls_->failure_detail(); !more.empty()) {
      detail += ": " + more;
    }
    return detail;
  }
  return backend_error_ == 0 ? std::string() : errno_text(backend_error_);
}

}  // namespace usher::relay
