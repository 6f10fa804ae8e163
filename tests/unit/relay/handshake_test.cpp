// Until the handshake is done: hostile and slow clients end in a counted outcome, alerts arrive,
// and no backend hears of it.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include "tests/unit/relay/support/peers.h"
#include "tests/unit/relay/support/test_worker.h"

namespace usher::relay::test {
namespace {

using namespace std::chrono_literals;
using tls::OfferKind;
using tls::OfferOutcome;
using tls::Resumption;
using tls::TlsFailure;

void short_handshake(Settings& settings) {
  settings.listener.handshake_timeout = 100ms;
}

std::uint64_t failures(const TestWorker& worker, TlsFailure failure) {
  return worker.metrics().handshake_failures[static_cast<std::size_t>(failure)].value();
}

std::uint64_t offers(const TestWorker& worker, OfferKind kind, OfferOutcome outcome) {
  return worker.metrics()
      .offers[static_cast<std::size_t>(kind)][static_cast<std::size_t>(outcome)]
      .value();
}

std::uint64_t handshakes(const TestWorker& worker, int version, Resumption resumption) {
  return worker.metrics()
      .handshakes[version == TLS1_3_VERSION ? 1 : 0][static_cast<std::size_t>(resumption)]
      .value();
}

// The first flight of a client, as bytes.
std::string hello(SSL_SESSION* session = nullptr) {
  const SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  const SslPtr ssl(SSL_new(context.get()));
  if (session != nullptr) {
    SSL_set_session(ssl.get(), session);
  }
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

TEST(Handshake, SilentClientTimesOut) {
  TestWorker worker({{refusing_address()}}, short_handshake);
  Socket client = Socket::connect(worker.address());
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeTimeout));
}

TEST(Handshake, HelloThatStopsHalfwayTimesOut) {
  TestWorker worker({{refusing_address()}}, short_handshake);
  Socket client = Socket::connect(worker.address());
  ASSERT_TRUE(client.write(hello().substr(0, 50)));
  ASSERT_TRUE(worker.in_phase(Phase::kHello));
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeTimeout));
}

TEST(Handshake, ClientThatStopsAfterTheServersFlightTimesOut) {
  TestWorker worker({{refusing_address()}}, short_handshake);
  Socket client = Socket::connect(worker.address());
  ASSERT_TRUE(client.write(hello()));
  ASSERT_TRUE(worker.in_phase(Phase::kHandshaking));
  EXPECT_GT(client.read_to_end().bytes.size(), 500U);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeTimeout));
}

TEST(Handshake, HelloInSegmentsOfOneByte) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  Socket client = Socket::connect(worker.address());
  for (const char byte : hello()) {
    ASSERT_TRUE(client.write({&byte, 1}));
  }
  EXPECT_TRUE(worker.in_phase(Phase::kHandshaking));
  client.close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientGone));
}

TEST(Handshake, ClientThatLeavesIsGone) {
  TestWorker worker({{refusing_address()}});
  Socket::connect(worker.address()).close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientGone));
}

// With unread bytes in the socket, closing it at once would reset the connection and destroy the
// alert.
TEST(Handshake, PlainHttpIsCountedAndTheEndArrives) {
  TestWorker worker({{refusing_address()}});
  Socket client = Socket::connect(worker.address());
  ASSERT_TRUE(client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(100'000, 'x')));
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  client.close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeFailed));
  EXPECT_EQ(failures(worker, TlsFailure::kNotTls), 1U);
}

TEST(Handshake, OldVersionGetsItsAlert) {
  TestWorker worker({{refusing_address()}});
  TestClient client = TestClient::to(worker.address(), TLS1_1_VERSION);
  EXPECT_FALSE(client.handshake());
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
  client.socket().close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeFailed));
  EXPECT_EQ(failures(worker, TlsFailure::kVersion), 1U);
}

TEST(Handshake, ClientThatIgnoresItsAlertIsNotWaitedForLong) {
  TestWorker worker({{refusing_address()}},
                    [](Settings& settings) { settings.listener.idle_timeout = 100ms; });
  Socket client = Socket::connect(worker.address());
  ASSERT_TRUE(client.write("this is no TLS record at all"));
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeFailed));
}

class Resuming : public testing::TestWithParam<int> {};

TEST_P(Resuming, EachOfferIsCountedOnce) {
  TestBackend server;
  TestWorker worker({{server.address()}}, [](Settings& settings) { settings.tickets = true; });
  TestClient first = TestClient::to(worker.address(), GetParam());
  ASSERT_TRUE(first.handshake());
  server.accept().write("x");
  ASSERT_EQ(first.read(1), "x");  // and the tickets before it
  const SslSessionPtr session(SSL_get1_session(first.ssl()));
  first.close_notify();
  EXPECT_EQ(handshakes(worker, GetParam(), Resumption::kNone), 1U);
  EXPECT_GE(worker.issued().value(), 1U);

  TestClient second(Socket::connect(worker.address()), GetParam(), session.get());
  ASSERT_TRUE(second.handshake());
  EXPECT_TRUE(SSL_session_reused(second.ssl()));
  const Resumption how = GetParam() == TLS1_3_VERSION ? Resumption::kPsk : Resumption::kTicket;
  EXPECT_TRUE(eventually([&] { return handshakes(worker, GetParam(), how) == 1; }));
  EXPECT_EQ(offers(worker, OfferKind::kTicket, OfferOutcome::kResumed), 1U);
  EXPECT_EQ(offers(worker, OfferKind::kTicket, OfferOutcome::kOther), 0U);
}

INSTANTIATE_TEST_SUITE_P(Versions, Resuming, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST(Handshake, OfferThatDiesInTheHandshakeCountsAsOther) {
  TestBackend server;
  TestWorker worker({{server.address()}}, [](Settings& settings) { settings.tickets = true; });
  TestClient first = TestClient::to(worker.address());
  ASSERT_TRUE(first.handshake());
  server.accept().write("x");
  ASSERT_EQ(first.read(1), "x");
  const SslSessionPtr session(SSL_get1_session(first.ssl()));
  Socket second = Socket::connect(worker.address());
  ASSERT_TRUE(second.write(hello(session.get())));
  ASSERT_TRUE(worker.in_phase(Phase::kHandshaking));
  second.close();
  EXPECT_TRUE(
      eventually([&] { return offers(worker, OfferKind::kTicket, OfferOutcome::kOther) == 1; }));
  EXPECT_EQ(offers(worker, OfferKind::kTicket, OfferOutcome::kResumed), 0U);
}

TEST(Handshake, MaxFragmentLengthIsCounted) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_EQ(SSL_set_tlsext_max_fragment_length(client.ssl(), TLSEXT_max_fragment_length_1024), 1);
  ASSERT_TRUE(client.handshake());
  (void)server.accept();
  EXPECT_EQ(worker.metrics().max_fragment_length[1].value(), 1U);
  EXPECT_EQ(worker.metrics().max_fragment_length[0].value(), 0U);
}

}  // namespace
}  // namespace usher::relay::test
