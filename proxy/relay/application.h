#pragma once

#include <cstddef>
#include <memory>

#include "proxy/base/bytes.h"
#include "proxy/base/socket_address.h"
#include "proxy/relay/close_reason.h"
#include "proxy/uv/loop.h"

namespace usher::tls {
class TlsSession;
}

namespace usher::relay {

struct ListenerState;
struct WorkerServices;

// The client's side of a Connection, as its application sees it. Thread: the worker's. Owner: the
// Connection; lives as long as the application.
class ClientPort {
 public:
  // Takes all; it is gathered and leaves with commit(). Nothing once the connection is over.
  virtual void write(ByteView plain) = 0;
  // Bytes to write now; 0 while too many wait (Application::on_writable() follows).
  virtual std::size_t output_room() const = 0;
  // To be called last in every callback that does not come from the connection itself (a backend's,
  // a timer's): sends what was written, looks anew at what to read and at the deadline. In a call
  // from the connection it does nothing: the connection does all that afterwards.
  virtual void commit() = 0;
  // The last byte was written, but the client may go on: close_notify (TLS only). end() follows.
  virtual void end_output() = 0;
  // The last byte was written: close_notify, FIN, then whatever the client still sends is dropped.
  // Calls Application::stop() before it returns.
  virtual void end(CloseReason reason) = 0;
  // The same without close_notify: the client must not take what it got for all of it.
  virtual void cut_off(CloseReason reason) = 0;
  // The application logs requests: the connection needs no line of its own.
  virtual void note_request_logged() = 0;

  virtual SocketAddress local() const = 0;  // where the client connected to; may ask the kernel

  WorkerServices& services() const { return services_; }
  const ListenerState& listener() const { return *listener_; }
  const SocketAddress& peer() const { return peer_; }  // as a PROXY header told it, or the socket's
  const tls::TlsSession* tls() const { return tls_.get(); }  // null: no TLS (redirect listeners)
  uv::LoopTime last_activity() const {
    return last_activity_;
  }  // when a byte moved last, either way

 protected:
  ClientPort(WorkerServices& services, std::shared_ptr<const ListenerState> listener,
             const SocketAddress& peer);
  ~ClientPort();

  WorkerServices& services_;
  std::shared_ptr<const ListenerState> listener_;
  SocketAddress peer_;
  std::unique_ptr<tls::TlsSession> tls_;  // made at the client's first byte
  uv::LoopTime last_activity_{0};
};

// What speaks on a client connection once its TLS stands, where bytes are not just relayed:
// HTTP/1.1 or HTTP/2. It is given plaintext and the time, and answers through the Connection
// (write, commit, end). Whatever may end the connection is followed by a return: the object lives
// on until the next turn, but after stop() nothing is called any more and it calls nothing. Thread:
// the worker's. Owner: its Connection.
class Application {
 public:
  virtual ~Application() = default;

  // Takes all of `plain`, which lives through the call; a little more than room() may come.
  virtual void on_bytes(ByteView plain) = 0;
  // Bytes it would take now; 0: the client is not read.
  virtual std::size_t room() const = 0;
  // The client's last byte has come: close_notify, or a FIN without (truncated: it is gone, or
  // somebody cut it off; nobody waits for an answer). Called once. After a reset stop() is.
  virtual void on_client_ended(bool truncated) = 0;
  // ClientPort::output_room() has become positive (or may have).
  virtual void on_writable() = 0;
  // ClientPort::commit() was called: the last chance to write in this turn.
  virtual void before_commit() {}
  // It has more to write than output_room() allowed: on_writable() follows.
  virtual bool wants_to_write() const { return false; }
  // When on_deadline() is to be called; asked again after every commit() and callback.
  virtual uv::LoopTime deadline() const = 0;
  virtual void on_deadline() = 0;
  // The process drains: what runs is finished, nothing new begins, then end() is called.
  virtual void drain() = 0;
  // The connection is over; gives back whatever it holds.
  virtual void stop() = 0;
};

// Makes the application of each connection of a listener. Thread: the worker's. Owner: shared by
// ListenerState and applications.
class ApplicationFactory {
 public:
  virtual ~ApplicationFactory() = default;
  virtual std::unique_ptr<Application> make(ClientPort& client) const = 0;
};

}  // namespace usher::relay
