#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/byte_queue.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/tls/server_context.h"
#include "proxy/tls/session_bio.h"
#include "proxy/tls/session_env.h"
#include "proxy/tls/session_lookup.h"
#include "proxy/tls/ticket_callback.h"

namespace usher::tls {

// What is known after the handshake, for logs, metrics and the PROXY header. Views live as long as
// the session.
struct TlsFacts {
  std::string_view version;  // "TLSv1.2" "TLSv1.3"
  std::string_view cipher;   // OpenSSL's name: "TLS_AES_128_GCM_SHA256"
  std::string_view sni;      // "" none
  std::string_view alpn;     // "" none
  Resumption resumption = Resumption::kNone;
  OfferKind offer = OfferKind::kNone;
  OfferOutcome outcome = OfferOutcome::kOther;
  bool client_cert = false;  // the session has one (sent now, or when the session began)
  bool client_cert_verified = false;
  unsigned max_fragment_length = 0;  // bytes agreed (RFC 6066 §4); 0 none
  unsigned tickets_issued = 0;
};

// One server-side TLS connection without any I/O: the caller feeds bytes that arrived and sends
// what the session appended to the output queue. The one place that turns OpenSSL results into
// outcomes; the error queue is cleared before and drained after each call here, nowhere else.
// Thread: the worker's. Owner: one connection. Not movable: OpenSSL's callbacks hold its address.
class TlsSession {
 public:
  // Output above this many bytes makes the session ask for room (kBlocked) instead of appending
  // more.
  static constexpr std::size_t kOutputMax = SessionIo::kOutputMax;
  // Write records of less plaintext are not made: their framing would be more than the data.
  static constexpr std::size_t kRecordMin = 512;

  // `keys` null: no tickets; `sessions` null: no sessions by id. `waiter` is told when a suspended
  // handshake can go on; without one nothing suspends it. Null when OpenSSL is out of memory.
  static std::unique_ptr<TlsSession> create(std::shared_ptr<const ServerContext> context,
                                            TicketKeys* keys, SessionCache* sessions = nullptr,
                                            HandshakeWaiter* waiter = nullptr);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;

  // The bytes to read from and the queue to append to, until the next call; both the caller's. What
  // is left of the input afterwards is unread_input(): it must be fed again, first.
  void attach(ByteView input, ByteQueue& output);
  ByteView unread_input() const;
  // The queue alone, in the middle of reading too.
  void attach_output(ByteQueue& output);

  IoOutcome handshake();
  // Plaintext into `into`; `count` is set on kProgress. kPeerEnded is close_notify.
  IoOutcome read(std::span<std::byte> into, std::size_t& count);
  // Writes all of `plain` or nothing: the caller checks output_room() first. Records of at most
  // `record_size` plaintext bytes (kRecordMin to 16384).
  IoOutcome write(ByteView plain, std::size_t record_size);
  // False also while the client is inside a post-handshake message (a KeyUpdate in pieces): OpenSSL
  // writes nothing then, until read() has seen the rest. So ask again after read(), not only when
  // output drained.
  bool output_room(std::size_t plain_bytes) const;
  // False while the client is inside a post-handshake message.
  bool may_write() const;
  void send_close_notify();  // queues it once; a no-op before the handshake is done

  bool hello_seen() const { return env_.hello_seen; }  // the ClientHello was complete
  // handshake() was blocked because a session is being looked up: the waiter will be told.
  bool suspended() const;
  void cancel_lookup();  // the waiter is told no more; the handshake does not go on either
  bool handshake_done() const { return env_.handshake_done; }
  TlsFailure failure() const { return env_.failure; }
  std::string failure_detail()
      const;  // OpenSSL's reason or the alert's name, for the log; may be empty
  TlsFacts facts() const;
  // The client certificate's subject CN, "" when there is none or it is not printable text.
  // Allocates.
  std::string client_common_name() const;
  // SSL_get_verify_result, for the PROXY header's `verify` (0 = verified).
  long verify_result() const;
  SSL* raw() const { return ssl_.get(); }

 private:
  TlsSession(std::shared_ptr<const ServerContext> context, SslPtr ssl);
  IoOutcome outcome_of(int result);
  void note_resumption();
  void forget_session();

  std::shared_ptr<const ServerContext> context_;  // until the handshake is done
  SessionEnv env_;
  SessionIo io_;
  unsigned long error_code_ = 0;   // OpenSSL's, of the failure
  std::uint16_t record_size_ = 0;  // as told to OpenSSL last; 0: its default
  SslPtr ssl_;                     // last: freed first, while what its callbacks use is alive
};

}  // namespace usher::tls
