#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "proxy/base/byte_queue.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/tls/outcomes.h"
#include "proxy/tls/session_bio.h"

namespace usher::tls {

class BackendTls;

// One client-side TLS connection to a backend's server without any I/O, as TlsSession is for
// clients: the caller feeds bytes that arrived and sends what was appended to the output. Clears
// OpenSSL's error queue before and after each call. Thread: its BackendTls'. Owner: one connection.
// Not movable: OpenSSL holds its address.
class BackendSession {
 public:
  // Null when OpenSSL is out of memory. `tls` outlives the session.
  static std::unique_ptr<BackendSession> create(BackendTls& tls, std::size_t server);
  ~BackendSession();
  BackendSession(const BackendSession&) = delete;

  // The bytes to read from and the queue to append to, until the next call; both the caller's.
  void attach(ByteView input, ByteQueue& output);

  // kProgress: done, the server's certificate verified where that is wanted.
  IoOutcome handshake();
  // Until all input was taken or `into` is full. kProgress: `count` bytes; kPeerEnded:
  // close_notify, told anew at every call.
  IoOutcome read(std::span<std::byte> into, std::size_t& count);
  // All of `plain` or, kBlocked, nothing: OpenSSL writes nothing while it is inside a message after
  // the handshake (a ticket in pieces), so try again after read().
  IoOutcome write(ByteView plain);
  void send_close_notify();  // once; a no-op before the handshake is done

  bool resumed() const;
  std::string failure_detail() const;  // OpenSSL's reason or what is wrong with the certificate

  // For BackendTls: a session that can be offered next time.
  void keep(SslSessionPtr session);

 private:
  BackendSession(BackendTls& tls, std::size_t server, SslPtr ssl);
  IoOutcome outcome_of(int result);

  BackendTls& tls_;
  std::size_t server_;
  SessionIo io_;
  unsigned long error_code_ = 0;
  bool handshake_done_ = false;
  bool failed_ = false;
  SslPtr ssl_;  // last: freed first, while what its callbacks use is alive
};

}  // namespace usher::tls
