#include "proxy/admin/secret_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace usher::admin {
namespace {

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

TEST(SecretQueue, FirstInFirstOutInAnyPieces) {
  for (const std::size_t piece : {1u, 7u, 1000u, 5000u}) {
    SecretQueue queue;
    std::string in;
    std::string out;
    for (int i = 0; in.size() < 20'000; ++i) {
      const std::string next(1 + (i * 37u) % piece, static_cast<char>('a' + i % 26));
      in += next;
      queue.append(bytes_of(next));
      const std::size_t taken = std::min(queue.size(), (i * 53u) % (piece + 1));
      out += text_of(queue.view().first(taken));
      queue.consume(taken);
    }
    out += text_of(queue.view());
    EXPECT_EQ(out, in) << piece;
  }
}

TEST(SecretQueue, ConsumedBytesAreWiped) {
  SecretQueue queue;
  queue.append(bytes_of("secret, kept"));
  const ByteView memory = queue.view();
  queue.consume(6);
  EXPECT_TRUE(all_zero(memory.first(6)));
  EXPECT_EQ(text_of(queue.view()), ", kept");
  queue.consume(6);
  EXPECT_TRUE(all_zero(memory));
}

TEST(SecretQueue, AlwaysHasRoom) {
  SecretQueue queue;
  for (int i = 0; i < 100; ++i) {
    EXPECT_GE(queue.room().size(), 1024u);
    queue.added(1000);
    EXPECT_EQ(queue.size(), 1000u * (i + 1));
  }
  queue.release();
  EXPECT_TRUE(queue.empty());
  EXPECT_GE(queue.room().size(), 1024u);
}

// A queue that is emptied as fast as it is filled never grows.
TEST(SecretQueue, StaysSmallWhenEmptied) {
  SecretQueue queue;
  const std::size_t first = queue.room().size();
  for (int i = 0; i < 1000; ++i) {
    const std::span<std::byte> room = queue.room();
    EXPECT_LE(room.size(), first);
    queue.added(room.size());
    queue.consume(room.size());
  }
}

}  // namespace
}  // namespace usher::admin
