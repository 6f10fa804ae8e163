#pragma once

#include <memory>
#include <span>

#include "proxy/base/byte_queue.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/client_stream.h"
#include "proxy/http/exchange.h"
#include "proxy/relay/application.h"

namespace usher::http {

// HTTP/1.1 and 1.0 towards a client (RFC 9112): one exchange at a time, so that pipelined requests
// are answered in order; what comes behind a request waits, bounded. An idle connection owns no
// buffer. Thread: the worker's. Owner: the relay::Connection.
class Http1Connection final : public relay::Application, public ClientStream {
 public:
  Http1Connection(relay::ClientPort& port, std::shared_ptr<const Site> site);
  ~Http1Connection() override;

  void on_bytes(ByteView plain) override;
  std::size_t room() const override;
  void on_client_ended(bool truncated) override;
  void on_writable() override;
  void before_commit() override;
  uv::LoopTime deadline() const override;
  void on_deadline() override;
  void drain() override;
  void stop() override;

 private:
  enum class Reads : std::uint8_t {
    kHead,
    kContent,  // of the request whose exchange is under way
    kNothing,  // until that exchange is done; what comes is the next request's
    kTunnel,
    kEnded,  // no request is taken any more
  };

  // http1_connection.cpp: requests.
  void drive_held();
  std::size_t drive(ByteView input);
  std::size_t take_head(ByteView input);
  std::size_t take_content(ByteView input);
  void begin_exchange(const RequestHead& head);
  void refuse(Reject reject);
  void keep(ByteView rest);
  void end(relay::CloseReason reason);
  void heed_client_end();
  void give_up();

  // http1_response.cpp: responses.
  std::size_t response_room() const override { return client_.port.output_room(); }
  void send_informational(const ResponseHead& head) override;
  void send_head(const ResponseHead& head) override;
  void send_body(ByteView content) override;
  void send_end(std::span<const Field> trailers) override;
  bool send_tunnel_end() override;
  void abort() override;
  void on_request_room() override {}  // commit() asks room() anew
  void on_exchange_done() override;
  ByteQueue& out();
  void write_out();
  void drop_out();

  Client client_;
  std::unique_ptr<Exchange> exchange_;
  ByteQueue in_;                          // a head in pieces, or what came behind a request
  std::unique_ptr<BodyDecoder> content_;  // of a request that has some
  uv::LoopTime head_since_{0};            // 0: no byte of the next head is here
  std::uint32_t searched_ = 0;            // bytes of in_ that end no head
  Version version_ = Version::k11;
  Reads reads_ = Reads::kHead;
  bool keep_alive_ = true;
  bool chunked_ = false;  // the response
  bool draining_ = false;
  bool asked_ = false;  // its first request has come
  bool driving_ = false;
  bool client_ended_ = false;
  bool truncated_ = false;  // without close_notify
};

}  // namespace usher::http
