// Each side may end its direction and the other runs on, in all four orders, in both TLS versions;
// an end that is clean for one side is clean for the other.
#include <gtest/gtest.h>

#include "tests/unit/relay/support/peers.h"
#include "tests/unit/relay/support/test_worker.h"

namespace usher::relay::test {
namespace {

class HalfClose : public testing::TestWithParam<int> {
 protected:
  TestBackend server_;
  TestWorker worker_{{{server_.address()}}};
  TestClient client_ = TestClient::to(worker_.address(), GetParam());
};

const std::string kLong(1'000'000, 'l');

TEST_P(HalfClose, ClientEndsFirstAndStillGetsItsAnswer) {
  ASSERT_TRUE(client_.handshake());
  Socket backend = server_.accept();
  ASSERT_TRUE(client_.write("question"));
  client_.close_notify();
  const Stream question = backend.read_to_end();
  EXPECT_EQ(question.bytes, "question");
  EXPECT_EQ(question.end, End::kFin);
  ASSERT_TRUE(backend.write(kLong));
  backend.fin();
  const Stream answer = client_.read_to_end();
  EXPECT_EQ(answer.bytes, kLong);
  EXPECT_EQ(answer.end, End::kCloseNotify);
  EXPECT_TRUE(worker_.closed_once_with(CloseReason::kFinished));
}

TEST_P(HalfClose, BackendEndsFirstAndStillGetsTheRest) {
  ASSERT_TRUE(client_.handshake());
  Socket backend = server_.accept();
  ASSERT_TRUE(client_.write("question"));
  EXPECT_EQ(backend.read(8), "question");
  ASSERT_TRUE(backend.write("answer"));
  backend.fin();
  const Stream answer = client_.read_to_end();
  EXPECT_EQ(answer.bytes, "answer");
  EXPECT_EQ(answer.end, End::kCloseNotify);
  ASSERT_TRUE(client_.write(kLong));
  client_.close_notify();
  const Stream rest = backend.read_to_end();
  EXPECT_EQ(rest.bytes, kLong);
  EXPECT_EQ(rest.end, End::kFin);
  EXPECT_TRUE(worker_.closed_once_with(CloseReason::kFinished));
}

TEST_P(HalfClose, BackendAnswersAndEndsBeforeTheClientSaysAnything) {
  ASSERT_TRUE(client_.handshake());
  Socket backend = server_.accept();
  ASSERT_TRUE(backend.write("greeting"));
  backend.fin();
  const Stream greeting = client_.read_to_end();
  EXPECT_EQ(greeting.bytes, "greeting");
  EXPECT_EQ(greeting.end, End::kCloseNotify);
  client_.close_notify();
  EXPECT_EQ(backend.read_to_end().end, End::kFin);
  EXPECT_TRUE(worker_.closed_once_with(CloseReason::kFinished));
}

TEST_P(HalfClose, ClientEndsWithoutAWord) {
  ASSERT_TRUE(client_.handshake());
  client_.close_notify();
  client_.socket().fin();  // right behind close_notify: a clean end all the same
  Socket backend = server_.accept();
  EXPECT_EQ(backend.read_to_end().end, End::kFin);
  backend.close();
  EXPECT_EQ(client_.read_to_end().end, End::kCloseNotify);
  EXPECT_TRUE(worker_.closed_once_with(CloseReason::kFinished));
}

INSTANTIATE_TEST_SUITE_P(Versions, HalfClose, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& suite) {
                           return suite.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace usher::relay::test
