#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "proxy/base/byte_queue.h"
#include "proxy/http/client_stream.h"
#include "proxy/http/exchange.h"
#include "proxy/http/http2_head.h"
#include "proxy/http/http2_limits.h"
#include "proxy/relay/services.h"

namespace usher::http {

class Http2Connection;

// One stream of an HTTP/2 connection and its exchange (RFC 9113 §5). Content that the exchange does
// not take waits here, bounded by the stream's window; content that the client does not take waits
// here, bounded by kResponseMax and by what its connection's other streams leave. Thread: the
// worker's. Owner: its Http2Connection, which retires it when the stream is closed and the exchange
// done.
class Http2Stream final : public relay::Retired, private ClientStream {
 public:
  Http2Stream(Http2Connection& connection, Client& client, std::int32_t id);
  ~Http2Stream() override;

  std::int32_t id() const { return id_; }

  // From the client.
  void start(const RequestHead& head);
  void refuse(Reject reject, const RequestHead* head);
  void on_content(ByteView content);
  void on_request_end(std::span<const Field> trailers);

  // nghttp2 asks for the next DATA frame of at most `most` bytes: its size, kNothingYet, or with
  // `last` the end of the content. frame_content() and take_frame() follow when it is written.
  static constexpr std::size_t kNothingYet = ~std::size_t{0};
  std::size_t next_frame(std::size_t most, bool& last);
  const http2::KeptFields* trailers() const {
    return trailers_.get();
  }  // of the response; null: none
  ByteView frame_content(std::size_t size) const { return response_.view().first(size); }
  void take_frame(std::size_t size);
  std::size_t response_waiting() const { return response_.size(); }  // bytes of content
  void on_content_sent(std::size_t size, bool window_closed);
  void on_end_sent();
  // The content that waits has fallen so far that the backend may be read again; tells it so.
  bool wants_content() const { return !done_ && full_ && response_.size() <= response_max() / 4; }
  void ask_for_content();

  void on_closed(std::string_view reason);  // nghttp2 has forgotten it
  void give_up(std::string_view reason);    // the connection is over
  bool over() const { return closed_ && done_; }

  uv::LoopTime deadline(uv::LoopTime connection_moved) const;  // max(): none
  void on_deadline(uv::LoopTime connection_moved);

  std::size_t slot = 0;  // where the connection's list has it; the connection's to write

 private:
  // ClientStream: from the exchange.
  std::size_t response_room() const override;
  void send_informational(const ResponseHead& head) override;
  void send_head(const ResponseHead& head) override;
  void send_body(ByteView content) override;
  void send_end(std::span<const Field> trailers) override;
  bool send_tunnel_end() override { return false; }  // none here
  void abort() override;
  void on_request_room() override;
  void on_exchange_done() override;

  void end_if_given();
  void drop_request();
  // The response is whole and has been sent, the request has not come to its end.
  bool awaits_rest() const { return end_sent_ && !request_ended_ && !reset_ && !closed_; }
  void refuse_rest();
  std::size_t response_max() const;  // bytes of content that it may hold now
  void resume();
  uv::LoopTime now() const;

  Http2Connection& connection_;
  Exchange exchange_;
  ByteQueue request_;   // content that the exchange has not taken
  ByteQueue response_;  // content that has not been framed
  std::unique_ptr<http2::KeptFields> request_trailers_;
  std::unique_ptr<http2::KeptFields> trailers_;
  uv::LoopTime moved_at_{0};     // the response's content, then its end
  std::size_t moved_bytes_ = 0;  // since then
  std::size_t rest_bytes_ = 0;   // of the request's content, since the response's end
  std::int32_t id_;
  bool request_ended_ = false;   // END_STREAM came
  bool request_given_ = false;   // all of it, to the exchange
  bool response_ended_ = false;  // all of it, from the exchange
  bool waiting_ = false;         // nghttp2 has been told kNothingYet
  bool full_ = false;            // the exchange has been told that there is no room
  bool window_closed_ = false;   // by the client, when the last frame was sent
  bool end_sent_ = false;
  bool reset_ = false;  // by us; it may be long until that is sent
  bool done_ = false;   // the exchange
  bool closed_ = false;
};

}  // namespace usher::http
