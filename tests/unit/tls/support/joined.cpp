#include "tests/unit/tls/support/joined.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>

#include "proxy/base/check.h"

namespace usher::tls::test {

namespace {

BioPtr pem_reader(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

void use_certificate(SSL* client, const IssuedCertificate& certificate) {
  const X509Ptr x509(
      PEM_read_bio_X509(pem_reader(certificate.certificate_pem).get(), nullptr, nullptr, nullptr));
  const PkeyPtr key(
      PEM_read_bio_PrivateKey(pem_reader(certificate.key_pem).get(), nullptr, nullptr, nullptr));
  CHECK(SSL_use_certificate(client, x509.get()) == 1);
  CHECK(SSL_use_PrivateKey(client, key.get()) == 1);
}

void apply_options(SSL* client, const ClientOptions& options) {
  SSL_set_security_level(client, 0);  // tests also play old and weak clients
  SSL_set_min_proto_version(client, options.min_version);
  SSL_set_max_proto_version(client, options.max_version);
  if (!options.sni.empty()) {
    CHECK(SSL_ctrl(client, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                   const_cast<char*>(options.sni.c_str())) == 1);
  }
  std::string protocols;
  for (const std::string& protocol : options.alpn) {
    protocols += static_cast<char>(protocol.size());
    protocols += protocol;
  }
  CHECK(SSL_set_alpn_protos(client, uchars(bytes_of(protocols)),
                            static_cast<unsigned>(protocols.size())) == 0);
  CHECK(options.ciphers.empty() || SSL_set_cipher_list(client, options.ciphers.c_str()) == 1);
  CHECK(options.ciphersuites.empty() ||
        SSL_set_ciphersuites(client, options.ciphersuites.c_str()) == 1);
  CHECK(options.groups.empty() || SSL_set1_groups_list(client, options.groups.c_str()) == 1);
  CHECK(options.sigalgs.empty() || SSL_set1_sigalgs_list(client, options.sigalgs.c_str()) == 1);
  if (options.certificate != nullptr) {
    use_certificate(client, *options.certificate);
  }
  CHECK(SSL_set_tlsext_max_fragment_length(
            client, static_cast<unsigned char>(options.max_fragment_code)) == 1);
  CHECK(options.session == nullptr || SSL_set_session(client, options.session) == 1);
}

}  // namespace

const LibraryContext& library() {
  static const auto context = LibraryContext::create();
  return **context;
}

CredentialPtr credential_of(const IssuedCertificate& issued,
                            const std::vector<std::string>& names) {
  const TemporaryDirectory directory;
  auto loaded = load_credential(directory.write("chain.pem", issued.certificate_pem),
                                directory.write("key.pem", issued.key_pem), names, unix_now());
  CHECK(loaded.has_value());
  return loaded->credential;
}

std::shared_ptr<const ClientTrust> trust_of(const std::string& ca_pem, const std::string& crl_pem) {
  const TemporaryDirectory directory;
  std::vector<std::string> warnings;
  auto trust =
      load_client_trust(directory.write("ca.pem", ca_pem),
                        crl_pem.empty() ? "" : directory.write("crl.pem", crl_pem), warnings);
  CHECK(trust.has_value());
  return *trust;
}

ListenerTls simple_listener() {
  static const CredentialPtr credential =
      credential_of(TestCa::root("Test CA").issue({.common_name = "localhost"}));
  ListenerTls settings;
  settings.credentials = {credential};
  return settings;
}

std::shared_ptr<const ServerContext> context_of(ListenerTls settings) {
  auto context =
      build_server_context(library(), std::make_shared<const ListenerTls>(std::move(settings)));
  if (!context) {
    std::fprintf(stderr, "%s\n", context.error().message.c_str());
  }
  CHECK(context.has_value());
  return *context;
}

Joined::Joined(std::shared_ptr<const ServerContext> context, const ClientOptions& options,
               TicketKeys* keys, std::size_t quota, SessionCache* sessions)
    : client_context_(SSL_CTX_new(TLS_client_method())),
      server_(TlsSession::create(std::move(context), keys, sessions, this)),
      quota_(quota) {
  SSL_CTX_set_session_cache_mode(client_context_.get(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(client_context_.get(), keep_session);
  SSL_CTX_set_info_callback(client_context_.get(), note_alert);
  client_.reset(SSL_new(client_context_.get()));
  SSL_set_app_data(client_.get(), this);
  SSL_set_bio(client_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(client_.get());
  apply_options(client_.get(), options);
  ERR_clear_error();
}

// As a client that closed properly: else OpenSSL marks its session as not resumable.
Joined::~Joined() {
  SSL_set_shutdown(client_.get(), SSL_SENT_SHUTDOWN);
}

bool Joined::handshake() {
  bool client_done = false;
  for (bool moved = true; moved;) {
    ERR_clear_error();
    client_done = SSL_do_handshake(client_.get()) == 1;
    move_from_client();
    moved = step_server();
    moved = move_to_client() || moved;
    if (outcome_ == IoOutcome::kFailed || outcome_ == IoOutcome::kPeerEnded) {
      while (move_to_client()) {
      }
      SSL_do_handshake(client_.get());
      std::array<char, 1> nothing{};
      SSL_read(client_.get(), nothing.data(),
               1);  // a TLS 1.3 client is done before it hears the alert
      ERR_clear_error();
      return false;
    }
  }
  if (client_done && server_->handshake_done()) {
    std::string none;
    pump_to_client(none);  // the tickets of TLS 1.3
    CHECK(none.empty());
    return true;
  }
  return false;
}

bool Joined::step_server() {
  const std::size_t size = std::min(quota_, to_server_.size());
  const std::size_t before = to_client_.size();
  const bool was_done = server_->handshake_done();
  server_->attach(to_server_.view().first(size), to_client_);
  if (!was_done) {
    outcome_ = server_->handshake();
  }
  const std::size_t taken = size - server_->unread_input().size();
  to_server_.consume(taken);
  return taken > 0 || to_client_.size() != before || server_->handshake_done() != was_done;
}

IoOutcome Joined::pump_to_server() {
  for (;;) {
    move_from_client();
    const std::size_t size = std::min(quota_, to_server_.size());
    server_->attach(to_server_.view().first(size), to_client_);
    std::array<std::byte, 4096> plain;
    std::size_t count = 0;
    outcome_ = server_->read(plain, count);
    const std::size_t taken = size - server_->unread_input().size();
    to_server_.consume(taken);
    received_ += text_of(std::span(plain).first(count));
    if (outcome_ != IoOutcome::kProgress && (taken == 0 || outcome_ != IoOutcome::kBlocked)) {
      return outcome_;
    }
  }
}

bool Joined::pump_to_client(std::string& received) {
  for (;;) {
    const bool moved = move_to_client();
    ERR_clear_error();
    std::array<char, 4096> plain{};
    const int count = SSL_read(client_.get(), plain.data(), plain.size());
    if (count > 0) {
      received.append(plain.data(), static_cast<std::size_t>(count));
    } else if (SSL_get_error(client_.get(), count) != SSL_ERROR_WANT_READ) {
      ERR_clear_error();
      return false;
    } else if (!moved) {
      return true;
    }
  }
}

bool Joined::client_write(std::string_view text) {
  ERR_clear_error();
  const int count = SSL_write(client_.get(), text.data(), static_cast<int>(text.size()));
  move_from_client();
  return count == static_cast<int>(text.size());
}

SslSessionPtr Joined::session() {
  if (SSL_version(client_.get()) < TLS1_3_VERSION) {
    return SslSessionPtr(SSL_get1_session(client_.get()));
  }
  if (session_ == nullptr) {
    return nullptr;
  }
  SSL_SESSION_up_ref(session_.get());
  return SslSessionPtr(session_.get());
}

void Joined::move_from_client() {
  char* bytes = nullptr;
  BIO* output = SSL_get_wbio(client_.get());
  const long size = BIO_get_mem_data(output, &bytes);
  to_server_.append(std::as_bytes(std::span(bytes, static_cast<std::size_t>(size))));
  BIO_reset(output);
}

bool Joined::move_to_client() {
  const std::size_t size = std::min(quota_, to_client_.size());
  if (size > 0) {
    BIO_write(SSL_get_rbio(client_.get()), to_client_.view().data(), static_cast<int>(size));
    to_client_.consume(size);
  }
  return size > 0;
}

int Joined::keep_session(SSL* client, SSL_SESSION* session) {
  static_cast<Joined*>(SSL_get_app_data(client))->session_.reset(session);
  return 1;  // the reference is ours
}

void Joined::note_alert(const SSL* client, int where, int value) {
  if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT) {
    static_cast<Joined*>(SSL_get_app_data(client))->client_alert_ = value & 0xff;
  }
}

}  // namespace usher::tls::test
