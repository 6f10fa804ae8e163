#pragma once

#include <cstddef>
#include <cstdint>

#include "proxy/base/byte_queue.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

// Where a session's bytes come from and go to: memory that the connection attached for one turn.
// Thread: the worker's. Owner: the session; outlives the BIO.
struct SessionIo {
  // Asks for room (retry) instead of appending when the output holds this much.
  static constexpr std::size_t kOutputMax = 1024 * 1024;
  // Bytes a client may send until its ClientHello is complete. Browsers' hellos have 0.5 to 2 KiB;
  // even one of 8 KiB in records of one byte (six on the wire) fits. OpenSSL alone would take
  // 131,396 bytes of hello behind any number of record headers.
  static constexpr std::size_t kHelloBytesMax = 64 * 1024;

  ByteView input;
  ByteQueue* output = nullptr;
  SessionEnv* env = nullptr;       // null: of a backend, whose bytes are not judged here
  std::uint32_t hello_bytes = 0;   // taken by OpenSSL until the hello was complete
  bool first_byte_is_tls = false;  // a record of type handshake or alert (RFC 8446 §5.1)
};

// One BIO for both directions. Its method table is the process's; `io` must outlive it. Null when
// out of memory.
BioPtr make_session_bio(SessionIo& io);

// SSL_read would find nothing: OpenSSL, which reads no further than the record it is at, has taken
// all input and given all plaintext away. Asking it nevertheless makes it allocate a buffer, for
// every request once or twice. Not after close_notify, which each SSL_read tells again.
bool nothing_to_read(const SSL* ssl, const SessionIo& io);

}  // namespace usher::tls
