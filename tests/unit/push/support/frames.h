#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/push/frames.h"

// Frames to send and compare.
namespace usher::push::test {

inline constexpr Instance kInstance{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                                    std::byte{5}, std::byte{6}, std::byte{7}, std::byte{8}};
inline const keyring::RingDigest kDigest = [] {
  keyring::RingDigest digest;
  digest.fill(std::byte{0xd1});
  return digest;
}();

inline Ring ring(std::string_view bytes) {
  Ring made{SecretBuffer(bytes.size())};
  std::ranges::copy(bytes_of(bytes), made.bytes.bytes().begin());
  return made;
}

template <class... Frames>
std::vector<Frame> list(Frames&&... frames) {
  std::vector<Frame> all;
  (all.emplace_back(std::forward<Frames>(frames)), ...);
  return all;
}

inline std::vector<Frame> every_frame() {
  return list(Hello{1, kInstance, 4, "proxy-1.example"}, ring("ring bytes"),
              Applied{{1, 2}, kDigest}, Pull{}, Ping{7}, Pong{8}, Bye{}, Refused{"no such node"});
}

inline std::string hex_of(const Frame& frame) {
  return hex(encode(frame).bytes());
}

inline void feed(FrameReader& reader, ByteView bytes) {
  const auto room = reader.room();
  CHECK(bytes.size() <= room.size());
  std::ranges::copy(bytes, room.begin());
  reader.added(bytes.size());
}

// Length and type by hand, for frames that encode() would not make.
inline std::string raw_frame(std::uint32_t length, int type, std::string_view payload = "") {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(length >> shift & 0xff);
  }
  return bytes + static_cast<char>(type) + std::string(payload);
}

// The reason as it arrives.
inline std::string read_back(const Refused& refused) {
  FrameReader reader;
  feed(reader, encode(refused).bytes());
  auto read = reader.next();
  CHECK(read && read->has_value());
  return std::get<Refused>(**read).why;
}

}  // namespace usher::push::test
