#include "bench/micro/memory_handshake.h"

#include <openssl/pem.h>

#include <array>

#include "proxy/base/check.h"
#include "proxy/keyring/rotation.h"
#include "proxy/tls/tls_session.h"
#include "tests/support/test_ca.h"

namespace usher::bench {

namespace {

std::shared_ptr<const keyring::KeyRing> new_ring() {
  auto ring = keyring::first_ring(BootClock::now(), {}, keyring::private_random());
  CHECK(ring);
  return std::make_shared<const keyring::KeyRing>(*std::move(ring));
}

SslCtxPtr client_context(OSSL_LIB_CTX* library, const Site& site, const Scenario& scenario) {
  SslCtxPtr context(SSL_CTX_new_ex(library, nullptr, TLS_client_method()));
  CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), scenario.version);
  SSL_CTX_set_max_proto_version(context.get(), scenario.version);
  if (scenario.client_certificate) {
    const BioPtr certificate(BIO_new_mem_buf(site.client_certificate_pem.data(), -1));
    const BioPtr key(BIO_new_mem_buf(site.client_key_pem.data(), -1));
    X509Ptr own(X509_new_ex(library, nullptr));
    X509* into = own.get();
    CHECK(PEM_read_bio_X509(certificate.get(), &into, nullptr, nullptr) == own.get());
    const PkeyPtr own_key(
        PEM_read_bio_PrivateKey_ex(key.get(), nullptr, nullptr, nullptr, library, nullptr));
    CHECK(SSL_CTX_use_certificate(context.get(), own.get()) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context.get(), own_key.get()) == 1);
  }
  return context;
}

}  // namespace

Site Site::make() {
  const test::TemporaryDirectory directory;
  test::TestCa authority = test::TestCa::root("Benchmark CA");
  const auto server = authority.issue({.common_name = "localhost"});
  const auto client = authority.issue({.common_name = "client"});
  auto loaded = tls::load_credential(directory.write("chain.pem", server.certificate_pem),
                                     directory.write("key.pem", server.key_pem), {}, unix_now());
  CHECK(loaded);
  std::vector<std::string> warnings;
  auto trust =
      tls::load_client_trust(directory.write("ca.pem", authority.certificate_pem()), "", warnings);
  CHECK(trust);
  return {loaded->credential, *trust, client.certificate_pem, client.key_pem,
          Snapshot<keyring::KeyRing>(new_ring())};
}

MemoryHandshake::MemoryHandshake(const tls::LibraryContext& library, const Site& site,
                                 const Scenario& scenario)
    : scenario_(scenario), client_context_(client_context(library.raw(), site, scenario)) {
  tls::ListenerTls settings;
  settings.credentials = {site.credential};
  if (scenario.client_certificate) {
    settings.client_auth = tls::ClientAuth::kRequired;
    settings.trust = site.trust;
  }
  auto context =
      tls::build_server_context(library, std::make_shared<const tls::ListenerTls>(settings));
  CHECK(context);
  context_ = *context;
  auto keys = tls::TicketKeys::create(library.raw(), site.rings);
  CHECK(keys);
  keys_ = *std::move(keys);
  if (scenario.resume) {
    obtain_ticket();
  }
}

void MemoryHandshake::run() {
  const SslPtr client = new_client();
  if (ticket_ != nullptr) {
    CHECK(SSL_set_session(client.get(), ticket_.get()) == 1);
  }
  complete(client.get());
  CHECK((SSL_session_reused(client.get()) != 0) == scenario_.resume);
  SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN);  // or OpenSSL gives the ticket up
}

SslPtr MemoryHandshake::new_client() {
  SslPtr client(SSL_new(client_context_.get()));
  SSL_set_bio(client.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(client.get());
  return client;
}

// Leaves what the server sent last, its tickets, for the client to read.
void MemoryHandshake::complete(SSL* client) {
  const auto server = tls::TlsSession::create(context_, keys_.get());
  while (!server->handshake_done()) {
    SSL_do_handshake(client);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(client), &bytes);
    CHECK(size > 0);
    to_server_.append(std::as_bytes(std::span(bytes, static_cast<std::size_t>(size))));
    BIO_reset(SSL_get_wbio(client));
    server->attach(to_server_.view(), to_client_);
    CHECK(server->handshake() != tls::IoOutcome::kFailed);
    to_server_.consume(to_server_.size() - server->unread_input().size());
    BIO_write(SSL_get_rbio(client), to_client_.view().data(), static_cast<int>(to_client_.size()));
    to_client_.clear();
  }
}

void MemoryHandshake::obtain_ticket() {
  SSL_CTX* context = client_context_.get();
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
    static_cast<MemoryHandshake*>(SSL_get_app_data(ssl))->ticket_.reset(session);
    return 1;
  });
  const SslPtr client = new_client();
  SSL_set_app_data(client.get(), this);
  complete(client.get());
  std::array<char, 1> nothing;
  SSL_read(client.get(), nothing.data(),
           1);  // the rest of the handshake, or the tickets of TLS 1.3
  SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN);
  CHECK(ticket_ != nullptr);
  SSL_CTX_sess_set_new_cb(context, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

}  // namespace usher::bench
