// A slow reader on either side stops the other side's source: memory stays bounded, nothing is
// lost. And how relayed bytes are cut into records.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/relay/support/peers.h"
#include "tests/unit/relay/support/test_worker.h"

namespace usher::relay::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMega = 1024 * 1024;
// What a flow may hold by its contract: one receive buffer, and one more read on top of half of
// that.
constexpr std::size_t kHeldMost = 2 * WorkerServices::kReceiveSize;
// Socket buffers of the test (asked for, doubled by the kernel) on both sides of the relay.
constexpr int kSmallBuffer = 16 * 1024;
constexpr std::size_t kKernelMost = 256 * 1024;

TEST(BackPressure, SlowClientStopsTheBackend) {
  TestBackend server;
  TestWorker worker({{server.address()}},
                    [](Settings& settings) { settings.client_send_buffer = kSmallBuffer; });
  TestClient client(Socket::connect(worker.address(), kSmallBuffer));
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  const std::size_t sent = backend.write_until_blocked(64 * kMega, 300);
  ASSERT_LT(sent, 64 * kMega);
  // What the relay has taken from the backend is in its queue or in the small client buffers.
  EXPECT_LE(worker.metrics().bytes_to_client.value(), kHeldMost + kKernelMost);
  EXPECT_EQ(client.read(sent).size(), sent);
  const std::size_t more = backend.write_until_blocked(kMega, 300);
  EXPECT_GT(more, 0U);
  backend.fin();
  const Stream rest = client.read_to_end();
  EXPECT_EQ(rest.bytes.size(), more);
  EXPECT_EQ(rest.end, End::kCloseNotify);
}

TEST(BackPressure, SlowBackendStopsTheClient) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  std::size_t sent = 0;
  std::thread sender([&] {
    const std::string block(kMega, 'u');
    while (sent < 64 * kMega && client.write(block)) {
      sent += block.size();
    }
    client.close_notify();
  });
  std::uint64_t before = 1;
  std::uint64_t now = 0;
  while (now != before) {  // until nothing moves any more
    before = now;
    std::this_thread::sleep_for(300ms);
    now = worker.metrics().bytes_to_backend.value();
  }
  EXPECT_LT(now, 32 * kMega);  // kernel buffers of a loopback connection hold a few
  const Stream stream = backend.read_to_end();
  sender.join();
  EXPECT_EQ(sent, 64 * kMega);
  EXPECT_EQ(stream.bytes.size(), sent);
  EXPECT_EQ(stream.end, End::kFin);
  backend.close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kFinished));
}

TEST(BackPressure, LastBytesThatNobodyTakesEndAtTheDrainTimeout) {
  TestBackend server;
  TestWorker worker({{server.address()}}, [](Settings& settings) {
    settings.client_send_buffer = 4 * 1024;
    settings.listener.idle_timeout = 300ms;
  });
  TestClient client(Socket::connect(worker.address(), 4 * 1024));
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  client.close_notify();
  ASSERT_TRUE(backend.write(std::string(100'000, 'b')));
  backend.fin();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kDrainTimeout));
}

TEST(RecordSizes, SmallAtTheStartThenLargest) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  const std::size_t handshake_records = client.record_sizes().size();
  ASSERT_TRUE(backend.write(std::string(100'000, 'b')));
  ASSERT_EQ(client.read(100'000).size(), 100'000U);
  const std::vector<std::size_t> sizes(client.record_sizes().begin() + handshake_records,
                                       client.record_sizes().end());
  ASSERT_GE(sizes.size(), 8U);
  // Each with a content type and a tag (RFC 8446 §5.2); three segments of 1448 bytes hold one.
  EXPECT_EQ(*std::max_element(sizes.begin(), sizes.begin() + 4), 4096U + 17U);
  EXPECT_LE(4096 + 17 + 5, 3 * 1448);
  EXPECT_EQ(*std::max_element(sizes.begin() + 4, sizes.end()), 16384U + 17U);
}

TEST(RecordSizes, AnAnswerBeginsWithOneSmallRecord) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(backend.write(std::string(50'000, 'b')));
  ASSERT_EQ(client.read(50'000).size(), 50'000U);
  const std::size_t before = client.record_sizes().size();
  ASSERT_TRUE(client.write("next"));
  ASSERT_EQ(backend.read(4), "next");
  ASSERT_TRUE(backend.write(std::string(20'000, 'b')));
  ASSERT_EQ(client.read(20'000).size(), 20'000U);
  EXPECT_EQ(client.record_sizes().at(before), 4096U + 17U);
  EXPECT_GT(client.record_sizes().at(before + 1), 4096U + 17U);
}

TEST(RecordSizes, SmallAgainAfterAPause) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(backend.write(std::string(50'000, 'b')));
  ASSERT_EQ(client.read(50'000).size(), 50'000U);
  std::this_thread::sleep_for(1'100ms);
  const std::size_t before = client.record_sizes().size();
  ASSERT_TRUE(backend.write(std::string(16'384, 'b')));
  ASSERT_EQ(client.read(16'384).size(), 16'384U);
  const auto begin = client.record_sizes().begin() + static_cast<std::ptrdiff_t>(before);
  EXPECT_EQ(*std::max_element(begin, client.record_sizes().end()), 4096U + 17U);
}

}  // namespace
}  // namespace usher::relay::test
