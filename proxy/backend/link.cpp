#include "proxy/backend/link.h"

#include <cerrno>

#include "proxy/backend/connect_error.h"
#include "proxy/backend/group.h"
#include "proxy/base/unix_errors.h"

// Link from connect to open, idle, and closed; link_io.cpp moves bytes.
namespace usher::backend {
namespace {

LinkFailure link_failure(int error) {
  if (lacks_resources(error)) {
    return LinkFailure::kNoResources;
  }
  switch (failure_of(error)) {
    case BackendMetrics::kRefused:
      return LinkFailure::kRefused;
    case BackendMetrics::kTimeout:
      return LinkFailure::kTimeout;
    case BackendMetrics::kReset:
      return LinkFailure::kReset;
    case BackendMetrics::kTls:
      return LinkFailure::kTls;
    default:
      return LinkFailure::kUnreachable;
  }
}

}  // namespace

Link::Link(Group& group, const Balancer::Choice& choice, User& user)
    : group_(group), user_(&user), choice_(choice), began_(std::chrono::steady_clock::now()) {
  group_.balancer_.connected(choice_.server);
}

Link::~Link() {
  if (aborted_) {
    stream_.reset();
  } else {
    if (state_ == State::kIdle && session_ && !read_ended_) {
      say_goodbye();
    }
    stream_.close();
  }
  if (counted_) {
    group_.around_.metrics->per_server[choice_.server].connections.sub();
  }
  group_.disconnected(choice_.server);
}

// A courtesy that is dropped where the socket is full.
void Link::say_goodbye() {
  session_->attach({}, group_.tls_output_);
  session_->send_close_notify();
  (void)stream_.write(group_.tls_output_.view());
  group_.tls_output_.clear();
}

int Link::connect() {
  error_ = stream_.connect<&Link::on_ready>(group_.around_.loop, choice_.address, *this);
  if (error_ != 0) {
    return error_;
  }
  if (stream_.connected()) {  // the loopback's handshake is done within connect(2)
    if (!on_connected()) {
      return error_ = ENOMEM;
    }
    if (state_ == State::kOpen) {
      return 0;
    }
  } else {
    stream_.watch(false, true);
  }
  timer_.open<&Link::on_timeout>(group_.around_.loop, *this);
  timer_.start(group_.settings_.connect_timeout);
  return 0;
}

void Link::on_ready(uv::Ready ready) {
  if (ready.unwatchable) {
    return on_unwatchable();
  }
  switch (state_) {
    case State::kConnecting:
      return on_connect_ready();
    case State::kHandshaking:
      return on_handshake_ready();
    case State::kOpen:
      return on_open_ready(ready);
    case State::kIdle:
      return on_idle_ready();
  }
}

void Link::on_connect_ready() {
  error_ = stream_.connect_result();
  if (error_ != 0) {
    return fail(link_failure(error_));
  }
  if (!on_connected()) {
    return fail(LinkFailure::kNoResources);
  }
  if (state_ == State::kOpen) {
    timer_.close();
    user_->on_link_open();
  }
}

// TCP stands: open, or the client's first flight leaves. False: out of memory.
bool Link::on_connected() {
  ByteQueue preamble;
  user_->append_preamble(preamble);
  (void)note_sent(output_.send(stream_, preamble.view(), uv::More::kFollows));
  if (group_.around_.tls == nullptr) {
    open();
    return true;
  }
  session_ = tls::BackendSession::create(*group_.around_.tls, choice_.server);
  if (session_ == nullptr) {
    return false;
  }
  state_ = State::kHandshaking;
  (void)step_handshake({});  // what a first write does wrong the next read tells
  watch();
  return true;
}

void Link::on_handshake_ready() {
  if (output_.waiting()) {
    (void)output_.flush(stream_);
  }
  const Buffers& buffers = group_.around_.buffers;
  const uv::IoResult got = stream_.read(buffers.receive.first(kSmallRead));
  if (got.status == uv::IoStatus::kBlocked) {
    return watch();
  }
  if (got.status != uv::IoStatus::kProgress) {
    error_ = got.status == uv::IoStatus::kFailed ? got.error : ECONNRESET;
    return fail(LinkFailure::kReset);
  }
  tls::IoOutcome outcome = step_handshake(buffers.receive.first(got.count));
  if (outcome == tls::IoOutcome::kProgress) {
    outcome = take_what_follows();
  } else if (outcome == tls::IoOutcome::kBlocked) {
    return watch();
  }
  if (outcome != tls::IoOutcome::kBlocked) {  // an error, an end, or an answer to no request
    return fail(LinkFailure::kTls);
  }
  open();
  timer_.close();
  user_->on_link_open();
}

tls::IoOutcome Link::step_handshake(ByteView received) {
  ByteQueue& output = group_.tls_output_;
  session_->attach(received, output);
  const tls::IoOutcome outcome = session_->handshake();
  (void)output_.send(stream_, output.view());
  output.clear();
  return outcome;
}

// Some servers send their tickets right behind the handshake.
tls::IoOutcome Link::take_what_follows() {
  std::size_t count = 0;
  return session_->read(group_.around_.buffers.plain, count);
}

void Link::open() {
  state_ = State::kOpen;
  counted_ = true;
  group_.note_connected(choice_, std::chrono::steady_clock::now() - began_);
  watch();
}

void Link::on_timeout() {
  error_ = ETIMEDOUT;
  fail(LinkFailure::kTimeout);
}

// The kernel lacks memory to wait for it: as good as gone.
void Link::on_unwatchable() {
  if (state_ == State::kIdle) {
    group_.take_idle(*this).reset();
    return;
  }
  error_ = ENOMEM;
  if (state_ != State::kOpen) {
    return fail(LinkFailure::kNoResources);
  }
  send_failed_ = true;
  (void)note_end({uv::IoStatus::kFailed, 0, ENOMEM});
  user_->on_link_readable();
}

void Link::fail(LinkFailure failure) {
  timer_.close();
  stream_.close();
  group_.note_link_failed(choice_, failure, failure_detail());
  user_->on_link_failed(failure);
}

std::string Link::failure_detail() const {
  if (session_) {
    if (std::string reason = session_->failure_detail(); !reason.empty()) {
      return reason;
    }
  }
  return error_ == 0 ? std::string() : errno_text(error_);
}

bool Link::reusable() const {
  return state_ == State::kOpen && !read_ended_ && !end_untold_ && !send_failed_ && !fin_wanted_ &&
         !aborted_ && waiting_bytes() == 0;
}

void Link::become_idle() {
  state_ = State::kIdle;
  user_ = nullptr;
  read_wanted_ = true;
  idle_since_ = group_.around_.loop.now();
  watch();  // most often free: nothing changes
}

void Link::leave_idle(User& user) {
  state_ = State::kOpen;
  reused_ = true;
  user_ = &user;
}

// A ticket is no answer: the link stays. Anything else, an end most of all, is not.
void Link::on_idle_ready() {
  ByteView got;
  if (receive(kSmallRead, got).status == uv::IoStatus::kBlocked && !send_failed_) {
    return;
  }
  group_.take_idle(*this).reset();
}

}  // namespace usher::backend
