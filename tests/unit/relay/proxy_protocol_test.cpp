// The PROXY header in front of a client's and a backend's bytes.
#include <gtest/gtest.h>

#include "proxy/base/byte_queue.h"
#include "proxy/relay/proxy_reader.h"
#include "tests/unit/relay/support/peers.h"
#include "tests/unit/relay/support/test_worker.h"

namespace usher::relay::test {
namespace {

using namespace std::chrono_literals;

const std::string kHeader = "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n";

void trusting(Settings& settings) {
  settings.listener.proxy_protocol_in = true;
  settings.listener.proxy_protocol_from = {*Cidr::parse("127.0.0.0/8")};
  settings.backend.proxy_protocol = config::ProxyProtocol::kV1;
}

TEST(ProxyProtocol, HeaderInOnePieceOrManyReachesTheBackend) {
  for (const std::size_t piece : {1UL, 7UL, kHeader.size()}) {
    TestBackend server;
    TestWorker worker({{server.address()}}, trusting);
    Socket socket = Socket::connect(worker.address());
    for (std::size_t at = 0; at < kHeader.size(); at += piece) {
      ASSERT_TRUE(socket.write(kHeader.substr(at, piece)));
    }
    TestClient client(std::move(socket));
    ASSERT_TRUE(client.handshake());
    ASSERT_TRUE(client.write("hi"));
    Socket backend = server.accept();
    EXPECT_EQ(backend.read(kHeader.size() + 2), kHeader + "hi");
  }
}

TEST(ProxyProtocol, UntrustedPeerIsClosedUnheard) {
  TestWorker worker({{refusing_address()}}, [](Settings& settings) {
    trusting(settings);
    settings.listener.proxy_protocol_from = {*Cidr::parse("10.0.0.0/8")};
  });
  Socket client = Socket::connect(worker.address());
  EXPECT_NE(client.read_to_end().end, End::kTimeout);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kProxyUntrusted));
}

TEST(ProxyProtocol, MissingHeaderIsMalformed) {
  TestWorker worker({{refusing_address()}}, trusting);
  TestClient client = TestClient::to(worker.address());
  EXPECT_FALSE(client.handshake());
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kProxyMalformed));
}

TEST(ProxyProtocol, SilenceInsteadOfAHeaderTimesOut) {
  TestWorker worker({{refusing_address()}}, [](Settings& settings) {
    trusting(settings);
    settings.listener.handshake_timeout = 100ms;
  });
  Socket client = Socket::connect(worker.address());
  ASSERT_TRUE(client.write("PROXY "));
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kProxyTimeout));
}

TEST(ProxyProtocol, LocalKeepsTheSocketsAddress) {
  TestBackend server;
  TestWorker worker({{server.address()}}, trusting);
  Socket socket = Socket::connect(worker.address());
  const std::string expected = "PROXY TCP4 127.0.0.1 127.0.0.1 " +
                               std::to_string(socket.local().port()) + " " +
                               std::to_string(worker.address().port()) + "\r\n";
  ASSERT_TRUE(socket.write(std::string("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", 16)));
  TestClient client(std::move(socket));
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  EXPECT_EQ(backend.read(expected.size()), expected);
}

TEST(ProxyProtocol, SecondVersionTellsAddressesAndComesFirst) {
  TestBackend server;
  TestWorker worker({{server.address()}}, [](Settings& settings) {
    settings.backend.proxy_protocol = config::ProxyProtocol::kV2;
  });
  TestClient client = TestClient::to(worker.address());
  const SocketAddress source = client.socket().local();
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  std::string bytes = backend.read(16);
  const std::size_t rest =
      static_cast<unsigned char>(bytes.at(14)) * 256U + static_cast<unsigned char>(bytes.at(15));
  bytes += backend.read(rest);
  const ProxyHeaderResult header = read_proxy_header(bytes_of(bytes));
  ASSERT_EQ(header.status, ProxyHeaderResult::Status::kComplete);
  EXPECT_EQ(header.size, bytes.size());
  EXPECT_EQ(header.source, source);
  EXPECT_EQ(header.destination, worker.address());
  EXPECT_NE(bytes.find("TLSv1.3"), std::string::npos);
  client.close_notify();
  EXPECT_EQ(backend.read_to_end().bytes, "");
}

}  // namespace
}  // namespace usher::relay::test
