#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/redis/pipeline.h"

namespace {

using namespace usher::redis;

std::size_t bytes_of_reply(const Reply& reply) {
  std::size_t bytes = reply.text.size();
  for (const Reply& element : reply.elements) {
    bytes += bytes_of_reply(element);
  }
  return bytes;
}

std::size_t elements_of(const Reply& reply) {
  std::size_t elements = reply.elements.size();
  for (const Reply& element : reply.elements) {
    elements += elements_of(element);
  }
  return elements;
}

}  // namespace

// Whatever a server sends, in pieces of any size (the first byte chooses), to commands with narrow
// expectations: what is handed over was expected, and each command ends once.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  constexpr std::size_t kBytesMax = 1000;
  constexpr std::size_t kElementsMax = 20;
  constexpr int kCommands = 6;
  Pipeline pipeline;
  int ended = 0;
  for (int i = 0; i < kCommands; ++i) {
    const std::uint8_t types = i % 2 == 0 ? 31 : static_cast<std::uint8_t>(1U << (i % 5));
    OnReply on_reply = [&ended, types](Outcome outcome, const Reply& reply) {
      ++ended;
      if (outcome == Outcome::kReply) {
        CHECK((types & static_cast<int>(reply.type)) != 0);
        CHECK(bytes_of_reply(reply) <= kBytesMax + kElementsMax * 4096 &&
              elements_of(reply) <= kElementsMax);
      }
      CHECK((outcome == Outcome::kRefused) == reply.is(Reply::Type::kError));
    };
    constexpr std::string_view kName = "GET";
    CHECK(pipeline.add({&kName, 1}, {types, kBytesMax, kElementsMax}, {}, {}, on_reply));
  }
  const std::size_t piece = std::size_t{data[0]} + 1;
  for (std::size_t at = 1; at < size && pipeline.problem().empty(); at += piece) {
    const std::size_t count = std::min(piece, size - at);
    pipeline.received({reinterpret_cast<const std::byte*>(data + at), count}, {});
    while (auto command = pipeline.answered()) {
      command->on_reply(command->outcome, std::move(command->reply));
    }
  }
  for (Pipeline::Ended& command : pipeline.disconnected()) {
    command.on_reply(command.outcome, {});
  }
  CHECK(ended == kCommands);
  return 0;
}
