#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/base/byte_queue.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/tls/server_context.h"
#include "proxy/tls/tls_session.h"
#include "tests/support/test_ca.h"

namespace usher::tls::test {

using namespace usher::test;

// The library context of all tests in a program; made once.
const LibraryContext& library();

// A credential as load_credential makes it, through files.
CredentialPtr credential_of(const IssuedCertificate& issued,
                            const std::vector<std::string>& names = {});
std::shared_ptr<const ClientTrust> trust_of(const std::string& ca_pem,
                                            const std::string& crl_pem = "");
// One listener with one ECDSA certificate for "localhost"; tests change what they are about.
ListenerTls simple_listener();
std::shared_ptr<const ServerContext> context_of(ListenerTls settings);

// What the client of a test brings; zero and empty mean OpenSSL's default.
struct ClientOptions {
  int min_version = 0;
  int max_version = 0;
  std::string sni = {};
  std::vector<std::string> alpn = {};
  std::string ciphers = {};
  std::string ciphersuites = {};
  std::string groups = {};
  std::string sigalgs = {};
  const IssuedCertificate* certificate = nullptr;
  unsigned max_fragment_code = 0;  // RFC 6066 §4: 1 to 4
  SSL_SESSION* session = nullptr;
};

// An OpenSSL client and a TlsSession joined by two memory pipes. The quota is the most bytes that a
// pipe hands over at once: with 1 every read and write is partial. No more than `quota` bytes of
// output wait.
class Joined final : private HandshakeWaiter {
 public:
  static constexpr std::size_t kNoQuota = static_cast<std::size_t>(-1);

  Joined(std::shared_ptr<const ServerContext> context, const ClientOptions& options,
         TicketKeys* keys = nullptr, std::size_t quota = kNoQuota,
         SessionCache* sessions = nullptr);
  ~Joined();
  Joined(const Joined&) = delete;
  Joined& operator=(const Joined&) = delete;

  // Until both sides are done (true) or one failed or nothing moves. Then the client has read its
  // tickets.
  bool handshake();
  IoOutcome server_outcome() const { return outcome_; }
  int resumable() const { return resumable_; }  // how often a suspended handshake could go on
  // The alert that the client received as a number (RFC 8446 §6); none when none came.
  std::optional<int> client_alert() const { return client_alert_; }

  // Moves what waits and lets the session read; plaintext is appended to received().
  IoOutcome pump_to_server();
  // Moves what waits and lets the client read; false when the client's side has failed.
  bool pump_to_client(std::string& received);
  std::string& received() { return received_; }

  bool client_write(std::string_view text);
  // Feeds bytes to the session as if the client had sent them.
  void inject(ByteView bytes) { to_server_.append(bytes); }

  TlsSession& server() { return *server_; }
  SSL* client() { return client_.get(); }
  ByteQueue& server_output() { return to_client_; }
  // The last session that the client could resume (TLS 1.3: a ticket came); null when none.
  SslSessionPtr session();

 private:
  static int keep_session(SSL* client, SSL_SESSION* session);
  static void note_alert(const SSL* client, int where, int value);
  void on_handshake_resumable() override { ++resumable_; }
  bool step_server();
  bool move_to_client();
  void move_from_client();

  SslCtxPtr client_context_;
  SslPtr client_;
  std::unique_ptr<TlsSession> server_;
  ByteQueue to_server_;
  ByteQueue to_client_;
  std::size_t quota_;
  std::string received_;
  SslSessionPtr session_;
  IoOutcome outcome_ = IoOutcome::kBlocked;
  std::optional<int> client_alert_;
  int resumable_ = 0;
};

}  // namespace usher::tls::test
