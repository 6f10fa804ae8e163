#include "proxy/http/http2_stream.h"

#include <algorithm>

#include "proxy/http/http2_connection.h"
#include "proxy/http/http2_limits.h"

namespace usher::http {

Http2Stream::Http2Stream(Http2Connection& connection, Client& client, std::int32_t id)
    : connection_(connection), exchange_(client, *this), moved_at_(connection.now()), id_(id) {}

Http2Stream::~Http2Stream() = default;

uv::LoopTime Http2Stream::now() const {
  return connection_.now();
}

void Http2Stream::start(const RequestHead& head) {
  exchange_.start(head);
}

void Http2Stream::refuse(Reject reject, const RequestHead* head) {
  exchange_.refuse(reject, head);
}

void Http2Stream::on_content(ByteView content) {
  if (done_) {
    connection_.consume(*this, content.size());
    rest_bytes_ += end_sent_ ? content.size() : 0;
    if (rest_bytes_ > http2::kRestMax && awaits_rest()) {
      refuse_rest();
    }
    return;
  }
  if (request_.empty()) {
    const std::size_t room = std::min(exchange_.request_room(), content.size());
    exchange_.send_request_body(content.first(room));
    connection_.consume(*this, room);
    content = content.subspan(room);
  }
  if (done_) {
    connection_.consume(*this, content.size());
  } else {
    request_.append(content);
  }
}

void Http2Stream::on_request_end(std::span<const Field> trailers) {
  request_ended_ = true;
  if (!trailers.empty()) {
    request_trailers_ = std::make_unique<http2::KeptFields>();
    request_trailers_->keep(trailers);
  }
  end_if_given();
}

void Http2Stream::end_if_given() {
  if (request_ended_ && !request_given_ && !done_ && request_.empty()) {
    request_given_ = true;
    exchange_.end_request(request_trailers_ ? std::span<const Field>(request_trailers_->fields())
                                            : std::span<const Field>());
  }
}

// What the exchange has taken, the client may send again: the backend's pace is the client's.
void Http2Stream::on_request_room() {
  while (!request_.empty()) {
    const std::size_t room = std::min(exchange_.request_room(), request_.size());
    if (room == 0) {
      return;
    }
    exchange_.send_request_body(request_.view().first(room));
    if (done_) {
      return;  // on_exchange_done() has dropped the rest
    }
    request_.consume(room);
    connection_.consume(*this, room);
  }
  if (!done_) {
    request_.release();
    end_if_given();
  }
}

std::size_t Http2Stream::response_max() const {
  return connection_.responses_waiting() <= http2::kResponsesMax ? http2::kResponseMax
                                                                 : http2::kResponseShare;
}

// One that holds more than its share since there was more for everyone reads a little once more;
// then it is full.
std::size_t Http2Stream::response_room() const {
  if (full_) {
    return 0;
  }
  const std::size_t most = response_max();
  return std::max(most - std::min(most, response_.size()), http2::kResponseShare / 2);
}

void Http2Stream::send_informational(const ResponseHead& head) {
  if (!closed_) {
    connection_.submit_informational(*this, head);
  }
}

void Http2Stream::send_head(const ResponseHead& head) {
  if (!closed_) {
    connection_.submit_head(*this, head);
  }
}

void Http2Stream::send_body(ByteView content) {
  if (closed_) {
    return;
  }
  if (response_.empty()) {
    moved_at_ = now();
  }
  response_.append(content);
  connection_.note_response_waits(content.size());
  full_ = full_ || response_.size() > response_max() / 2;
  resume();
}

void Http2Stream::send_end(std::span<const Field> trailers) {
  response_ended_ = true;
  if (!trailers.empty()) {
    trailers_ = std::make_unique<http2::KeptFields>();
    trailers_->keep(trailers);
  }
  resume();
}

void Http2Stream::resume() {
  if (waiting_ && !closed_) {
    waiting_ = false;
    connection_.resume(*this);
  }
}

void Http2Stream::abort() {
  if (!closed_) {
    reset_ = true;
    connection_.reset(*this, Http2Connection::Reset::kInternalError);
  }
}

void Http2Stream::on_exchange_done() {
  done_ = true;
  drop_request();
  if (closed_) {
    connection_.retire(*this);
  }
}

std::size_t Http2Stream::next_frame(std::size_t most, bool& last) {
  if (response_.empty() && !response_ended_) {
    waiting_ = true;
    response_.release();
    return kNothingYet;
  }
  const std::size_t size = std::min({most, response_.size(), http2::kFrameContent});
  last = response_ended_ && size == response_.size();
  return size;
}

void Http2Stream::take_frame(std::size_t size) {
  response_.consume(size);
  connection_.note_response_left(size);
}

// Drops of content through a window that the client opens byte by byte are no movement.
void Http2Stream::on_content_sent(std::size_t size, bool window_closed) {
  moved_bytes_ += size;
  window_closed_ = window_closed;
  if (!window_closed || response_.empty() || moved_bytes_ >= http2::kMovementMin) {
    moved_at_ = now();
    moved_bytes_ = 0;
  }
}

void Http2Stream::on_end_sent() {
  end_sent_ = true;
  moved_at_ = now();
}

// RFC 9113 §8.1: the client need not send what nobody takes.
void Http2Stream::refuse_rest() {
  reset_ = true;
  connection_.reset(*this, Http2Connection::Reset::kNoError);
}

void Http2Stream::ask_for_content() {
  full_ = false;
  exchange_.on_client_room();
}

// After the response's last frame the exchange is about to say so itself.
void Http2Stream::on_closed(std::string_view reason) {
  if (end_sent_) {
    closed_ = true;
  } else {
    give_up(reason);
  }
}

void Http2Stream::give_up(std::string_view reason) {
  closed_ = true;
  if (!done_) {
    done_ = true;
    exchange_.cancel(reason);
  }
  drop_request();
}

void Http2Stream::drop_request() {
  if (!request_.empty()) {
    connection_.consume(*this, request_.size());
    request_.clear();
    request_.release();
  }
}

// Content waits and does not move: the client keeps this stream's window closed, or the
// connection's; then it is the connection that does not move.
uv::LoopTime Http2Stream::deadline(uv::LoopTime connection_moved) const {
  if (awaits_rest()) {
    return moved_at_ + http2::kRestTimeout;
  }
  const uv::LoopTime exchange_due = done_ ? uv::LoopTime::max() : exchange_.deadline();
  if (response_.empty() || reset_) {
    return exchange_due;
  }
  const uv::LoopTime moved = window_closed_ ? moved_at_ : std::max(moved_at_, connection_moved);
  return std::min(exchange_due, moved + connection_.idle_timeout());
}

void Http2Stream::on_deadline(uv::LoopTime connection_moved) {
  if (awaits_rest()) {
    if (deadline(connection_moved) <= now()) {
      refuse_rest();
    }
    return;
  }
  if (!done_ && exchange_.deadline() <= now()) {
    exchange_.on_deadline();
  }
  if (!closed_ && !reset_ && deadline(connection_moved) <= now() && !response_.empty()) {
    reset_ = true;
    connection_.reset(*this, Http2Connection::Reset::kCancel);
    if (!done_) {
      done_ = true;
      exchange_.cancel("client_idle_timeout");
    }
  }
}

}  // namespace usher::http
