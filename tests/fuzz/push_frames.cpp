// Frames of the push protocol, cut into pieces of any size. What is read and written again is the
// same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/push/frames.h"

namespace {

using namespace usher;

// REFUSED is escaped when it is written; what else a frame says stays as it is.
void check_again(const push::Frame& frame, std::size_t& read) {
  const SecretBuffer again = push::encode(frame);
  push::FrameReader reader;
  const auto room = reader.room();
  CHECK(again.size() <= room.size());
  std::ranges::copy(again.bytes(), room.begin());
  reader.added(again.size());
  const auto twice = reader.next();
  CHECK(twice && *twice && (*twice)->index() == frame.index());
  if (const auto* hello = std::get_if<push::Hello>(&frame)) {
    const auto& other = std::get<push::Hello>(**twice);
    CHECK(other.node == hello->node && other.instance == hello->instance &&
          other.workers == hello->workers && push::is_node_name(hello->node));
  }
  ++read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) {
    return 0;
  }
  const std::size_t piece = 1 + data[0];
  ByteView rest = std::as_bytes(std::span(data + 1, size - 1));
  push::FrameReader reader;
  std::size_t read = 0;
  while (!rest.empty()) {
    const auto room = reader.room();
    CHECK(!room.empty());
    const std::size_t count = std::min({piece, room.size(), rest.size()});
    std::ranges::copy(rest.first(count), room.begin());
    reader.added(count);
    rest = rest.subspan(count);
    for (;;) {
      auto frame = reader.next();
      if (!frame) {
        CHECK(!frame.error().message.empty());
        return 0;
      }
      if (!*frame) {
        break;
      }
      check_again(**frame, read);
    }
  }
  CHECK(read <= size / 5);  // a frame has five bytes at least
  return 0;
}
