#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/keyring/ring_codec.h"

// The push protocol between usher and usher-keyd, version 1: keyd/PROTOCOL.md, field by field.
namespace usher::push {

inline constexpr std::uint16_t kProtocol = 1;
inline constexpr std::size_t kNodeBytesMax = 255;
inline constexpr std::size_t kFrameBytesMax = 8192;  // type and payload; the largest is a full RING

// Random per process start: tells a restarted proxy from its twin.
using Instance = std::array<std::byte, 8>;

// A frame: length 4 (of what follows, big-endian) | type 1 | payload.
struct Hello {  // proxy → keyd, first: protocol 2 | instance 8 | workers 2 | node (the rest, 1-255)
  std::uint16_t protocol = kProtocol;
  Instance instance{};
  std::uint16_t workers = 0;
  std::string node;
};
struct Ring {  // keyd → proxy: the whole ring, ring_codec.h
  SecretBuffer bytes;
};
struct Applied {  // proxy → keyd: every worker reads it. term 8 | version 8 | digest 32
  keyring::KeyRing::Version version;
  keyring::RingDigest digest{};
};
struct Pull {};  // proxy → keyd: send the ring again (a client showed a future key name)
struct Ping {    // either way: 8 bytes, answered by the same in a PONG
  std::uint64_t id = 0;
};
struct Pong {
  std::uint64_t id = 0;
};
struct Bye {};    // proxy → keyd: leaves the fleet; keyd → proxy: closing on purpose
struct Refused {  // keyd → proxy, last: why (printable ASCII, ≤ 255 bytes)
  std::string why;
};
using Frame = std::variant<Hello, Ring, Applied, Pull, Ping, Pong, Bye, Refused>;

// A name that HELLO can carry: 1-255 bytes of printable ASCII without spaces. For configuration.
bool is_node_name(std::string_view text);

// The frame with its length, in wiped memory. A HELLO's node must be a node name and a RING no
// longer than kRingBytesMax; REFUSED is escaped and cut.
SecretBuffer encode(const Frame& frame);

// Cuts frames out of a stream that arrives in any pieces. Memory: one frame, wiped. After an error
// the stream is of no more use. Thread: one. Owner: one channel.
class FrameReader {
 public:
  // Where the next bytes of the stream may be written, and how many were. There is room whenever
  // next() has said that it needs more.
  std::span<std::byte> room();
  void added(std::size_t count);
  // The next whole frame; nullopt: more bytes are needed. Errors say what is wrong with the frame
  // (never its bytes), as soon as that can be told.
  Result<std::optional<Frame>> next();

 private:
  SecretBuffer buffer_{4 + kFrameBytesMax};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace usher::push
