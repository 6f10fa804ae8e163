#include "proxy/push/frames.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/base/wire.h"

namespace usher::push {
namespace {

constexpr std::size_t kLengthSize = 4;
constexpr std::size_t kHelloFixed = 2 + 8 + 2;  // protocol, instance, workers; the node follows
constexpr std::size_t kAppliedSize = 8 + 8 + 32;
constexpr std::size_t kRefusedBytesMax = 255;

static_assert(1 + keyring::kRingBytesMax <= kFrameBytesMax);

// The type's number is its place in Frame plus one.
enum class Type : std::uint8_t {
  kHello = 1,
  kRing = 2,
  kApplied = 3,
  kPull = 4,
  kPing = 5,
  kPong = 6,
  kBye = 7,
  kRefused = 8,
};
static_assert(std::variant_size_v<Frame> == 8);

// What a payload may weigh.
struct Shape {
  std::string_view name;
  std::size_t least;
  std::size_t most;
};
constexpr std::array<Shape, 8> kShapes{{
    {"HELLO", kHelloFixed + 1, kHelloFixed + kNodeBytesMax},
    {"RING", 1, keyring::kRingBytesMax},
    {"APPLIED", kAppliedSize, kAppliedSize},
    {"PULL", 0, 0},
    {"PING", 8, 8},
    {"PONG", 8, 8},
    {"BYE", 0, 0},
    {"REFUSED", 0, kRefusedBytesMax},
}};

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Non-printable bytes as \xNN, cut to what the frame may hold.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain = is_printable({&c, 1});
    const std::string part =
        plain ? std::string(1, c) : "\\x" + hex(std::as_bytes(std::span(&c, 1)));
    if (result.size() + part.size() > kRefusedBytesMax) {
      break;
    }
    result += part;
  }
  return result;
}

// The frame's bytes behind length and type: first their number, then themselves.
struct PayloadSize {
  std::size_t operator()(const Hello& hello) const { return kHelloFixed + hello.node.size(); }
  std::size_t operator()(const Ring& ring) const { return ring.bytes.size(); }
  std::size_t operator()(const Applied&) const { return kAppliedSize; }
  std::size_t operator()(const Pull&) const { return 0; }
  std::size_t operator()(const Ping&) const { return 8; }
  std::size_t operator()(const Pong&) const { return 8; }
  std::size_t operator()(const Bye&) const { return 0; }
  std::size_t operator()(const Refused& refused) const { return escaped(refused.why).size(); }
};

struct WritePayload {
  WireWriter& out;

  void operator()(const Hello& hello) const {
    CHECK(is_node_name(hello.node));
    out.number(hello.protocol);
    out.bytes(hello.instance);
    out.number(hello.workers);
    out.bytes(bytes_of(hello.node));
  }
  void operator()(const Ring& ring) const { out.bytes(ring.bytes.bytes()); }
  void operator()(const Applied& applied) const {
    out.number(applied.version.term);
    out.number(applied.version.version);
    out.bytes(applied.digest);
  }
  void operator()(const Pull&) const {}
  void operator()(const Ping& ping) const { out.number(ping.id); }
  void operator()(const Pong& pong) const { out.number(pong.id); }
  void operator()(const Bye&) const {}
  void operator()(const Refused& refused) const { out.bytes(bytes_of(escaped(refused.why))); }
};

Result<Frame> read_hello(WireReader in) {
  Hello hello;
  hello.protocol = in.number<std::uint16_t>();
  in.bytes(hello.instance);
  hello.workers = in.number<std::uint16_t>();
  hello.node = text_of(in.rest());
  if (!is_node_name(hello.node)) {
    return fail("HELLO: the node's name must be printable ASCII without spaces");
  }
  return Frame(std::move(hello));
}

Frame read_ring(WireReader in) {
  const ByteView bytes = in.rest();
  Ring ring{SecretBuffer(bytes.size())};
  std::ranges::copy(bytes, ring.bytes.bytes().begin());
  return Frame(std::move(ring));
}

Frame read_applied(WireReader in) {
  Applied applied;
  applied.version.term = in.number<std::uint64_t>();
  applied.version.version = in.number<std::uint64_t>();
  in.bytes(applied.digest);
  return Frame(applied);
}

