#include <cstddef>
#include <cstdint>

#include "proxy/admin/http_message.h"
#include "proxy/base/check.h"

namespace {

using namespace usher;
using Status = admin::RequestReader::Status;

struct Outcome {
  int complete = 0;
  bool refused = false;
  std::size_t left = 0;
  bool operator==(const Outcome&) const = default;
};

// Everything from `bytes`, appended in pieces of `piece` bytes.
Outcome read_all(ByteView bytes, std::size_t piece) {
  admin::RequestReader reader(admin::Access::kChange);
  admin::SecretQueue input;
  Outcome outcome;
  while (!bytes.empty()) {
    input.append(bytes.first(std::min(piece, bytes.size())));
    bytes = bytes.subspan(std::min(piece, bytes.size()));
    for (Status status = reader.read(input); status != Status::kIncomplete;
         status = reader.read(input)) {
      if (status == Status::kRefused) {
        outcome.refused = true;
        return outcome;
      }
      if (status == Status::kComplete) {
        ++outcome.complete;
        CHECK(reader.request().path.starts_with('/'));
        CHECK(reader.request().body.size() <= 64 * 1024);
        reader.next();
      }
    }
    CHECK(input.size() <= 64 * 1024 + 16 * 1024 + piece);
  }
  outcome.left = input.size();
  return outcome;
}

}  // namespace

// The admin server's request reader keeps its bounds, and how the bytes are cut changes nothing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  const Outcome whole = read_all(bytes, size + 1);
  CHECK(read_all(bytes, 1) == whole);
  CHECK(read_all(bytes, 7) == whole);
  return 0;
}
