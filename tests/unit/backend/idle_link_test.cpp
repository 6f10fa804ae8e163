// What a server said, or that it ended, before an idle link is used again belongs to nobody's
// request, although the loop has not told of it yet.
#include <gtest/gtest.h>

#include "proxy/backend/group.h"
#include "tests/unit/backend/support/group_bench.h"
#include "tests/unit/backend/support/test_server.h"

namespace usher::backend::test {
namespace {

using namespace std::chrono_literals;

class IdleLinkTest : public GroupTest {
 protected:
  // A server that answers, then says `last` (nothing: ends) once the link is idle; later
  // connections are answered.
  void use_again_after(const std::string& last) {
    std::atomic<bool> idle = false;
    std::atomic<bool> said = false;
    std::atomic<int> connections = 0;
    TestServer server([&](Peer& peer) {
      const int number = ++connections;
      (void)peer.read_head();
      peer.write(std::to_string(number));
      if (number == 1) {
        while (!idle) {
          std::this_thread::sleep_for(1ms);
        }
        peer.write(last);
        if (last.empty()) {
          peer.fin();
        }
        said = true;
      }
      (void)peer.read_to_end();
    });
    make({{server.address()}});
    TestUser first(loop_);
    ASSERT_TRUE(open(first));
    ASSERT_EQ(exchange(first), "1");
    group_->give_back(std::move(first.link));
    idle = true;
    while (!said) {
      std::this_thread::sleep_for(1ms);
    }
    TestUser second(loop_);  // no turn of the loop between
    ASSERT_TRUE(open(second));
    EXPECT_FALSE(second.link->reused());
    EXPECT_EQ(exchange(second), "2");
    second.link.reset();
    group_.reset();
  }
};

TEST_F(IdleLinkTest, WhatWasSaidUnaskedAnswersNoRequest) {
  use_again_after("unasked");
}

TEST_F(IdleLinkTest, AnEndedLinkIsGivenToNobody) {
  use_again_after("");
}

}  // namespace
}  // namespace usher::backend::test
