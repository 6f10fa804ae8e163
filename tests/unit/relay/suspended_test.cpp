// While a session is looked up: nothing is said to the client, what it sends is held, and whatever
// ends the connection cancels the look-up.
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/relay/support/peers.h"
#include "tests/unit/relay/support/test_worker.h"
#include "tests/unit/tls/support/fake_sessions.h"

namespace usher::relay::test {
namespace {

using namespace std::chrono_literals;
using tls::OfferKind;
using tls::OfferOutcome;
using tls::Resumption;
using Result = tls::SessionCache::Result;

class Suspended : public testing::Test {
 protected:
  Suspended() { sessions_.answers_later = true; }

  std::function<void(Settings&)> with_sessions(std::chrono::milliseconds timeout = 10s) {
    return [this, timeout](Settings& settings) {
      settings.sessions = &sessions_;
      settings.listener.handshake_timeout = timeout;
    };
  }

  // The hello of a TLS 1.2 client that offers a session with an id of ours.
  std::string hello() {
    const SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    const SslPtr ssl(SSL_new(context.get()));
    tls::SessionId id{};
    sessions_.make_id(id);
    const SslSessionPtr session(SSL_SESSION_new());
    SSL_SESSION_set_protocol_version(session.get(), TLS1_2_VERSION);
    SSL_SESSION_set1_id(session.get(), uchars(id), static_cast<unsigned>(id.size()));
    SSL_SESSION_set_cipher(session.get(), sk_SSL_CIPHER_value(SSL_get_ciphers(ssl.get()), 0));
    SSL_set_session(ssl.get(), session.get());
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl.get());
    SSL_do_handshake(ssl.get());
    std::string bytes(BIO_ctrl_pending(out), '\0');
    BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }

  // A client whose hello waits for the cache.
  Socket suspended(TestWorker& worker) {
    Socket client = Socket::connect(worker.address());
    EXPECT_TRUE(client.write(hello()));
    EXPECT_TRUE(worker.in_phase(Phase::kSuspended));
    return client;
  }

  tls::test::FakeSessions sessions_;  // used on the worker's thread while one runs
};

std::uint64_t offers(const TestWorker& worker, OfferOutcome outcome) {
  return worker.metrics()
      .offers[static_cast<std::size_t>(OfferKind::kSessionId)][static_cast<std::size_t>(outcome)]
      .value();
}

TEST_F(Suspended, GoesOnWhenTheAnswerComes) {
  TestWorker worker({{refusing_address()}}, with_sessions());
  Socket client = suspended(worker);
  worker.call([&] { sessions_.answer_as(Result::kMiss); });
  EXPECT_TRUE(worker.in_phase(Phase::kHandshaking));
  EXPECT_EQ(client.read(1), "\x16");  // the server's flight
}

TEST_F(Suspended, WhatComesMeanwhileIsHeld) {
  TestWorker worker({{refusing_address()}}, with_sessions());
  Socket client = suspended(worker);
  ASSERT_TRUE(client.write("no TLS record"));
  worker.call([&] { sessions_.answer_as(Result::kMiss); });
  EXPECT_GT(client.read_to_end().bytes.size(), 500U);  // the server's flight, then its alert
  client.close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeFailed));
  EXPECT_EQ(offers(worker, OfferOutcome::kOther), 1U);
}

TEST_F(Suspended, ClientThatLeavesCancels) {
  TestWorker worker({{refusing_address()}}, with_sessions());
  suspended(worker).close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientGone));
  worker.call([&] { EXPECT_EQ(sessions_.cancelled, 1); });
  EXPECT_EQ(offers(worker, OfferOutcome::kOther), 1U);
}

TEST_F(Suspended, ClientThatResetsCancels) {
  TestWorker worker({{refusing_address()}}, with_sessions());
  suspended(worker).reset();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientGone));
  worker.call([&] { EXPECT_EQ(sessions_.cancelled, 1); });
}

TEST_F(Suspended, HandshakeTimeoutCancels) {
  TestWorker worker({{refusing_address()}}, with_sessions(500ms));
  Socket client = suspended(worker);
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeTimeout));
  worker.call([&] { EXPECT_EQ(sessions_.cancelled, 1); });
}

TEST_F(Suspended, EndOfTheProcessCancels) {
  TestWorker worker({{refusing_address()}}, with_sessions());
  const Socket client = suspended(worker);
  worker.close_all(CloseReason::kStopped);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kStopped));
  worker.call([&] { EXPECT_EQ(sessions_.cancelled, 1); });
}

TEST_F(Suspended, ResumesAndTheWaitCountsAsHandshake) {
  TestBackend server;
  TestWorker worker({{server.address()}}, with_sessions());
  TestClient first = TestClient::to(worker.address(), TLS1_2_VERSION);
  ASSERT_TRUE(first.handshake());
  (void)server.accept();
  const SslSessionPtr session(SSL_get1_session(first.ssl()));
  first.close_notify();

  constexpr auto kWait = 50ms;
  TestClient second(Socket::connect(worker.address()), TLS1_2_VERSION, session.get());
  std::thread answering([&] {
    EXPECT_TRUE(worker.in_phase(Phase::kSuspended));
    std::this_thread::sleep_for(kWait);
    worker.call([&] { sessions_.answer(); });
  });
  EXPECT_TRUE(second.handshake());
  answering.join();
  EXPECT_TRUE(SSL_session_reused(second.ssl()));
  ASSERT_TRUE(second.write("ping"));
  EXPECT_EQ(server.accept().read(4), "ping");
  EXPECT_EQ(offers(worker, OfferOutcome::kResumed), 1U);
  const auto& seconds =
      worker.metrics().handshake_seconds[static_cast<std::size_t>(Resumption::kSessionId)];
  EXPECT_GE(seconds.sum_seconds(), std::chrono::duration<double>(kWait).count());
}

}  // namespace
}  // namespace usher::relay::test
