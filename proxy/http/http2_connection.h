#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/http/exchange.h"
#include "proxy/http/http2_frames.h"
#include "proxy/http/http2_guard.h"
#include "proxy/http/http2_head.h"
#include "proxy/http/http2_stream.h"
#include "proxy/relay/application.h"

struct nghttp2_session;

namespace usher::http {

// HTTP/2 towards a client (RFC 9113): nghttp2 speaks it, Guard bounds what it may cost, each
// request is an exchange with a backend that gets HTTP/1.1. Priorities are those of RFC 9218.
// Frames are only made while the connection takes output, and nothing is read while it does not:
// what waits is bounded. They are made once a turn, for all its streams together. Thread: the
// worker's. Owner: the relay::Connection.
class Http2Connection final : public relay::Application {
 public:
  enum class Reset : std::uint8_t { kNoError, kInternalError, kCancel, kProtocolError };

  Http2Connection(relay::ClientPort& port, std::shared_ptr<const Site> site);
  ~Http2Connection() override;

  void on_bytes(ByteView plain) override;
  std::size_t room() const override;
  void on_client_ended(bool truncated) override;
  void on_writable() override {}
  void before_commit() override;
  bool wants_to_write() const override { return blocked_ && !over_; }
  uv::LoopTime deadline() const override { return due_; }
  void on_deadline() override;
  void drain() override;
  void stop() override;

  // For its streams. What is submitted leaves with the port's commit().
  void submit_informational(Http2Stream& stream, const ResponseHead& head);
  void submit_head(Http2Stream& stream, const ResponseHead& head);
  void resume(Http2Stream& stream);  // has content, or its end, after kNothingYet
  void reset(Http2Stream& stream, Reset reason);
  void consume(Http2Stream& stream, std::size_t bytes);  // opens the client's windows again
  void retire(Http2Stream& stream);  // closed, its exchange done: freed from the next turn on
  // Content of all responses that waits in their streams, in bytes.
  std::size_t responses_waiting() const { return responses_waiting_; }
  void note_response_waits(std::size_t bytes) { responses_waiting_ += bytes; }
  void note_response_left(std::size_t bytes) { responses_waiting_ -= bytes; }
  uv::LoopTime now() const { return client_.port.services().loop.now(); }
  std::chrono::milliseconds idle_timeout() const { return client_.site->settings().idle_timeout; }

 private:
  friend struct Http2Callbacks;  // http2_callbacks.cpp: what nghttp2 calls
  struct FreeSession {
    void operator()(nghttp2_session* session) const;
  };

  // http2_connection.cpp: what comes, time, the end.
  bool judge(const http2::FrameHeader& frame, std::size_t before, ByteView plain, std::size_t& fed);
  void feed(ByteView bytes);
  void fail(std::uint32_t error_code, Reject reason);
  void begin_closing(relay::CloseReason reason);
  uv::LoopTime next_deadline() const;
  uv::LoopTime output_deadline() const;
  void stop_accepting();
  bool head_incomplete() const;
  void count(Reject reason);

  // http2_callbacks.cpp
  static std::unique_ptr<nghttp2_session, FreeSession> make_session(Http2Connection& connection);
  void submit_settings();
  Http2Stream* stream_of(std::int32_t id) const;  // null: not open, or never a request

  // http2_requests.cpp: frames that nghttp2 has understood.
  void on_request(std::int32_t id, bool ended);
  void on_trailers(Http2Stream& stream);
  void on_reset_sent(std::int32_t id, std::uint32_t error_code);
  void on_end_sent(std::int32_t id);
  void on_content_sent(std::int32_t id, std::size_t size);
  void on_goaway_sent(std::uint32_t error_code);
  void on_stream_closed(Http2Stream& stream);

  // http2_output.cpp: frames into the port.
  void flush();
  void submit_trailers(Http2Stream& stream);
  void send_output();
  bool gather(std::size_t most);
  void ask_for_content();

  Client client_;
  std::shared_ptr<Http2Connection*> self_;  // for deferred work; null in it: over
  std::unique_ptr<nghttp2_session, FreeSession> session_;
  http2::FrameReader frames_;
  http2::Guard guard_;
  http2::FieldSection section_;
  std::vector<std::unique_ptr<Http2Stream>> streams_;
  std::vector<std::int32_t> hungry_;  // streams that may have room for content again
  std::size_t responses_waiting_ = 0;
  ByteQueue* gathered_ = nullptr;  // while frames are gathered: the worker's buffer for them
  std::size_t gather_most_ = 0;
  uv::LoopTime idle_since_;                 // no stream is open; or since the beginning
  uv::LoopTime moved_at_;                   // content, to the client
  uv::LoopTime head_since_{0};              // the incomplete field section's first frame
  uv::LoopTime due_ = uv::LoopTime::max();  // of all, as of the last flush()
  uv::LoopTime due_at_{0};                  // while closing, or of the drain's pause
  relay::CloseReason reason_ = relay::CloseReason::kFinished;
  bool settings_seen_ = false;  // the client's first SETTINGS
  bool pausing_ = false;        // between the two GOAWAYs of a drain
  bool draining_ = false;
  bool blocked_ = false;    // frames wait for output_room()
  bool paused_ = false;     // the last gather() was full
  bool flush_due_ = false;  // at the end of this turn
  bool flushing_ = false;
  bool closing_ = false;  // after GOAWAY: nothing more is taken
  bool failed_ = false;   // counted
  bool over_ = false;
};

}  // namespace usher::http
