#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/unix_errors.h"
#include "proxy/redis/connection.h"

// The part of Connection that ends with ready() or lost().
namespace usher::redis {
namespace {

constexpr Expected kStatus = Expected::one_of(Reply::Type::kStatus);

// A stranger's words are not logged for ever.
std::string shortened(const std::string& text) {
  return text.substr(0, 200);
}

}  // namespace

void Connection::on_attempt_timer() {
  if (phase_ == Phase::kResting) {
    begin_attempt();
    return;
  }
  last_failure_ = "no answer within the time to connect";
  stream_.close();
  if (phase_ == Phase::kResolving || phase_ == Phase::kSigningIn) {
    lost(last_failure_);
  } else {
    try_next_address();
  }
}

void Connection::begin_attempt() {
  last_failure_.clear();
  addresses_.clear();
  if (!server_.unix_path.empty()) {
    connect_unix();
    return;
  }
  phase_ = Phase::kResolving;
  attempt_timer_.start(options_.connect_timeout);
  resolver_.resolve(server_.host, server_.port,
                    [this, attempt = incarnation_](Result<std::vector<SocketAddress>> addresses) {
                      if (phase_ == Phase::kResolving && attempt == incarnation_) {
                        on_resolved(std::move(addresses));
                      }
                    });
}

void Connection::on_resolved(Result<std::vector<SocketAddress>> addresses) {
  if (!addresses) {
    lost(addresses.error().message);
    return;
  }
  addresses_ = *std::move(addresses);
  std::ranges::reverse(addresses_);
  try_next_address();
}

void Connection::try_next_address() {
  phase_ = Phase::kConnecting;
  while (!addresses_.empty()) {
    const SocketAddress address = addresses_.back();
    addresses_.pop_back();
    const int error = stream_.connect<&Connection::on_stream>(loop_, address, *this);
    if (error == 0) {
      attempt_timer_.start(options_.connect_timeout);
      stream_.watch(false, true);
      return;
    }
    last_failure_ = errno_text(error);
  }
  lost(last_failure_);
}

// A Unix socket connects at once or not at all; EAGAIN is a full backlog.
void Connection::connect_unix() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(server_.unix_path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, server_.unix_path.data(), server_.unix_path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket ||
      ::connect(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    lost(errno_text(errno));
    return;
  }
  if (!stream_.adopt<&Connection::on_stream>(loop_, std::move(socket), *this)) {
    lost("the socket cannot be waited for");
    return;
  }
  on_connected();
}

void Connection::on_connected() {
  phase_ = Phase::kSigningIn;
  pipeline_.emplace();
  attempt_timer_.start(options_.connect_timeout);
  sign_in();
}

// AUTH and SELECT as far as they are needed. One answer at least must come before this is a Redis
// server; PING is what every user may ask, and one who may not is told so, which is an answer too.
void Connection::sign_in() {
  std::vector<std::vector<std::string_view>> commands;
  const std::string database = std::to_string(server_.database);
  if (!server_.password.empty()) {
    commands.push_back({"AUTH"});
    if (!server_.user.empty()) {
      commands.back().push_back(server_.user);
    }
    commands.back().push_back(server_.password);
  }
  if (server_.database != 0) {
    commands.push_back({"SELECT", database});
  }
  if (commands.empty()) {
    commands.push_back({"PING"});
  }
  for (std::size_t i = 0; i < commands.size(); ++i) {
    OnReply on_reply = [this, last = i + 1 == commands.size()](Outcome outcome,
                                                               const Reply& reply) {
      on_signed_in(outcome, reply, last);
    };
    const uv::LoopTime now = loop_.now();
    CHECK(pipeline_->add(commands[i], kStatus, now, now + options_.connect_timeout, on_reply));
  }
  arm_deadline(loop_.now() + std::min(options_.connect_timeout, options_.silence_max));
  flush();
}

void Connection::on_signed_in(Outcome outcome, const Reply& reply, bool last) {
  const bool may_not_ping = reply.text.starts_with("NOPERM") && server_.password.empty();
  if (outcome == Outcome::kRefused && !(may_not_ping && server_.database == 0)) {
    lost("the server refuses: " + shortened(reply.text));
  } else if (last && (outcome == Outcome::kReply || outcome == Outcome::kRefused)) {
    phase_ = Phase::kReady;
    ready_since_ = loop_.now();
    attempt_timer_.stop();
    on_state_(true, "");
  }
}

}  // namespace usher::redis
