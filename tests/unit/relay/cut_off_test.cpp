// A stream that was cut off never looks like a whole one, and every end has its reason.
#include <gtest/gtest.h>

#include "tests/unit/relay/support/peers.h"
#include "tests/unit/relay/support/test_worker.h"

namespace usher::relay::test {
namespace {

using namespace std::chrono_literals;

TEST(CutOff, ClientFinWithoutCloseNotifyResetsTheBackend) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(client.write("half of it"));
  EXPECT_EQ(backend.read(10), "half of it");
  client.socket().close();
  EXPECT_EQ(backend.read_to_end().end, End::kReset);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientTruncated));
}

TEST(CutOff, ClientResetResetsTheBackend) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(client.write("half of it"));
  EXPECT_EQ(backend.read(10), "half of it");
  client.socket().reset();
  EXPECT_EQ(backend.read_to_end().end, End::kReset);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientReset));
}

TEST(CutOff, BackendResetIsNoCleanEndForTheClient) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(backend.write("half of it"));
  EXPECT_EQ(client.read(10), "half of it");
  backend.reset();
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  client.socket().close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kBackendReset));
  EXPECT_EQ(worker.server(0).failures[backend::BackendMetrics::kReset].value(), 1U);
}

// The backend refuses the rest of an upload: it answers and closes with bytes unread, so a reset
// follows its answer.
TEST(CutOff, AnswerToAnUnfinishedUploadReachesTheClient) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(client.write(std::string(100'000, 'u')));
  EXPECT_EQ(backend.read(10).size(), 10U);
  ASSERT_TRUE(backend.write("too large"));
  backend.close();
  EXPECT_EQ(client.read_to_end().bytes, "too large");
  client.close_notify();
  client.socket().close();
  EXPECT_TRUE(eventually([&] { return worker.server(0).connections.value() == 0; }));
}

TEST(CutOff, BadRecordGetsAnAlertAndResetsTheBackend) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  // An application-data record that no key has made, and more behind it that nobody will read.
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  ASSERT_TRUE(client.socket().write(record + std::string(50'000, 'x')));
  EXPECT_EQ(client.read_to_end().end, End::kAlert);
  EXPECT_EQ(backend.read_to_end().end, End::kReset);
  client.socket().close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kClientFailed));
}

TEST(CutOff, KeyUpdateFloodIsEnded) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  for (int i = 0; i < 200; ++i) {
    if (SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED) != 1 ||
        SSL_do_handshake(client.ssl()) != 1) {
      break;
    }
  }
  EXPECT_EQ(backend.read_to_end().end, End::kReset);
  client.socket().close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kKeyUpdateFlood));
}

TEST(CutOff, SilenceOnBothSidesEndsAtTheIdleTimeout) {
  TestBackend server;
  TestWorker worker({{server.address()}},
                    [](Settings& settings) { settings.listener.idle_timeout = 100ms; });
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  EXPECT_EQ(backend.read_to_end().end, End::kReset);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kIdleTimeout));
}

TEST(CutOff, AnyByteKeepsAConnectionAlive) {
  TestBackend server;
  TestWorker worker({{server.address()}},
                    [](Settings& settings) { settings.listener.idle_timeout = 1s; });
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(250ms);
    ASSERT_TRUE(backend.write("."));
    ASSERT_EQ(client.read(1), ".");
  }
  client.close_notify();
  backend.close();
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kFinished));
}

TEST(CutOff, StopAndDrainCloseWithTheirReason) {
  TestBackend server;
  TestWorker worker({{server.address()}});
  TestClient client = TestClient::to(worker.address());
  ASSERT_TRUE(client.handshake());
  Socket backend = server.accept();
  ASSERT_TRUE(worker.in_phase(Phase::kRelaying));
  worker.close_all(CloseReason::kDrain);
  EXPECT_EQ(client.read_to_end().end, End::kFin);
  EXPECT_EQ(backend.read_to_end().end, End::kReset);
  EXPECT_TRUE(worker.closed_once_with(CloseReason::kDrain));
}

}  // namespace
}  // namespace usher::relay::test
