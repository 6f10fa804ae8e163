#include "keyd/state_codec.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "keyd/fleet.h"
#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/base/wire.h"

namespace usher::keyd {
namespace {

using std::chrono::milliseconds;

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kHeadBytes = 1 + 8;
constexpr std::size_t kAppliedBytes = 8 + 8 + std::tuple_size_v<keyring::RingDigest>;
constexpr std::size_t kMemberBytesMax =
    1 + push::kNodeBytesMax + std::tuple_size_v<push::Instance> + 8 + 1 + kAppliedBytes + 1 + 8;
constexpr std::size_t kDepartureBytesMax =
    1 + push::kNodeBytesMax + std::tuple_size_v<push::Instance> + 8;
static_assert(kMembersMax <= kStoredMembersMax && kDepartedMax <= kStoredDeparturesMax);
static_assert(kHeadBytes + 2 + keyring::kRingBytesMax + 2 +
                  kStoredMembersMax * (1 + kMemberBytesMax) + 2 +
                  kStoredDeparturesMax * kDepartureBytesMax <=
              kStateBytesMax);

class Writer : public WireWriter {
 public:
  using WireWriter::WireWriter;

  void age(BootClock::time_point since, BootClock::time_point now) {
    const auto age = std::chrono::floor<milliseconds>(now - since);
    number(static_cast<std::uint64_t>(std::clamp(age, milliseconds(0), keyring::kAgeMax).count()));
  }
};

class Reader : public WireReader {
 public:
  using WireReader::WireReader;

  bool flag() {
    const auto value = number<std::uint8_t>();
    bad_flag_ = bad_flag_ || value > 1;
    return value == 1;
  }
  BootClock::time_point age(BootClock::time_point now) {
    const auto most = static_cast<std::uint64_t>(keyring::kAgeMax.count());
    return now - milliseconds(std::min(number<std::uint64_t>(), most));
  }
  // All that was read was there and made sense.
  bool sound() const { return WireReader::sound() && !bad_flag_; }
  bool complete() const { return sound() && empty(); }

 private:
  bool bad_flag_ = false;
};

std::size_t size_of(const Member& member) {
  return 1 + member.node.size() + member.instance.size() + 8 + 1 +
         (member.applied ? kAppliedBytes : 0) + 1 + (member.next_pushed ? 8 : 0);
}

std::size_t size_of(const Departure& departure) {
  return 1 + departure.node.size() + departure.instance.size() + 8;
}

template <class Of>  // Member, Departure
bool can_be_written(const Of& of) {
  return !of.node.empty() && of.node.size() <= push::kNodeBytesMax;
}

template <class Of>
void write_id(Writer& to, const Of& of) {
  to.number(static_cast<std::uint8_t>(of.node.size()));
  to.bytes(bytes_of(of.node));
  to.bytes(of.instance);
}

template <class Of>
void read_id(Reader& from, Of& of) {
  of.node = std::string(text_of(from.bytes(from.number<std::uint8_t>())));
  from.bytes(of.instance);
}

void write_member(Writer& to, const Member& member, BootClock::time_point now) {
  write_id(to, member);
  to.age(member.last_heard, now);
  to.number(static_cast<std::uint8_t>(member.applied ? 1 : 0));
  if (member.applied) {
    to.number(member.applied->term);
    to.number(member.applied->version);
    to.bytes(member.applied_digest);
  }
  to.number(static_cast<std::uint8_t>(member.next_pushed ? 1 : 0));
  if (member.next_pushed) {
    to.age(*member.next_pushed, now);
  }
}

Member read_member(Reader& from, BootClock::time_point now) {
  Member member;
  read_id(from, member);
  member.last_heard = from.age(now);
  if (from.flag()) {
    member.applied.emplace();
    member.applied->term = from.number<std::uint64_t>();
    member.applied->version = from.number<std::uint64_t>();
    from.bytes(member.applied_digest);
  }
  if (from.flag()) {
    member.next_pushed = from.age(now);
  }
  return member;
}

void write_head(Writer& to, Moment now) {
  to.number(kFormat);
  to.number(
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall.time_since_epoch().count())));
}

// Checks the format and answers when "age 0" was, on this machine's clock.
Result<BootClock::time_point> read_head(Reader& from, std::string_view what, Moment now) {
  if (const auto format = from.number<std::uint8_t>(); format != kFormat) {
    return fail(std::string(what) + ": format " + std::to_string(format) +
                "; this build knows format 1");
  }
  const auto latest =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall.time_since_epoch().count()));
  const std::uint64_t saved_at = std::min(from.number<std::uint64_t>(), latest);
  const auto most = static_cast<std::uint64_t>(keyring::kAgeMax.count());
  return now.boot - milliseconds(std::min(latest - saved_at, most));
}

auto order_of(const Member& member) {
  return std::tie(member.node, member.instance);
}

