#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/backend/group.h"
#include "proxy/backend/link.h"
#include "proxy/base/byte_queue.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/client_identity.h"
#include "proxy/http/client_stream.h"
#include "proxy/http/message.h"
#include "proxy/http/request_record.h"
#include "proxy/http/site.h"
#include "proxy/relay/application.h"
#include "proxy/relay/services.h"

namespace usher::http {

// What is the same for all requests of a client connection. Owner: the application.
struct Client {
  relay::ClientPort& port;
  std::shared_ptr<const Site> site;
  std::unique_ptr<const ClientIdentity> identity;  // made at the first request
};

// One request and its response: finds a server, sends the request as it comes, relays the response
// as it comes, with back-pressure both ways; answers itself (502, 503, 504, redirects) where no
// backend does. The client's side, HTTP/1.1 or HTTP/2, is a ClientStream. Counts and logs the
// request once, at its end. Thread: the worker's. Owner: the client's side, which retires it
// (WorkerServices::retired) after on_exchange_done() or cancel(): it may still be on the stack.
class Exchange final : public relay::Retired,
                       private backend::Link::User,
                       private backend::Group::Waiter {
 public:
  Exchange(Client& client, ClientStream& stream);
  ~Exchange() override;
  Exchange(const Exchange&) = delete;

  // `head` lives through the call. Content follows where head.body says so.
  void start(const RequestHead& head);
  // A request that is refused, before it was started (`head` null where none was understood) or
  // while its content comes: the answer, the count, the log line.
  void refuse(Reject reject, const RequestHead* head);

  std::size_t request_room() const;  // content bytes it takes now
  void send_request_body(ByteView content);
  void end_request(std::span<const Field> trailers);  // once, also without content
  bool request_ended() const { return request_ended_; }
  bool head_sent() const { return head_sent_; }

  void on_client_room();  // ClientStream::response_room() has become positive
  // The client has gone or reset the stream; nothing more is sent to it. `reason` for the log.
  void cancel(std::string_view reason);

  uv::LoopTime deadline() const;  // LoopTime::max(): none
  void on_deadline();

 private:
  // What is awaited.
  enum class State : std::uint8_t {
    kNew,
    kQueued,        // a server below its max_connections
    kConnecting,    // the link
    kAwaitingHead,  // the response
    kRelaying,      // the end of the response
    kTunnel,        // the end of both directions, after a 101
    kDone,
  };

  // exchange.cpp: the request.
  void note_start(const RequestHead& head);
  void write_request(const RequestHead& head);
  void redirect(const RequestHead& head);
  void acquire();
  void send_request();
  void send_content(ByteView content);
  bool may_repeat() const;
  void forget_request();
  void repeat(std::string_view reason);
  void append_preamble(ByteQueue& to) const override;
  void on_link_open() override;
  void on_link_failed(backend::LinkFailure failure) override;
  void on_link_writable() override;
  void on_server_free() override;

  // exchange_response.cpp: the response.
  void on_link_readable() override;
  void take_response(ByteView bytes);
  std::size_t take_heads(ByteView bytes, std::size_t seen);
  bool deliver_head(const ResponseHead& head, std::size_t size);
  void take_content(ByteView bytes);
  void on_backend_ended();
  void on_backend_broken(backend::BackendMetrics::Failure failure, std::string_view reason,
                         std::string_view detail = {});  // detail: for the log
  void finish_response();
  void finish_tunnel();

  // exchange_ending.cpp: what Usher answers itself, deadlines, the end.
  void answer(unsigned status, std::string_view reason, std::string_view location = {});
  void fail(unsigned status, std::string_view reason);
  void fail_unreachable();
  void release_link();
  void complete(std::string_view reason);
  uv::LoopTime client_or(uv::LoopTime since) const;
  uv::LoopTime now() const { return client_.port.services().loop.now(); }
  const config::Backend& settings() const { return group_->settings(); }

  Client& client_;
  ClientStream& stream_;
  std::shared_ptr<backend::Group> group_;  // null until routed; then for good
  std::unique_ptr<backend::Link> link_;
  backend::Group::Wish wish_;
  ByteQueue request_;      // what the link has not been given, or all that may be repeated
  ByteQueue response_in_;  // a response head in pieces
  BodyDecoder response_body_;
  RequestRecord record_;
  uv::LoopTime since_{0};  // the awaited state's begin, or the last progress in it
  Method method_ = Method::kGet;
  Version version_ = Version::k11;
  State state_ = State::kNew;
  std::size_t informational_bytes_ = 0;  // of the heads of 1xx responses so far
  std::uint8_t informational_ = 0;       // their number
  bool chunked_request_ = false;
  bool upgrade_asked_ = false;
  bool content_came_ = false;  // a request with content is not repeated
  bool elsewhere_ = false;     // it was repeated for want of an answer on a fresh link
  bool request_ended_ = false;
  bool head_sent_ = false;
  bool backend_ended_ = false;  // its direction of a tunnel
  bool link_reusable_ = false;  // says the response
  bool timed_out_ = false;      // the last attempt to connect
  std::string_view broken_;     // a literal: how the fresh link before `elsewhere_` ended
};

}  // namespace usher::http
