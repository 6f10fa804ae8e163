#include "keyd/state_codec.h"

#include "tests/unit/keyd/support/stored.h"

namespace usher::keyd::test {
namespace {

const Moment kThen{BootClock::time_point(1000h), WallTime(1'700'000'000'000ms)};

Moment later(std::chrono::milliseconds wall, std::chrono::milliseconds boot) {
  return {kThen.boot + boot, kThen.wall + wall};
}

FleetState full_state() {
  FleetState state = state_of({5, 17}, {"a", "a", "b"}, kThen.boot);
  state.members[1].instance.fill(std::byte{2});
  state.members[1].last_heard = kThen.boot - 3s;
  state.members[1].applied = KeyRing::Version{5, 16};
  state.members[1].applied_digest.fill(std::byte{9});
  state.members[2].next_pushed = kThen.boot - 1500ms;
  state.departed.push_back({"c", state.members[1].instance, kThen.boot - 4s});
  return state;
}

std::vector<std::byte> encoded(const FleetState& state) {
  const auto bytes = encode_state(state, kThen);
  EXPECT_TRUE(bytes) << bytes.error().message;
  return {bytes->bytes().begin(), bytes->bytes().end()};
}

TEST(StateCodec, WhatIsReadIsWhatWasWritten) {
  const FleetState state = full_state();
  const auto read = decode_state(encoded(state), kThen);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(keyring::digest_of(read->ring), keyring::digest_of(state.ring));
  EXPECT_EQ(read->ring.version(), (KeyRing::Version{5, 17}));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read->ring.entries()[i].key->created, state.ring.entries()[i].key->created);
  }
  ASSERT_EQ(read->members.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read->members[i].node, state.members[i].node);
    EXPECT_EQ(read->members[i].instance, state.members[i].instance);
    EXPECT_EQ(read->members[i].last_heard, state.members[i].last_heard);
    EXPECT_EQ(read->members[i].applied, state.members[i].applied);
    EXPECT_EQ(read->members[i].applied_digest, state.members[i].applied_digest);
    EXPECT_EQ(read->members[i].next_pushed, state.members[i].next_pushed);
  }
  ASSERT_EQ(read->departed.size(), 1U);
  EXPECT_EQ(read->departed[0].node, "c");
  EXPECT_EQ(read->departed[0].instance, state.departed[0].instance);
  EXPECT_EQ(read->departed[0].at, state.departed[0].at);
}

TEST(StateCodec, TimeWhileNobodyRanCounts) {
  // Rebooted: the boot clock began again, an hour passed by the wall's.
  const auto now = later(1h, -999h);
  const auto read = decode_state(encoded(full_state()), now);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(now.boot - read->ring.entries()[0].key->created, 2h);  // next: one hour old when saved
  EXPECT_EQ(now.boot - read->ring.entries()[1].key->created, 3h);
  EXPECT_EQ(now.boot - read->members[1].last_heard, 1h + 3s);
  EXPECT_EQ(now.boot - *read->members[2].next_pushed, 1h + 1500ms);
}

TEST(StateCodec, AWallClockThatWentBackMakesNothingYounger) {
  const auto now = later(-1h, 10ms);
  const auto read = decode_state(encoded(full_state()), now);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(now.boot - read->ring.entries()[1].key->created, 2h);
  EXPECT_EQ(now.boot - read->members[0].last_heard, 0s);
}

TEST(StateCodec, NothingOlderThanAClockCanTell) {
  const auto now = later(std::chrono::years(500), 0ms);
  const auto read = decode_state(encoded(full_state()), now);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_LE(now.boot - read->ring.entries()[1].key->created, keyring::kAgeMax + keyring::kAgeMax);
}

TEST(StateCodec, EveryShorterTextIsRefused) {
  const auto bytes = encoded(full_state());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_state(std::span(bytes).first(size), kThen)) << size;
  }
}

TEST(StateCodec, ALongerTextIsRefused) {
  auto bytes = encoded(full_state());
  bytes.push_back({});
  EXPECT_FALSE(decode_state(bytes, kThen));
}

TEST(StateCodec, AnotherFormatIsNamed) {
  auto bytes = encoded(full_state());
  bytes[0] = std::byte{2};
  const auto read = decode_state(bytes, kThen);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("format 2"), std::string::npos) << read.error().message;
}

TEST(StateCodec, FlagsMembersAndOrderAreStrict) {
  FleetState state = state_of({1, 1}, {"a", "b"}, kThen.boot);
  const auto good = encoded(state);
  // From the end: … | instance 8 | age 8 | applied 1 | pushed 1
  for (const std::size_t flag_from_end : {1U, 2U}) {
    auto bytes = good;
    bytes[bytes.size() - flag_from_end] = std::byte{2};
    EXPECT_FALSE(decode_state(bytes, kThen));
  }
  std::swap(state.members[0], state.members[1]);
  EXPECT_FALSE(decode_state(encoded(state), kThen));
  state.members[0] = state.members[1];
  EXPECT_FALSE(decode_state(encoded(state), kThen)) << "twice the same";
}

TEST(StateCodec, NodesAreOneTo255BytesLong) {
  EXPECT_FALSE(encode_state(state_of({1, 1}, {""}), kThen));
  EXPECT_TRUE(encode_state(state_of({1, 1}, {std::string(255, 'n')}), kThen));
  EXPECT_FALSE(encode_state(state_of({1, 1}, {std::string(256, 'n')}), kThen));
}

TEST(StateCodec, TakesTheLargestFleetAndNoLarger) {
  FleetState state = state_of({1, 1}, {}, kThen.boot);
  for (std::size_t i = 0; i < kStoredMembersMax; ++i) {
    std::string node(255, 'n');
    node.replace(0, 6, std::to_string(100'000 + i));
    state.members.push_back(member(node, kThen.boot));
    state.members.back().applied = KeyRing::Version{1, 1};
    state.members.back().next_pushed = kThen.boot;
  }
  for (std::size_t i = 0; i < kStoredDeparturesMax; ++i) {
    state.departed.push_back({std::string(255, 'd'), {}, kThen.boot});
  }
  const auto bytes = encoded(state);
  EXPECT_LE(bytes.size(), kStateBytesMax);
  const auto read = decode_state(bytes, kThen);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->members.size(), kStoredMembersMax);
  state.members.push_back(member("z", kThen.boot));
  EXPECT_FALSE(encode_state(state, kThen));
}

TEST(StateCodec, ARingWithoutNameKeyIsRefused) {
  EXPECT_FALSE(encode_state({}, kThen));
}

TEST(StateCodec, ReportsComeBackWithTheirByes) {
  std::vector<Report> reports{{member("b", kThen.boot - 2s), true},
                              {member("a", kThen.boot - 1s), false}};
  reports[1].member.applied = KeyRing::Version{3, 4};
  const auto bytes = encode_reports(reports, kThen);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto read = decode_reports(bytes->bytes(), later(500ms, 500ms));
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  EXPECT_TRUE((*read)[0].gone);
  EXPECT_EQ((*read)[0].member.node, "b");
  EXPECT_EQ((*read)[0].member.last_heard, kThen.boot - 2s);
  EXPECT_FALSE((*read)[1].gone);
  EXPECT_EQ((*read)[1].member.applied, (KeyRing::Version{3, 4}));
  for (std::size_t size = 0; size < bytes->size(); ++size) {
    EXPECT_FALSE(decode_reports(bytes->bytes().first(size), kThen)) << size;
  }
}

}  // namespace
}  // namespace usher::keyd::test
