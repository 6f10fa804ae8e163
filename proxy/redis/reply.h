#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace usher::redis {

// What the server answered, as RESP2 has it.
struct Reply {
  enum class Type : std::uint8_t {
    kNil = 1,
    kInteger = 2,
    kStatus = 4,
    kString = 8,
    kArray = 16,
    kError = 32,
  };

  Type type = Type::kNil;
  std::int64_t integer = 0;
  std::string text;  // of a status, string or error; any bytes
  std::vector<Reply> elements;

  bool is(Type other) const { return type == other; }
};

// What a command can answer. Bounds are held before memory is taken: a server that answers anything
// else is lying or broken, and its connection is closed. Errors are always possible.
struct Expected {
  std::uint8_t types = 0;  // of the outermost reply: Reply::Type values, added
  std::size_t bytes_max = 64 * std::size_t{1024};  // all text of the reply together
  std::size_t elements_max = 0;                    // of all its arrays together

  static constexpr Expected one_of(auto... types) {
    return {static_cast<std::uint8_t>((0 | ... | static_cast<int>(types)))};
  }
};

// How a command ended.
enum class Outcome : std::uint8_t {
  kReply,         // the server answered, and what it can answer
  kRefused,       // it answered an error: reply.text
  kMalformed,     // it answered what the command cannot have; the connection is closed
  kTimeout,       // no answer in time; the server may still carry it out
  kDisconnected,  // the connection broke first; the server may have carried it out
  kNotConnected,  // not sent: there is no connection now
  kFull,          // not sent: too many commands wait already
};

}  // namespace usher::redis
