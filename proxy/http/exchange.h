#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "proxy/backend/group.h"
#include "proxy/backend/link.h"
#include "proxy/base/byte_queue.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/client_stream.h"
#include "proxy/http/message.h"
#include "proxy/http/site.h"
#include "proxy/relay/application.h"

namespace usher::http {

// One request and its response: finds a server, sends the request as it comes, relays the response
// as it comes, with back-pressure both ways; answers itself (502, 503, 504, redirects) where no
// backend does. The client's side, HTTP/1.1 or HTTP/2, is a ClientStream. Counts and logs the
// request once, at its end. Thread: the worker's. Owner: the client's side; freed no earlier than a
// turn after on_exchange_done() or cancel().
class Exchange final : private backend::Link::User, private backend::Group::Waiter {
 public:
  // What is the same for all requests of a client connection. Owner: the application.
  struct Client {
    relay::ClientPort& port;
    std::shared_ptr<const Site> site;
  };

  Exchange(const Client& client, ClientStream& stream);
  ~Exchange();
  Exchange(const Exchange&) = delete;

  // `head` lives through the call. Content follows where head.body says so.
  void start(const RequestHead& head);
  // A request that was refused before it was one: the answer, the count, the log line.
  void refuse(Reject reject, const RequestHead* head);

  std::size_t request_room() const;  // content bytes it takes now
  void send_request_body(ByteView content);
  void end_request(std::span<const Field> trailers);  // once, also without content
  bool request_ended() const { return request_ended_; }
  bool head_sent() const { return head_sent_; }

  void on_client_room();  // ClientStream::room() has become positive
  // The client has gone or reset the stream; nothing more is sent to it. `reason` for the log.
  void cancel(std::string_view reason);

  uv::LoopTime deadline() const;  // LoopTime::max(): none
  void on_deadline();

 private:
  // (the founder writes this class: exchange.cpp)
};

}  // namespace usher::http
