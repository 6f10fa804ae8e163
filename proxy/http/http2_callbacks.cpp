// What nghttp2 calls: each is given the Http2Connection as the session's user data and hands on.
#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "proxy/http/http2_connection.h"
#include "proxy/http/http2_limits.h"
#include "proxy/http/http2_session.h"

namespace usher::http {
namespace {

// Above every head that exchanges let through (128 KiB), which nghttp2's own bound would hold back.
constexpr std::size_t kSentSectionMax = 256 * 1024;
// Guard counts both with reasons; nghttp2's own bounds stand behind it.
constexpr std::size_t kContinuationsMax = 16 * 1024;
constexpr std::uint64_t kResetsBurst = 1'000'000;

std::string_view text_of(nghttp2_rcbuf* buffer) {
  const nghttp2_vec text = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(text.base), text.len};
}

}  // namespace

struct Http2Callbacks {
  static Http2Connection& connection(void* user) { return *static_cast<Http2Connection*>(user); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame*, void* user) {
    connection(user).section_.begin();
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name,
                       nghttp2_rcbuf* value, std::uint8_t, void* user) {
    connection(user).section_.add(text_of(name), text_of(value));
    return 0;
  }

  static int on_invalid_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*,
                               nghttp2_rcbuf*, std::uint8_t, void* user) {
    connection(user).section_.add_malformed();
    return 0;
  }

  static int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Connection& self = connection(user);
    const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
          self.on_request(frame->hd.stream_id, ended);
        } else if (Http2Stream* stream = self.stream_of(frame->hd.stream_id)) {
          self.on_trailers(*stream);
        }
        break;
      case NGHTTP2_DATA:
        if (Http2Stream* stream = self.stream_of(frame->hd.stream_id); stream && ended) {
          stream->on_request_end({});
        } else if (frame->data.padlen > 0 && frame->data.padlen == frame->hd.length &&
                   !self.guard_.charge_empty_data(self.now())) {
          self.fail(NGHTTP2_ENHANCE_YOUR_CALM, Reject::kFlood);
        }
        break;
      case NGHTTP2_SETTINGS:
        self.settings_seen_ = true;
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && self.pausing_) {
          self.stop_accepting();
        }
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_data_chunk(nghttp2_session* session, std::uint8_t, std::int32_t id,
                           const std::uint8_t* data, std::size_t size, void* user) {
    Http2Connection& self = connection(user);
    self.guard_.note_data(size);
    if (Http2Stream* stream = self.stream_of(id)) {
      stream->on_content(std::as_bytes(std::span(data, size)));
    } else {
      nghttp2_session_consume(session, id, size);
    }
    return 0;
  }

  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    connection(user).guard_.note_reset(static_cast<std::uint32_t>(frame->hd.stream_id));
    return 0;
  }

  static int on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Connection& self = connection(user);
    switch (frame->hd.type) {
      case NGHTTP2_DATA:
        self.on_content_sent(frame->hd.stream_id, frame->hd.length);
        break;
      case NGHTTP2_HEADERS:
        break;
      case NGHTTP2_RST_STREAM:
        self.on_reset_sent(frame->hd.stream_id, frame->rst_stream.error_code);
        return 0;
      case NGHTTP2_GOAWAY:
        self.on_goaway_sent(frame->goaway.error_code);
        return 0;
      default:
        return 0;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      self.on_end_sent(frame->hd.stream_id);
    }
    return 0;
  }

  // A head that nghttp2 does not send (too large for it) would leave its stream waiting for ever.
  static int on_frame_not_send(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    Http2Connection& self = connection(user);
    if (frame->hd.type == NGHTTP2_HEADERS) {
      if (Http2Stream* stream = self.stream_of(frame->hd.stream_id)) {
        self.reset(*stream, Http2Connection::Reset::kInternalError);
      }
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, std::int32_t id, std::uint32_t, void* user) {
    Http2Connection& self = connection(user);
    if (Http2Stream* stream = self.stream_of(id)) {
      nghttp2_session_set_stream_user_data(session, id, nullptr);
      self.on_stream_closed(*stream);
    }
    return 0;
  }

  static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* header,
                       std::size_t size, nghttp2_data_source*, void* user) {
    constexpr std::size_t kHeaderSize = 9;
    Http2Connection& self = connection(user);
    Http2Stream* stream = self.stream_of(frame->hd.stream_id);
    if (stream == nullptr) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    self.gathered_->append(std::as_bytes(std::span(header, kHeaderSize)));
    self.gathered_->append(stream->frame_content(size));
    stream->take_frame(size);
    return 0;
  }

  static ssize_t next_data_frame(Http2Connection& self, std::int32_t id, std::size_t size,
                                 std::uint32_t& flags) {
    if (self.gathered_->size() >= self.gather_most_) {
      self.paused_ = true;
      return NGHTTP2_ERR_PAUSE;
    }
    Http2Stream* stream = self.stream_of(id);
    if (stream == nullptr) {
      return NGHTTP2_ERR_DEFERRED;
    }
    bool last = false;
    const std::size_t content = stream->next_frame(size, last);
    if (content == Http2Stream::kNothingYet) {
      return NGHTTP2_ERR_DEFERRED;
    }
    flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (last) {
      flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream->trailers() != nullptr) {
        flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        self.submit_trailers(*stream);
      }
    }
    return static_cast<ssize_t>(content);
  }

  static nghttp2_session_callbacks* make();
};

nghttp2_session_callbacks* Http2Callbacks::make() {
  nghttp2_session_callbacks* all = nullptr;
  CHECK(nghttp2_session_callbacks_new(&all) == 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(all, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback2(all, on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data_chunk);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(all, on_invalid_frame);
  nghttp2_session_callbacks_set_on_frame_send_callback(all, on_frame_send);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(all, on_frame_not_send);
  nghttp2_session_callbacks_set_on_stream_close_callback(all, on_stream_close);
  nghttp2_session_callbacks_set_send_data_callback(all, send_data);
  return all;
}

namespace {

nghttp2_option* make_option() {
  nghttp2_option* option = nullptr;
  CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);  // Http2Stream's pace
  nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
  nghttp2_option_set_max_send_header_block_length(option, kSentSectionMax);
  nghttp2_option_set_max_continuations(option, kContinuationsMax);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetsBurst, kResetsBurst);
  return option;
}

}  // namespace

ssize_t http2::next_data_frame(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t size,
                               std::uint32_t* flags, nghttp2_data_source*, void* user) {
  return Http2Callbacks::next_data_frame(Http2Callbacks::connection(user), id, size, *flags);
}

// Both tables are copied into each session; they live as long as the process.
std::unique_ptr<nghttp2_session, Http2Connection::FreeSession> Http2Connection::make_session(
    Http2Connection& connection) {
  static const nghttp2_session_callbacks* const callbacks = Http2Callbacks::make();
  static const nghttp2_option* const option = make_option();
  nghttp2_session* session = nullptr;
  CHECK(nghttp2_session_server_new2(&session, callbacks, &connection, option) == 0);
  return std::unique_ptr<nghttp2_session, FreeSession>(session);
}

void Http2Connection::submit_settings() {
  const auto list_max = static_cast<std::uint32_t>(client_.site->settings().limits.bytes);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, http2::kConcurrentStreams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, http2::kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, list_max},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  CHECK(nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings, std::size(settings)) ==
        0);
  CHECK(nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0,
                                              http2::kConnectionWindow) == 0);
}

Http2Stream* Http2Connection::stream_of(std::int32_t id) const {
  return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_.get(), id));
}

}  // namespace usher::http