Result<Frame> read_refused(WireReader in) {
  Refused refused{std::string(text_of(in.rest()))};
  if (!is_printable(refused.why)) {
    return fail("REFUSED: the reason must be printable ASCII");
  }
  return Frame(std::move(refused));
}

// The payload's size has been checked.
Result<Frame> read_frame(Type type, ByteView payload) {
  WireReader in(payload);
  switch (type) {
    case Type::kHello:
      return read_hello(in);
    case Type::kRing:
      return read_ring(in);
    case Type::kApplied:
      return read_applied(in);
    case Type::kPull:
      return Frame(Pull{});
    case Type::kPing:
      return Frame(Ping{in.number<std::uint64_t>()});
    case Type::kPong:
      return Frame(Pong{in.number<std::uint64_t>()});
    case Type::kBye:
      return Frame(Bye{});
    case Type::kRefused:
      return read_refused(in);
  }
  CHECK(false);
}

Result<void> check_length(std::size_t length) {
  if (length < 1 || length > kFrameBytesMax) {
    return fail("a frame of " + std::to_string(length) + " bytes; 1 to " +
                std::to_string(kFrameBytesMax) + " are allowed");
  }
  return {};
}

Result<void> check_shape(unsigned type, std::size_t payload) {
  if (type < 1 || type > kShapes.size()) {
    return fail("a frame of the unknown type " + std::to_string(type));
  }
  const Shape& shape = kShapes[type - 1];
  if (payload < shape.least || payload > shape.most) {
    return fail(std::string(shape.name) + " with a payload of " + std::to_string(payload) +
                " bytes");
  }
  return {};
}

}  // namespace

bool is_node_name(std::string_view text) {
  return !text.empty() && text.size() <= kNodeBytesMax && is_printable(text) &&
         text.find(' ') == std::string_view::npos;
}

SecretBuffer encode(const Frame& frame) {
  const std::size_t length = 1 + std::visit(PayloadSize{}, frame);
  CHECK(length <= kFrameBytesMax);
  SecretBuffer encoded(kLengthSize + length);
  WireWriter out(encoded.bytes());
  out.number(static_cast<std::uint32_t>(length));
  out.number(static_cast<std::uint8_t>(frame.index() + 1));
  std::visit(WritePayload{out}, frame);
  CHECK(out.full());
  return encoded;
}

std::span<std::byte> FrameReader::room() {
  const auto bytes = buffer_.bytes();
  if (begin_ > 0) {  // what is left of a frame moves to the front; nothing stays behind it
    std::memmove(bytes.data(), bytes.data() + begin_, end_ - begin_);
    wipe(bytes.subspan(end_ - begin_, begin_));
    end_ -= begin_;
    begin_ = 0;
  }
  return bytes.subspan(end_);
}

void FrameReader::added(std::size_t count) {
  CHECK(count <= buffer_.size() - end_);
  end_ += count;
}

Result<std::optional<Frame>> FrameReader::next() {
  const ByteView waiting = std::as_const(buffer_).bytes().subspan(begin_, end_ - begin_);
  if (waiting.size() < kLengthSize) {
    return std::optional<Frame>();
  }
  // As soon as it can be told: nobody waits for the rest of what is wrong already.
  const std::size_t length = WireReader(waiting).number<std::uint32_t>();
  if (auto allowed = check_length(length); !allowed) {
    return Unexpected(std::move(allowed).error());
  }
  if (waiting.size() == kLengthSize) {
    return std::optional<Frame>();
  }
  const auto type = std::to_integer<unsigned>(waiting[kLengthSize]);
  if (auto known = check_shape(type, length - 1); !known) {
    return Unexpected(std::move(known).error());
  }
  if (waiting.size() < kLengthSize + length) {
    return std::optional<Frame>();
  }
  auto frame =
      read_frame(static_cast<Type>(type), waiting.subspan(kLengthSize + 1).first(length - 1));
  wipe(buffer_.bytes().subspan(begin_, kLengthSize + length));
  begin_ += kLengthSize + length;
  if (!frame) {
    return Unexpected(std::move(frame).error());
  }
  return std::optional<Frame>(*std::move(frame));
}

}  // namespace usher::push
