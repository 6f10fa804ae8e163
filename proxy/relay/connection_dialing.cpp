// Connection between the handshake and the first byte to a backend.
#include "proxy/relay/connection.h"
#include "proxy/relay/proxy_header.h"

namespace usher::relay {
namespace {

// What a client may send before a backend listens: enough for the request that comes with its last
// handshake flight. Above it the socket is left alone until then.
constexpr std::size_t kEarlyBytesMax = 16 * 1024;

}  // namespace

void Connection::dial() {
  enter(Phase::kDialing);
  dialer_ = std::make_unique<Dialer>(*listener_, peer_);
  client_.watch(held_.size() < kEarlyBytesMax, to_client_.waiting());
  try_next_server();
}

void Connection::try_next_server() {
  const Dialer::Outcome outcome =
      dialer_->next<&Connection::on_backend>(services_.loop, backend_, *this);
  backend_error_ = dialer_->last_error();
  switch (outcome) {
    case Dialer::Outcome::kConnecting:
      server_ = static_cast<std::uint32_t>(dialer_->server());
      if (backend_.connected()) {  // the loopback's handshake is done within connect(2)
        on_connected();
        return;
      }
      backend_.watch(false, true);
      phase_since_ = services_.loop.now();
      arm_timer();
      return;
    case Dialer::Outcome::kExhausted:
      finish(CloseReason::kBackendUnreachable);
      return;
    case Dialer::Outcome::kBusy:
    case Dialer::Outcome::kNoResources:
      finish(CloseReason::kOverload);
      return;
  }
}

// Looks for a client that went away, so that nobody dials for it, and takes early bytes into
// memory.
void Connection::on_client_while_dialing(uv::Ready ready) {
  if ((ready.writable || ready.failed) && to_client_.waiting()) {
    flush_client();
  }
  if (ready.readable || ready.failed) {
    const uv::IoResult got = client_.read(services_.receive.first(kEarlyBytesMax));
    if (got.status == uv::IoStatus::kProgress) {
      held_.append(services_.receive.first(got.count));
    } else if (got.status != uv::IoStatus::kBlocked) {
      client_fin_ = true;
      if (got.status == uv::IoStatus::kFailed) {
        to_client_.break_off();
      }
    }
  }
  if (client_fin_ && held_.empty()) {
    close(to_client_.broken() ? CloseReason::kClientReset : CloseReason::kClientTruncated);
    return;
  }
  client_.watch(!client_fin_ && held_.size() < kEarlyBytesMax, to_client_.waiting());
}

void Connection::on_dialed() {
  if (const int error = backend_.connect_result(); error != 0) {
    backend_.close();
    dialer_->failed(error);
    try_next_server();
    return;
  }
  on_connected();
}

void Connection::on_connected() {
  dialer_->succeeded();
  dialer_.reset();
  backend_connected_ = true;
  backend_error_ = 0;
  enter(Phase::kRelaying);
  queue_proxy_header();
  begin_relaying();
}

void Connection::queue_proxy_header() {
  ByteQueue header;
  append_proxy_header(header, listener_->backend->settings().proxy_protocol, *this);
  to_backend_.queue(header.view());
}

}  // namespace usher::relay
