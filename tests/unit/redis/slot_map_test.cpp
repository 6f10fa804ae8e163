#include "proxy/redis/slot_map.h"

#include <gtest/gtest.h>

#include "proxy/redis/refusal.h"
#include "proxy/redis/slot.h"

namespace usher::redis {
namespace {

TEST(Slot, IsCrc16OfTheKey) {
  EXPECT_EQ(crc16("123456789"), 0x31C3);  // the specification's own check value
  EXPECT_EQ(slot_of("foo"), 12182);       // CLUSTER KEYSLOT foo
  EXPECT_EQ(slot_of(""), 0);
}

Reply number(std::int64_t value) {
  return {Reply::Type::kInteger, value, {}, {}};
}
Reply text(std::string value) {
  return {Reply::Type::kString, 0, std::move(value), {}};
}
Reply list(std::vector<Reply> elements) {
  return {Reply::Type::kArray, 0, {}, std::move(elements)};
}
Reply node(Reply host, std::int64_t port, std::vector<Reply> metadata = {}) {
  return list({std::move(host), number(port), text("id"), list(std::move(metadata))});
}
Reply range(std::int64_t first, std::int64_t last, Reply master) {
  return list({number(first), number(last), std::move(master), node(text("replica"), 1)});
}

TEST(SlotMap, KnowsTheMasterOfEachSlot) {
  const auto map = parse_slots(list({range(0, 99, node(text("10.0.0.1"), 7000)),
                                     range(100, 16383, node(text("redis-2"), 7001)),
                                     range(50, 50, node(text("redis-2"), 7001))}),
                               "");
  ASSERT_TRUE(map);
  ASSERT_EQ(map->masters.size(), 2U);
  EXPECT_EQ(map->masters[map->owners[49]], (NodeAddress{"10.0.0.1", 7000}));
  EXPECT_EQ(map->masters[map->owners[50]], (NodeAddress{"redis-2", 7001}));
  EXPECT_EQ(map->masters[map->owners[16383]], (NodeAddress{"redis-2", 7001}));
  EXPECT_TRUE(map->complete);
}

TEST(SlotMap, SaysWhenASlotIsNobodys) {
  const auto map = parse_slots(list({range(1, 16383, node(text("a"), 1))}), "");
  ASSERT_TRUE(map);
  EXPECT_FALSE(map->complete);
  EXPECT_EQ(map->owners[0], SlotMap::kNobody);
}

TEST(SlotMap, ANodeWithoutAHostIsTheOneAsked) {
  for (const Reply& host : {text(""), Reply{}}) {
    const auto map = parse_slots(list({range(0, 16383, node(host, 7000))}), "seed");
    ASSERT_TRUE(map);
    EXPECT_EQ(map->masters, (std::vector<NodeAddress>{{"seed", 7000}}));
  }
  const auto nowhere = parse_slots(list({range(0, 16383, node(text(""), 7000))}), "");
  ASSERT_TRUE(nowhere);
  EXPECT_TRUE(nowhere->masters.empty());
}

TEST(SlotMap, AnUnknownNameGivesWayToTheAddress) {
  const auto map =
      parse_slots(list({range(0, 9, node(text("?"), 7000, {text("ip"), text("10.0.0.9")})),
                        range(10, 19, node(text("?"), 7000)), range(20, 29, node(text("a"), 0)),
                        range(30, 39, node(text(std::string(254, 'a')), 7000))}),
                  "seed");
  ASSERT_TRUE(map);
  EXPECT_EQ(map->masters, (std::vector<NodeAddress>{{"10.0.0.9", 7000}}));
  EXPECT_EQ(map->owners[10], SlotMap::kNobody);
  EXPECT_EQ(map->owners[20], SlotMap::kNobody);
  EXPECT_EQ(map->owners[30], SlotMap::kNobody);
}

TEST(SlotMap, RefusesWhatIsNoSuchReply) {
  const Reply good = node(text("a"), 1);
  for (const Reply& bad :
       {number(1), list({number(1)}), list({range(-1, 5, good)}), list({range(0, 16384, good)}),
        list({range(9, 8, good)}), list({range(0, 1, text("a"))}), list({list({number(0), good})}),
        list({range(0, 1, node(text("a"), 65536))}), list({range(0, 1, node(text("a"), -1))}),
        list({list({text("0"), number(1), good})}), list({range(0, 1, list({text("a")}))})}) {
    EXPECT_FALSE(parse_slots(bad, "seed"));
  }
  EXPECT_FALSE(parse_slots(list(std::vector<Reply>(16385, range(0, 1, good))), "seed"));
}

TEST(SlotMap, IsBounded) {
  std::vector<Reply> ranges;
  for (int i = 0; i <= 1024; ++i) {
    ranges.push_back(range(i, i, node(text("a"), 1 + i)));
  }
  EXPECT_FALSE(parse_slots(list(ranges), ""));
  ranges.pop_back();
  EXPECT_TRUE(parse_slots(list(ranges), ""));
}

TEST(Refusal, IsToldByTheFirstWord) {
  EXPECT_EQ(refusal_of("MOVED 1 a:1"), Refusal::kMoved);
  EXPECT_EQ(refusal_of("ASK 1 a:1"), Refusal::kAsk);
  EXPECT_EQ(refusal_of("READONLY You can't write against a read only replica."), Refusal::kReplica);
  EXPECT_EQ(refusal_of("LOADING Redis is loading the dataset in memory"), Refusal::kUnwell);
  EXPECT_EQ(refusal_of("CLUSTERDOWN The cluster is down"), Refusal::kThisCommand);
  EXPECT_EQ(refusal_of("BUSY Redis is busy running a script."), Refusal::kUnwell);
  EXPECT_EQ(refusal_of("MASTERDOWN Link with MASTER is down"), Refusal::kReplica);
  EXPECT_EQ(refusal_of("NOAUTH Authentication required."), Refusal::kSignedOut);
  EXPECT_EQ(refusal_of("ERR unknown command 'GETDEL', with args beginning with: 'a'"),
            Refusal::kUnknownCommand);
  EXPECT_EQ(refusal_of("WRONGTYPE Operation against a key"), Refusal::kThisCommand);
  EXPECT_EQ(refusal_of("OOM command not allowed"), Refusal::kThisCommand);
  EXPECT_EQ(refusal_of("BUSYKEY x"), Refusal::kThisCommand);
  EXPECT_EQ(refusal_of(""), Refusal::kThisCommand);
}

TEST(Redirect, NamesSlotAndNode) {
  const auto moved = parse_redirect("MOVED 3999 127.0.0.1:6381");
  ASSERT_TRUE(moved);
  EXPECT_FALSE(moved->ask);
  EXPECT_EQ(moved->slot, 3999);
  EXPECT_EQ(moved->host, "127.0.0.1");
  EXPECT_EQ(moved->port, 6381);
  const auto ask = parse_redirect("ASK 0 fd00::1:7000");
  ASSERT_TRUE(ask);
  EXPECT_TRUE(ask->ask);
  EXPECT_EQ(ask->host, "fd00::1");
  EXPECT_EQ(ask->port, 7000);
  const auto same_host = parse_redirect("MOVED 16383 :7000");
  ASSERT_TRUE(same_host);
  EXPECT_EQ(same_host->host, "");
}

TEST(Redirect, ThatLeadsNowhereIsNone) {
  for (const std::string& bad :
       {std::string("MOVED"), std::string("MOVED "), std::string("MOVED 1"),
        std::string("MOVED 1 a"), std::string("MOVED 1 a:"), std::string("MOVED 1 a:0"),
        std::string("MOVED 1 a:65536"), std::string("MOVED 16384 a:1"), std::string("MOVED -1 a:1"),
        std::string("MOVED x a:1"), std::string("MOVED 1 ?:1"), std::string("MOVED 1 a:1x"),
        std::string("ERR a:1"), std::string("ASK  a:1"),
        "MOVED 1 " + std::string(254, 'a') + ":1"}) {
    EXPECT_FALSE(parse_redirect(bad)) << bad;
  }
}

}  // namespace
}  // namespace usher::redis
