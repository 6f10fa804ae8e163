#include "proxy/redis/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/unix_errors.h"

namespace usher::redis {
namespace {

// Big enough to take most replies in one read, small enough for the stack.
constexpr std::size_t kReadBytes = 16 * std::size_t{1024};
// A connection that lived this long was a good one: the next attempt follows quickly again.
constexpr std::chrono::milliseconds kLasting{2000};
// Before commands count as too late: 1 MiB, some thousand replies.
constexpr int kCatchUpReads = 64;

}  // namespace

Connection::Connection(uv::Loop& loop, Server server, Options options, OnState on_state)
    : loop_(loop),
      server_(std::move(server)),
      options_(options),
      on_state_(std::move(on_state)),
      resolver_(loop) {
  attempt_timer_.open<&Connection::on_attempt_timer>(loop_, *this);
  deadline_timer_.open<&Connection::on_deadline>(loop_, *this);
  rejected_timer_.open<&Connection::on_rejected>(loop_, *this);
}

void Connection::open() {
  CHECK(phase_ == Phase::kIdle);
  phase_ = Phase::kResting;
  attempt_timer_.start(std::chrono::milliseconds(0));
}

void Connection::close() {
  phase_ = Phase::kClosed;
  ++incarnation_;
  stream_.close();
  pipeline_.reset();
  rejected_.clear();
  attempt_timer_.close();
  deadline_timer_.close();
  rejected_timer_.close();
}

void Connection::reconnect(const std::string& why) {
  if (stream_.is_open()) {
    lost(why);
  }
}

void Connection::lost(const std::string& why) {
  const bool lasted = phase_ == Phase::kReady && loop_.now() - ready_since_ >= kLasting;
  failures_ = lasted ? 0 : failures_ + 1;
  phase_ = Phase::kResting;
  ++incarnation_;
  stream_.close();
  std::deque<Pipeline::Ended> ended =
      pipeline_ ? pipeline_->disconnected() : std::deque<Pipeline::Ended>();
  pipeline_.reset();
  deadline_timer_.stop();
  deadline_armed_.reset();
  const unsigned doublings = std::min(failures_, 16U) - (failures_ == 0 ? 0 : 1);
  const auto delay = std::min(options_.backoff_max, options_.backoff_min * (1 << doublings));
  std::uniform_int_distribution<std::int64_t> second_half(delay.count() / 2, delay.count());
  attempt_timer_.start(std::chrono::milliseconds(second_half(random_)));
  on_state_(false, why);
  for (Pipeline::Ended& command : ended) {
    if (phase_ == Phase::kClosed) {
      return;
    }
    command.on_reply(command.outcome, {});
  }
}

// --- bytes

void Connection::on_stream(uv::Ready ready) {
  if (phase_ == Phase::kConnecting) {
    const int error = stream_.connect_result();
    if (error == 0 && !ready.failed) {
      on_connected();
      return;
    }
    last_failure_ = errno_text(error);
    stream_.close();
    try_next_address();
    return;
  }
  const std::uint64_t connection = incarnation_;
  if (ready.readable || ready.failed) {
    (void)read();
  }
  if (connection == incarnation_ && ready.writable) {
    flush();
  }
}

// A failure to write shows up at the next read: what the server said before may explain it.
void Connection::flush() {
  while (!pipeline_->output().empty()) {
    const uv::IoResult written = stream_.write(pipeline_->output());
    if (written.status != uv::IoStatus::kProgress) {
      break;
    }
    pipeline_->sent(written.count);
  }
  update_watch();
}

bool Connection::read() {
  std::array<std::byte, kReadBytes> bytes;
  const uv::IoResult result = stream_.read(bytes);
  switch (result.status) {
    case uv::IoStatus::kBlocked:
      update_watch();
      return false;
    case uv::IoStatus::kEnded:
      lost("the server closed the connection");
      return false;
    case uv::IoStatus::kFailed:
      lost(errno_text(result.error));
      return false;
    case uv::IoStatus::kProgress:
      break;
  }
  pipeline_->received(std::span<const std::byte>(bytes).first(result.count), loop_.now());
  const std::uint64_t connection = incarnation_;
  deliver();
  if (connection != incarnation_) {
    return false;
  }
  update_watch();
  return true;
}

void Connection::deliver() {
  while (auto ended = pipeline_->answered()) {
    if (!deliver_one(*std::move(ended))) {
      return;
    }
  }
  if (!pipeline_->problem().empty()) {
    lost("the server does not speak as Redis: " + pipeline_->problem());
  }
}

bool Connection::deliver_one(Pipeline::Ended ended) {
  const std::uint64_t connection = incarnation_;
  ended.on_reply(ended.outcome, std::move(ended.reply));
  return connection == incarnation_;
}

void Connection::update_watch() {
  stream_.watch(true, !pipeline_->output().empty());
}

// --- commands

void Connection::command(Arguments arguments, Expected expected, std::chrono::milliseconds timeout,
                         OnReply on_reply) {
  CHECK(phase_ != Phase::kClosed && on_reply);
  const uv::LoopTime now = loop_.now();
  if (phase_ != Phase::kReady) {
    rejected_.push_back({std::move(on_reply), Outcome::kNotConnected, {}});
  } else if (!pipeline_->add(arguments, expected, now, now + timeout, on_reply)) {
    rejected_.push_back({std::move(on_reply), Outcome::kFull, {}});
  } else {
    arm_deadline(now + std::min(timeout, options_.silence_max));
    flush();
    return;
  }
  rejected_timer_.start(std::chrono::milliseconds(0));
}

void Connection::on_rejected() {
  for (Pipeline::Ended& command : std::exchange(rejected_, {})) {
    if (phase_ == Phase::kClosed) {
      return;
    }
    command.on_reply(command.outcome, {});
  }
}

// The timer is moved only to come earlier; when it is early it is set again.
void Connection::arm_deadline(uv::LoopTime next) {
  if (!deadline_armed_ || next < *deadline_armed_) {
    deadline_armed_ = next;
    deadline_timer_.start(next - loop_.now());
  }
}

// An answer that came in time may wait to be read while the loop does other work.
void Connection::catch_up() {
  for (int reads = 0; reads < kCatchUpReads; ++reads) {
    const auto next = pipeline_->next_deadline();
    if (!next || *next > loop_.now() || !read()) {
      return;
    }
  }
}

void Connection::on_deadline() {
  deadline_armed_.reset();
  const std::uint64_t connection = incarnation_;
  catch_up();
  if (connection != incarnation_) {
    return;
  }
  for (Pipeline::Ended& command : pipeline_->expired(loop_.now())) {
    if (phase_ == Phase::kClosed) {
      return;
    }
    command.on_reply(command.outcome, {});
  }
  if (connection != incarnation_) {
    return;
  }
  std::optional<uv::LoopTime> next = pipeline_->next_deadline();
  if (const auto since = pipeline_->silent_since()) {
    if (loop_.now() - *since >= options_.silence_max) {
      lost("the server has not answered for too long");
      return;
    }
    next = std::min(next.value_or(uv::LoopTime::max()), *since + options_.silence_max);
  }
  if (next) {
    arm_deadline(*next);
  }
}

}  // namespace usher::redis
