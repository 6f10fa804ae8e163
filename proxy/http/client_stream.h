#pragma once

#include <cstddef>
#include <span>

#include "proxy/base/bytes.h"
#include "proxy/http/message.h"

namespace usher::http {

// The client's side of one exchange, as the exchange sees it: an HTTP/1.1 connection or a stream of
// an HTTP/2 one. What is sent is gathered and leaves with the connection's commit(). After
// send_end(), abort() or on_exchange_done() the exchange says nothing more.
// Thread: the worker's. Owner: the application; outlives its exchange.
class ClientStream {
 public:
  // Content bytes it takes now; 0: the backend is not read (Exchange::on_client_room() follows).
  virtual std::size_t response_room() const = 0;
  virtual void send_informational(const ResponseHead& head) = 0;  // 1xx other than 101
  // `head` lives through the call. head.body says what follows: kNone nothing but send_end();
  // kTunnel: after a 101, bytes both ways.
  virtual void send_head(const ResponseHead& head) = 0;
  virtual void send_body(ByteView content) = 0;
  virtual void send_end(std::span<const Field> trailers) = 0;
  // The backend has ended its direction of a tunnel, the client may go on. False: it cannot.
  virtual bool send_tunnel_end() = 0;
  // The response cannot be completed although its head is out: HTTP/1.1 ends the connection without
  // a clean end (close_notify), HTTP/2 resets the stream.
  virtual void abort() = 0;
  // Exchange::request_room() has become positive.
  virtual void on_request_room() = 0;
  // The exchange has come to its end (after send_end() or abort()) and may be freed, from the next
  // turn on: it is still on the stack.
  virtual void on_exchange_done() = 0;

 protected:
  ~ClientStream() = default;
};

}  // namespace usher::http