Result<void> read_members(Reader& from, std::vector<Member>& members, BootClock::time_point then) {
  const auto count = from.number<std::uint16_t>();
  for (std::size_t i = 0; i < count && from.sound(); ++i) {
    Member member = read_member(from, then);
    if (from.sound() && member.node.empty()) {
      return fail("fleet state: a member without a node");
    }
    if (!members.empty() && from.sound() && order_of(members.back()) >= order_of(member)) {
      return fail("fleet state: members out of order");
    }
    members.push_back(std::move(member));
  }
  return {};
}

Result<void> read_departed(Reader& from, std::vector<Departure>& departed,
                           BootClock::time_point then) {
  const auto count = from.number<std::uint16_t>();
  if (count > kStoredDeparturesMax) {
    return fail("fleet state: too many departures");
  }
  for (std::size_t i = 0; i < count && from.sound(); ++i) {
    Departure& departure = departed.emplace_back();
    read_id(from, departure);
    departure.at = from.age(then);
    if (from.sound() && departure.node.empty()) {
      return fail("fleet state: a departure without a node");
    }
  }
  return {};
}

}  // namespace

Moment moment_now() {
  return {BootClock::now(), std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
}

Result<SecretBuffer> encode_state(const FleetState& state, Moment now) {
  if (state.ring.name_key() == nullptr) {
    return fail("fleet state: the ring has no name key");
  }
  if (state.members.size() > kStoredMembersMax || state.departed.size() > kStoredDeparturesMax ||
      !std::ranges::all_of(state.members, can_be_written<Member>) ||
      !std::ranges::all_of(state.departed, can_be_written<Departure>)) {
    return fail("fleet state: more than " + std::to_string(kStoredMembersMax) +
                " members, or a node that is not 1-255 bytes long");
  }
  const SecretBuffer ring = keyring::encode_ring(state.ring, now.boot);
  std::size_t size = kHeadBytes + 2 + ring.size() + 2 + 2;
  for (const Departure& departure : state.departed) {
    size += size_of(departure);
  }
  for (const Member& member : state.members) {
    size += size_of(member);
  }
  SecretBuffer bytes(size);
  Writer to(bytes.bytes());
  write_head(to, now);
  to.number(static_cast<std::uint16_t>(ring.size()));
  to.bytes(ring.bytes());
  to.number(static_cast<std::uint16_t>(state.departed.size()));
  for (const Departure& departure : state.departed) {
    write_id(to, departure);
    to.age(departure.at, now.boot);
  }
  to.number(static_cast<std::uint16_t>(state.members.size()));
  for (const Member& member : state.members) {
    write_member(to, member, now.boot);
  }
  CHECK(to.full());
  return bytes;
}

Result<FleetState> decode_state(std::span<const std::byte> bytes, Moment now) {
  Reader from(bytes);
  const auto then = read_head(from, "fleet state", now);
  if (!then) {
    return fail(then.error().message);
  }
  const auto ring = from.bytes(from.number<std::uint16_t>());
  if (!from.sound()) {
    return fail("fleet state: cut off within the ring");
  }
  auto decoded = keyring::decode_ring(ring, *then);
  if (!decoded) {
    return fail("fleet state: " + decoded.error().message);
  }
  FleetState state{*std::move(decoded), {}};
  auto read = read_departed(from, state.departed, *then);
  if (read) {
    read = read_members(from, state.members, *then);
  }
  if (!read) {
    return Unexpected(std::move(read).error());
  }
  if (!from.complete()) {
    return fail("fleet state: cut off, longer than its members, or a flag that is neither 0 nor 1");
  }
  return state;
}

Result<SecretBuffer> encode_reports(const std::vector<Report>& reports, Moment now) {
  std::size_t size = kHeadBytes + 2;
  for (const Report& report : reports) {
    if (!can_be_written(report.member)) {
      return fail("reports: a node that is not 1-255 bytes long");
    }
    size += 1 + size_of(report.member);
  }
  if (reports.size() > kStoredMembersMax) {
    return fail("reports: of more than " + std::to_string(kStoredMembersMax) + " members");
  }
  SecretBuffer bytes(size);
  Writer to(bytes.bytes());
  write_head(to, now);
  to.number(static_cast<std::uint16_t>(reports.size()));
  for (const Report& report : reports) {
    to.number(static_cast<std::uint8_t>(report.gone ? 1 : 0));
    write_member(to, report.member, now.boot);
  }
  CHECK(to.full());
  return bytes;
}

Result<std::vector<Report>> decode_reports(std::span<const std::byte> bytes, Moment now) {
  Reader from(bytes);
  const auto then = read_head(from, "reports", now);
  if (!then) {
    return fail(then.error().message);
  }
  std::vector<Report> reports;
  const auto count = from.number<std::uint16_t>();
  for (std::size_t i = 0; i < count && from.sound(); ++i) {
    const bool gone = from.flag();
    reports.push_back({read_member(from, *then), gone});
    if (from.sound() && reports.back().member.node.empty()) {
      return fail("reports: a member without a node");
    }
  }
  if (!from.complete()) {
    return fail("reports: cut off, too long, or a flag that is neither 0 nor 1");
  }
  return reports;
}

}  // namespace usher::keyd
