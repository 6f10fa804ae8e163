// Http2Connection: what comes, time, the end.
#include "proxy/http/http2_connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "proxy/http/http2_limits.h"

namespace usher::http {
namespace {

using std::chrono::milliseconds;

// A client that does not acknowledge the PING which follows the first GOAWAY has this long to hear
// of it (RFC 9113 §6.8: at least one round trip).
constexpr milliseconds kDrainPause(1'000);
// For a last GOAWAY to find room in the output.
constexpr milliseconds kGoodbyeTimeout(5'000);

// An encoded field section is smaller than the list it stands for, unless it is made to cost.
constexpr std::size_t section_bytes_max(const HeadLimits& limits) {
  return 2 * limits.bytes + 16 * 1024;
}

}  // namespace

Http2Connection::Http2Connection(relay::ClientPort& port, std::shared_ptr<const Site> site)
    : client_{port, std::move(site), nullptr},
      self_(std::make_shared<Http2Connection*>(this)),
      session_(make_session(*this)),
      guard_(section_bytes_max(client_.site->settings().limits), now()),
      section_(client_.site->settings().limits),
      idle_since_(now()),
      moved_at_(now()) {
  submit_settings();
}

Http2Connection::~Http2Connection() {
  CHECK(streams_.empty());
  *self_ = nullptr;
}

void Http2Connection::FreeSession::operator()(nghttp2_session* session) const {
  nghttp2_session_del(session);
}

std::size_t Http2Connection::room() const {
  return closing_ || over_ || blocked_ ? 0 : http2::kReadMax;
}

void Http2Connection::on_bytes(ByteView plain) {
  std::size_t at = 0;
  std::size_t fed = 0;
  while (at < plain.size() && !closing_) {
    const http2::FrameReader::Step step = frames_.next(plain.subspan(at));
    at += step.taken;
    if (step.frame != nullptr && !judge(*step.frame, at - step.of_header, plain, fed)) {
      return;
    }
  }
  feed(plain.subspan(fed));
}

// False: the connection is being closed. `before`: where the frame begins in `plain`, of which
// `fed` bytes nghttp2 has seen.
bool Http2Connection::judge(const http2::FrameHeader& frame, std::size_t before, ByteView plain,
                            std::size_t& fed) {
  using Verdict = http2::Guard::Verdict;
  if (frame.type == http2::FrameType::kHeaders) {
    head_since_ = now();
  }
  Verdict verdict = guard_.on_frame(frame, now());
  if (verdict == Verdict::kAsk) {
    feed(plain.subspan(fed, before - fed));
    fed = before;
    const bool open = stream_of(static_cast<std::int32_t>(frame.stream)) != nullptr;
    verdict = open ? Verdict::kPass : guard_.on_closed(frame, now());
  }
  switch (verdict) {
    case Verdict::kPass:
    case Verdict::kAsk:
      break;
    case Verdict::kFlood:
      fail(NGHTTP2_ENHANCE_YOUR_CALM, Reject::kFlood);
      break;
    case Verdict::kProtocolError:
      fail(NGHTTP2_PROTOCOL_ERROR, Reject::kBadFrame);
      break;
    case Verdict::kStreamClosed:
      fail(NGHTTP2_STREAM_CLOSED, Reject::kBadFrame);
      break;
  }
  return !closing_;
}

void Http2Connection::feed(ByteView bytes) {
  if (bytes.empty() || closing_ || over_) {
    return;
  }
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), uchars(bytes), bytes.size());
  if (taken >= 0) {
    return;
  }
  CHECK(taken != NGHTTP2_ERR_NOMEM);
  const bool flood = taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
  fail(flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
       flood ? Reject::kFlood : Reject::kBadFrame);
}

void Http2Connection::count(Reject reason) {
  client_.site->settings().metrics->rejected[static_cast<std::size_t>(reason)].add();
}

// A connection error (RFC 9113 §5.4.1).
void Http2Connection::fail(std::uint32_t error_code, Reject reason) {
  if (closing_ || over_) {
    return;
  }
  count(reason);
  failed_ = true;
  nghttp2_session_terminate_session(session_.get(), error_code);
  begin_closing(relay::CloseReason::kClientFailed);
}

void Http2Connection::begin_closing(relay::CloseReason reason) {
  closing_ = true;
  reason_ = reason;
  due_at_ = now() + kGoodbyeTimeout;
}

// Without the client's WINDOW_UPDATEs a response would not come to its end: a half-closed
// connection is of no use in HTTP/2.
void Http2Connection::on_client_ended(bool truncated) {
  client_.port.end(truncated ? relay::CloseReason::kClientTruncated
                             : relay::CloseReason::kFinished);
}

void Http2Connection::stop() {
  over_ = true;
  *self_ = nullptr;
  while (!streams_.empty()) {
    Http2Stream& stream = *streams_.back();
    stream.give_up(failed_ ? "connection_error" : "client_gone");
    retire(stream);
  }
}

void Http2Connection::retire(Http2Stream& stream) {
  note_response_left(stream.response_waiting());
  const std::size_t slot = stream.slot;
  client_.port.services().retired.push_back(std::move(streams_[slot]));
  if (slot + 1 != streams_.size()) {
    streams_[slot] = std::move(streams_.back());
    streams_[slot]->slot = slot;
  }
  streams_.pop_back();
  if (streams_.empty()) {
    idle_since_ = now();
  }
}

// RFC 9113 §6.8: the first GOAWAY asks the client to open no more streams, the second, when it must
// have heard of that, says which were the last.
void Http2Connection::drain() {
  if (draining_ || closing_ || over_) {
    return;
  }
  draining_ = pausing_ = true;
  due_at_ = now() + kDrainPause;
  nghttp2_submit_shutdown_notice(session_.get());
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
}

void Http2Connection::stop_accepting() {
  pausing_ = false;
  const std::int32_t last = nghttp2_session_get_last_proc_stream_id(session_.get());
  guard_.ignore_above(static_cast<std::uint32_t>(last));
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
}

bool Http2Connection::head_incomplete() const {
  return guard_.in_field_section() || frames_.inside_headers();
}

// Of a client that takes nothing at all, not even what resets its streams.
uv::LoopTime Http2Connection::output_deadline() const {
  return blocked_ ? client_.port.last_activity() + idle_timeout() : uv::LoopTime::max();
}

uv::LoopTime Http2Connection::next_deadline() const {
  if (closing_) {
    return due_at_;
  }
  const auto head_timeout = client_.site->settings().head_timeout;
  uv::LoopTime due = std::min(pausing_ ? due_at_ : uv::LoopTime::max(), output_deadline());
  if (head_incomplete()) {
    due = std::min(due, head_since_ + head_timeout);
  }
  if (streams_.empty()) {
    due = std::min(due, idle_since_ + (settings_seen_ ? idle_timeout() : head_timeout));
  }
  for (const auto& stream : streams_) {
    due = std::min(due, stream->deadline(moved_at_));
  }
  return due;
}

void Http2Connection::on_deadline() {
  due_ = uv::LoopTime::max();
  const auto head_timeout = client_.site->settings().head_timeout;
  if (closing_) {
    if (due_at_ <= now()) {
      client_.port.end(reason_);
    }
    return;
  }
  if (output_deadline() <= now()) {
    client_.port.cut_off(relay::CloseReason::kIdleTimeout);
    return;
  }
  if (pausing_ && due_at_ <= now()) {
    stop_accepting();
  }
  if (head_incomplete() && head_since_ + head_timeout <= now()) {
    fail(NGHTTP2_ENHANCE_YOUR_CALM, Reject::kHeadTimeout);
    return;
  }
  if (streams_.empty() && idle_since_ + (settings_seen_ ? idle_timeout() : head_timeout) <= now()) {
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
    begin_closing(relay::CloseReason::kIdleTimeout);
    return;
  }
  for (std::size_t i = streams_.size(); i-- > 0;) {  // the last one takes a retired one's place
    streams_[i]->on_deadline(moved_at_);
  }
}

}  // namespace usher::http
