// Http2Connection: frames that nghttp2 has understood or made.
#include <nghttp2/nghttp2.h>

#include "proxy/http/http2_connection.h"
#include "proxy/http/http2_limits.h"

namespace usher::http {

void Http2Connection::on_request(std::int32_t id, bool ended) {
  static thread_local RequestHead head;  // used within one call, for its memory
  streams_.push_back(std::make_unique<Http2Stream>(*this, client_, id));
  Http2Stream& stream = *streams_.back();
  stream.slot = streams_.size() - 1;
  nghttp2_session_set_stream_user_data(session_.get(), id, &stream);
  const Reject reject = section_.finish_request(ended, head);
  if (reject == Reject::kNone) {
    stream.start(head);
  } else {
    stream.refuse(reject, head.method_text.empty() ? nullptr : &head);
  }
  if (ended) {
    stream.on_request_end({});
  }
}

void Http2Connection::on_trailers(Http2Stream& stream) {
  static thread_local std::vector<Field> trailers;  // as above
  if (section_.finish_trailers(trailers) == Reject::kNone) {
    stream.on_request_end(trailers);
  } else {
    reset(stream, Reset::kProtocolError);
  }
}

// All but our own reasons are a client's stream errors. They cost as much as resets of its own.
void Http2Connection::on_reset_sent(std::int32_t id, std::uint32_t error_code) {
  guard_.note_reset(static_cast<std::uint32_t>(id));
  switch (error_code) {
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_INTERNAL_ERROR:
    case NGHTTP2_CANCEL:
      return;
    default:
      count(Reject::kBadFrame);
      if (!guard_.charge_error(now())) {
        fail(NGHTTP2_ENHANCE_YOUR_CALM, Reject::kFlood);
      }
  }
}

void Http2Connection::on_end_sent(std::int32_t id) {
  if (Http2Stream* stream = stream_of(id)) {
    stream->on_end_sent();
  }
}

void Http2Connection::on_content_sent(std::int32_t id, std::size_t size) {
  const bool window_closed = nghttp2_session_get_remote_window_size(session_.get()) <= 0 ||
                             nghttp2_session_get_stream_remote_window_size(session_.get(), id) <= 0;
  if (!window_closed || size >= http2::kMovementMin) {
    moved_at_ = now();
    guard_.note_data(size);
  }
  if (Http2Stream* stream = stream_of(id)) {
    stream->on_content_sent(size, window_closed);
    if (stream->wants_content()) {
      hungry_.push_back(id);
    }
  }
}

// nghttp2 found a connection error itself.
void Http2Connection::on_goaway_sent(std::uint32_t error_code) {
  if (error_code == NGHTTP2_NO_ERROR || failed_) {
    return;
  }
  failed_ = true;
  count(error_code == NGHTTP2_ENHANCE_YOUR_CALM ? Reject::kFlood : Reject::kBadFrame);
  begin_closing(relay::CloseReason::kClientFailed);
}

void Http2Connection::on_stream_closed(Http2Stream& stream) {
  stream.on_closed("client_reset");
  if (stream.over()) {
    retire(stream);
  }
}

}  // namespace usher::http
