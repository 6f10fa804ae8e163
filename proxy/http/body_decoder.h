#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/http/message.h"

namespace usher::http {

// Finds the content in the bytes behind an HTTP/1 head. Strict about chunks (RFC 9112 §7.1): hex
// digits at most 16, CRLF only, extensions checked, dropped and bounded, trailers bounded. Holds
// only what is cut off inside a chunk-size or trailer line. Thread: one. Owner: an exchange.
class BodyDecoder {
 public:
  enum class Status : std::uint8_t {
    kContent,  // `content` has some; call again with the rest, even if that is nothing
    kMore,     // all bytes are taken, more must come
    kEnd,      // the message is whole; trailers() has what came after the chunks
    kBroken,
  };
  struct Step {
    Status status = Status::kMore;
    std::size_t taken = 0;  // bytes of the input that are done with
    ByteView content;       // inside the input
  };

  void begin(const Body& body);  // kNone: at its end at once; kTunnel: as kUntilClose
  Step decode(ByteView bytes);
  // The peer's bytes have ended: whole only for kUntilClose (and what is at its end already).
  bool may_end_here() const;
  bool ended() const { return state_ == State::kEnded; }
  // Fields of the trailer section, without those that frame, route or authenticate (RFC 9110
  // §6.5.1); views live until the decoder begins anew.
  const std::vector<Field>& trailers() const { return trailers_; }

 private:
  enum class State : std::uint8_t {
    kEnded,
    kLength,
    kUntilClose,
    kChunkLine,
    kChunkData,
    kChunkDataEnd,
    kTrailers,
    kBroken,
  };
  Step decode_one(ByteView bytes);
  Step take_content(ByteView bytes, State next);
  Step take_line(ByteView bytes);
  bool end_line(std::string_view line);
  Step take_trailers(ByteView bytes);
  Step broken();

  State state_ = State::kEnded;
  std::uint64_t left_ = 0;  // of the content or chunk
  std::string line_;        // a line in pieces; the trailer section
  std::vector<Field> trailers_;
};

}  // namespace usher::http
