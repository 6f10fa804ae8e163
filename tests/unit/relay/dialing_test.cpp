// Finding a backend: the next server when one fails, limits per attempt, nothing lost meanwhile.
#include <gtest/gtest.h>

#include "tests/unit/relay/support/peers.h"
#include "tests/unit/relay/support/test_worker.h"

namespace usher::relay::test {
namespace {

using namespace std::chrono_literals;

TEST(Dialing, TheNextServerIsTriedWhenOneRefuses) {
  TestBackend server;
  TestWorker worker({{refusing_address()}, {server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(client.write("hello"));
  EXPECT_EQ(backend.read(5), "hello");
  EXPECT_EQ(worker.server(0).failures[backend::BackendMetrics::kRefused].value(), 1U);
  EXPECT_EQ(worker.server(1).connections.value(), 1U);
}

TEST(Dialing, EarlyBytesWaitForTheServerThatAnswers) {
  const BlackHole hole;
  TestBackend server;
  TestWorker worker({{hole.address()}, {server.address()}},
                    [](Settings& settings) { settings.backend.connect_timeout = 200ms; });
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  const std::string early(200'000, 'e');
  std::thread sender([&] {
    EXPECT_TRUE(client.write(early));
    client.close_notify();
    client.socket().fin();
  });
  Socket backend = server.accept();
  const Stream stream = backend.read_to_end();
  sender.join();
  EXPECT_EQ(stream.bytes, early);
  EXPECT_EQ(stream.end, End::kFin);
  backend.close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kFinished));
  EXPECT_EQ(worker.server(0).failures[backend::BackendMetrics::kTimeout].value(), 1U);
}

// A client that never reads leaves tickets in its socket, so its close() resets the connection.
// What came before the reset, close_notify included, is whole.
TEST(Dialing, BytesOfAClientThatSendsEndsAndLeavesAreNotLost) {
  const BlackHole hole;
  TestBackend server;
  TestWorker worker({{hole.address()}, {server.address()}},
                    [](Settings& settings) { settings.backend.connect_timeout = 200ms; });
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(worker.in_phase(Phase::kDialing));
  ASSERT_TRUE(client.write("log line"));
  client.close_notify();
  client.socket().reset();
  Socket backend = server.accept();
  const Stream stream = backend.read_to_end();
  EXPECT_EQ(stream.bytes, "log line");
  EXPECT_EQ(stream.end, End::kFin);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientReset));
}

TEST(Dialing, WithoutAnyServerTheClientSeesNoCleanEnd) {
  TestWorker worker({{refusing_address()}, {refusing_address()}, {}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  (void)client.write("anybody there?");
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  client.socket().close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kBackendUnreachable));
  EXPECT_EQ(worker.server(0).failures[backend::BackendMetrics::kRefused].value(), 1U);
  EXPECT_EQ(worker.server(1).failures[backend::BackendMetrics::kRefused].value(), 1U);
}

TEST(Dialing, NobodyDialsForAClientThatIsGone) {
  const BlackHole hole;
  TestWorker worker({{hole.address()}},
                    [](Settings& settings) { settings.backend.connect_timeout = 1h; });
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(worker.in_phase(Phase::kDialing));
  client.socket().reset();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientReset));
}

TEST(Dialing, NoBackendIsDialedBeforeTheHandshakeIsDone) {
  TestBackend server;
  TestWorker worker({{server.address()}},
                    [](Settings& settings) { settings.listener.handshake_timeout = 100ms; });
  Socket client = Socket::connect(worker.address());
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kHandshakeTimeout));
  EXPECT_EQ(worker.server(0).connections.value(), 0U);
  EXPECT_EQ(worker.server(0).failures[backend::BackendMetrics::kRefused].value(), 0U);
}

}  // namespace
}  // namespace usher::relay::test
