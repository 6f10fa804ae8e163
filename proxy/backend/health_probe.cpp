#include "proxy/backend/health_probe.h"

#include <cerrno>
#include <string_view>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/unix_errors.h"
#include "proxy/tls/backend_session.h"

namespace usher::backend {
namespace {

// "HTTP/1.1 200" and the space behind it.
constexpr std::size_t kStatusLineBytes = 13;
// PROXY protocol, sections 2.1 and 2.2: a connection of the proxy's own.
constexpr std::string_view kProxyV1 = "PROXY UNKNOWN\r\n";
constexpr std::string_view kProxyV2("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);

std::string_view proxy_header(config::ProxyProtocol version) {
  switch (version) {
    case config::ProxyProtocol::kOff:
      return {};
    case config::ProxyProtocol::kV1:
      return kProxyV1;
    case config::ProxyProtocol::kV2:
      return kProxyV2;
  }
  return {};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "" where the status is good, else what is wrong. `line` has kStatusLineBytes.
std::string judge(std::string_view line) {
  const std::string_view status = line.substr(9, 3);
  const bool is_http = line.starts_with("HTTP/1.") && is_digit(line[7]) && line[8] == ' ' &&
                       is_digit(status[0]) && is_digit(status[1]) && is_digit(status[2]) &&
                       (line[12] == ' ' || line[12] == '\r');
  if (!is_http) {
    return "no HTTP/1 response";
  }
  return status[0] == '2' || status[0] == '3' ? std::string() : "status " + std::string(status);
}

}  // namespace

HealthProbe::HealthProbe(uv::Loop& loop, const config::Backend& backend, std::size_t server,
                         tls::BackendTls* tls, OnDone on_done)
    : loop_(loop), backend_(backend), server_(server), tls_(tls), on_done_(std::move(on_done)) {
  timer_.open<&HealthProbe::on_timeout>(loop_, *this);
}

HealthProbe::~HealthProbe() = default;

void HealthProbe::start(std::vector<SocketAddress> addresses) {
  CHECK(state_ == State::kIdle && !addresses.empty());
  addresses_ = std::move(addresses);
  next_ = 0;
  try_next();
}

void HealthProbe::try_next() {
  state_ = State::kConnecting;
  const SocketAddress& address = addresses_[next_++];
  if (const int error = stream_.connect<&HealthProbe::on_ready>(loop_, address, *this);
      error != 0) {
    return fail(errno_text(error));
  }
  stream_.watch(false, true);
  timer_.start(backend_.health.timeout);
}

void HealthProbe::on_ready(uv::Ready ready) {
  if (ready.unwatchable) {
    return fail(errno_text(ENOMEM));
  }
  if (state_ == State::kConnecting) {
    if (const int error = stream_.connect_result(); error != 0) {
      return fail(errno_text(error));
    }
    return on_connected();
  }
  if (output_.waiting() && output_.flush(stream_).status == uv::IoStatus::kFailed) {
    output_.clear();  // what came before is still to be read
  }
  if (ready.readable || ready.failed) {
    return on_readable();
  }
  watch();
}

void HealthProbe::on_connected() {
  send_plain(bytes_of(proxy_header(backend_.proxy_protocol)));
  if (tls_ == nullptr) {
    return on_secure();
  }
  session_ = tls::BackendSession::create(*tls_, server_);
  if (session_ == nullptr) {
    return fail(errno_text(ENOMEM));
  }
  state_ = State::kHandshaking;
  advance_tls({});
}

void HealthProbe::on_readable() {
  const uv::IoResult got = stream_.read(received_);
  switch (got.status) {
    case uv::IoStatus::kBlocked:
      return watch();
    case uv::IoStatus::kFailed:
      return fail(errno_text(got.error));
    case uv::IoStatus::kEnded:
      return fail("closed by the server");
    case uv::IoStatus::kProgress:
      break;
  }
  const ByteView received = std::span(received_).first(got.count);
  session_ ? advance_tls(received) : take_response(received);
}

// Handshake, then what follows in the same bytes.
void HealthProbe::advance_tls(ByteView received) {
  session_->attach(received, encrypted_);
  tls::IoOutcome outcome = tls::IoOutcome::kProgress;
  if (state_ == State::kHandshaking) {
    outcome = session_->handshake();
    if (outcome == tls::IoOutcome::kProgress) {
      on_secure();
    }
  }
  std::size_t count = 0;
  while (state_ == State::kAwaitingStatus &&
         (outcome = session_->read(plain_, count)) == tls::IoOutcome::kProgress) {
    take_response(std::span(plain_).first(count));
  }
  if (!session_) {
    return;  // judged
  }
  send_plain(encrypted_.view());
  encrypted_.clear();
  if (outcome == tls::IoOutcome::kPeerEnded) {
    return fail("closed by the server");
  }
  if (outcome == tls::IoOutcome::kFailed) {
    return fail("TLS: " + session_->failure_detail());
  }
  watch();
}

void HealthProbe::on_secure() {
  if (backend_.health.type == config::HealthType::kTcp) {
    if (session_) {  // the server's handshake shall be complete too
      session_->send_close_notify();
      send_plain(encrypted_.view());
    }
    return finish({});
  }
  state_ = State::kAwaitingStatus;
  send_request();
  watch();
}

void HealthProbe::send_request() {
  const std::string request = "GET " + backend_.health.path +
                              " HTTP/1.1\r\nHost: " + backend_.servers[server_].label() +
                              "\r\nUser-Agent: usher-health-check\r\nConnection: close\r\n\r\n";
  if (session_) {
    (void)session_->write(bytes_of(request));  // a failure is told by the next read
  } else {
    send_plain(bytes_of(request));
  }
}

void HealthProbe::take_response(ByteView plain) {
  status_line_ +=
      text_of(plain.first(std::min(plain.size(), kStatusLineBytes - status_line_.size())));
  if (status_line_.size() < kStatusLineBytes) {
    return watch();
  }
  if (const std::string wrong = judge(status_line_); !wrong.empty()) {
    return fail(wrong);
  }
  finish({});
}

void HealthProbe::send_plain(ByteView bytes) {
  (void)output_.send(stream_, bytes);  // a failure is told by the next read
}

void HealthProbe::watch() {
  if (stream_.is_open()) {
    stream_.watch(true, output_.waiting());
  }
}

void HealthProbe::on_timeout() {
  fail("no answer within the timeout");
}

void HealthProbe::fail(const std::string& why) {
  close();
  next_ < addresses_.size() ? try_next() : finish(why);
}

void HealthProbe::finish(const std::string& failure) {
  close();
  state_ = State::kIdle;
  on_done_(failure);
}

void HealthProbe::close() {
  timer_.stop();
  stream_.close();
  output_.clear();
  encrypted_.clear();
  session_.reset();
  status_line_.clear();
}

}  // namespace usher::backend
