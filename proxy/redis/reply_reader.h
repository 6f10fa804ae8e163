#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "proxy/base/bytes.h"
#include "proxy/redis/reply.h"

struct redisReader;

namespace usher::redis {

struct ReplyBudget;

// Cuts replies out of a stream that arrives in any pieces. hiredis 0.14's parser with our own
// objects: its own would allocate what a 13-byte reply announces (16 GB). What waits to be parsed
// is bounded by the reply that is expected. Thread: one. Owner: one connection.
class ReplyReader {
 public:
  enum class Status {
    kReply,
    kIncomplete,  // more bytes are needed
    kBroken,      // no RESP2, or more than was expected; problem() says what. For ever
  };

  ReplyReader();
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;

  void feed(ByteView bytes);
  // The same `expected` until this reply is whole.
  Status next(const Expected& expected, Reply& reply);
  bool has_leftover() const;  // bytes of a further reply
  const std::string& problem() const { return problem_; }

 private:
  bool between_replies() const;
  bool announces_too_much() const;
  Status broken(std::string problem);

  std::unique_ptr<ReplyBudget> budget_;
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  std::string problem_;
};

}  // namespace usher::redis
