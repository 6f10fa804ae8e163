#include <benchmark/benchmark.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <string>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/keyring/rotation.h"
#include "proxy/tls/ticket_callback.h"
#include "tests/support/test_ca.h"

// Tickets sealed and opened by our callbacks, beside OpenSSL's own ticket keys: the same SSL_CTX
// but for that. What is measured is the whole step around it, which is the same for both.
namespace {

using namespace usher;

enum class Keys { kBuiltIn, kCallback };

struct Server {
  explicit Server(Keys which) {
    auto ring = keyring::first_ring(BootClock::now(), {}, keyring::private_random());
    CHECK(ring);
    rings.publish(std::make_shared<const keyring::KeyRing>(*std::move(ring)));
    auto made = tls::TicketKeys::create(nullptr, rings);
    CHECK(made);
    keys = *std::move(made);
    context.reset(SSL_CTX_new(TLS_server_method()));
    const auto issued = test::TestCa::root("Benchmark CA").issue({.common_name = "localhost"});
    const BioPtr certificate_pem(BIO_new_mem_buf(issued.certificate_pem.data(), -1));
    const BioPtr key_pem(BIO_new_mem_buf(issued.key_pem.data(), -1));
    const X509Ptr certificate(PEM_read_bio_X509(certificate_pem.get(), nullptr, nullptr, nullptr));
    const PkeyPtr key(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr));
    CHECK(SSL_CTX_use_certificate(context.get(), certificate.get()) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
    CHECK(SSL_CTX_set_session_id_context(context.get(), uchars(domain), sizeof domain) == 1);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context.get(), 1);
    if (which == Keys::kCallback) {
      tls::install_ticket_callbacks(context.get());
    }
  }

  SslPtr accept() {
    env.emplace();
    env->keys = keys.get();
    env->policy = &policy;
    env->domain = &domain;
    SslPtr ssl(SSL_new(context.get()));
    SSL_set_app_data(ssl.get(), &*env);
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl.get());
    return ssl;
  }

  Snapshot<keyring::KeyRing> rings{std::make_shared<const keyring::KeyRing>()};
  std::unique_ptr<tls::TicketKeys> keys;
  tls::TicketPolicy policy;
  tls::Domain domain{std::byte{1}};
  std::optional<tls::SessionEnv> env;
  SslCtxPtr context;
};

std::string take_output(SSL* ssl) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(ssl), &bytes);
  std::string taken(bytes, static_cast<std::size_t>(size));
  BIO_reset(SSL_get_wbio(ssl));
  return taken;
}

void give(SSL* ssl, const std::string& bytes) {
  CHECK(bytes.empty() ||
        BIO_write(SSL_get_rbio(ssl), bytes.data(), static_cast<int>(bytes.size())) ==
            static_cast<int>(bytes.size()));
}

struct Client {
  explicit Client(int version) : context(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
  }

  SslPtr connect() {
    SslPtr ssl(SSL_new(context.get()));
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl.get());
    return ssl;
  }

  SslCtxPtr context;
};

void complete(SSL* client, SSL* server) {
  for (int turn = 0; turn < 3; ++turn) {
    SSL_do_handshake(client);
    give(server, take_output(client));
    SSL_do_handshake(server);
    give(client, take_output(server));
  }
  CHECK(SSL_is_init_finished(client) != 0 && SSL_is_init_finished(server) != 0);
}

// TLS 1.3: one more ticket on a connection that is there (RFC 8446 §4.6.1).
void seal(benchmark::State& state, Keys which) {
  Server server(which);
  const SslPtr ssl = server.accept();
  Client client(TLS1_3_VERSION);
  complete(client.connect().get(), ssl.get());
  while (state.KeepRunning()) {
    CHECK(SSL_new_session_ticket(ssl.get()) == 1);
    CHECK(SSL_do_handshake(ssl.get()) == 1);
    CHECK(BIO_pending(SSL_get_wbio(ssl.get())) > 100);
    BIO_reset(SSL_get_wbio(ssl.get()));
  }
}

// TLS 1.2: from a ClientHello with a ticket to the server's Finished (RFC 5077 §3.1, figure 2).
void open(benchmark::State& state, Keys which) {
  Server server(which);
  Client client(TLS1_2_VERSION);
  const SslPtr first = client.connect();
  complete(first.get(), server.accept().get());
  const SslSessionPtr session(SSL_get1_session(first.get()));
  const SslPtr second = client.connect();
  SSL_set_session(second.get(), session.get());
  SSL_do_handshake(second.get());
  const std::string hello = take_output(second.get());
  while (state.KeepRunning()) {
    const SslPtr ssl = server.accept();
    give(ssl.get(), hello);
    CHECK(SSL_do_handshake(ssl.get()) == -1);  // it waits for the client's Finished
    CHECK(SSL_session_reused(ssl.get()) == 1);
  }
}

BENCHMARK_CAPTURE(seal, built_in, Keys::kBuiltIn)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(seal, callback, Keys::kCallback)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(open, built_in, Keys::kBuiltIn)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(open, callback, Keys::kCallback)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
