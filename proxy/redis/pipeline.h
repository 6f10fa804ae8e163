#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/base/byte_queue.h"
#include "proxy/redis/reply.h"
#include "proxy/redis/reply_reader.h"
#include "proxy/uv/loop.h"

namespace usher::redis {

// Called once for each command, from the loop. `reply` is set for kReply and kRefused.
using OnReply = std::function<void(Outcome outcome, Reply reply)>;
using Arguments = std::span<const std::string_view>;

// The commands of one connection in order, and the bytes either way; no I/O. A command whose time
// ran out keeps its place, so that its late reply is not taken for the next one's.
// Thread: one. Owner: Connection.
class Pipeline {
 public:
  static constexpr std::size_t kCommandsMax = 4096;
  static constexpr std::size_t kOutputBytesMax = 8 * std::size_t{1024 * 1024};

  struct Ended {
    OnReply on_reply;
    Outcome outcome;
    Reply reply;
  };

  // False, and nothing is taken, when too much waits.
  bool add(Arguments arguments, Expected expected, uv::LoopTime now, uv::LoopTime deadline,
           OnReply& on_reply);
  ByteView output() const { return output_.view(); }
  void sent(std::size_t bytes) { output_.consume(bytes); }

  void received(ByteView bytes, uv::LoopTime now);
  // The next command that was answered; call until there is none. One that ended as kMalformed ends
  // the connection.
  std::optional<Ended> answered();
  // The commands whose time ran out.
  std::deque<Ended> expired(uv::LoopTime now);
  // The connection is gone: every command that still waits, in order; empty afterwards.
  std::deque<Ended> disconnected();

  std::size_t waiting() const { return waiting_.size(); }  // owed, also those that have ended
  std::optional<uv::LoopTime> next_deadline() const;
  // Since when the server owes a whole answer; bytes of one do not count, or a server that sends
  // one byte at a time would be waited for without end.
  std::optional<uv::LoopTime> silent_since() const;
  // Not empty: what came is no reply, or one to no command. The connection is of no more use.
  const std::string& problem() const { return problem_; }

 private:
  struct Waiting {
    Expected expected;
    uv::LoopTime added;
    uv::LoopTime deadline;
    OnReply on_reply;  // null: it has ended, only its reply is still to come
  };

  ByteQueue output_;
  ReplyReader reader_;
  std::deque<Waiting> waiting_;
  uv::LoopTime last_received_{};
  uv::LoopTime last_answered_{};
  std::string problem_;
};

}  // namespace usher::redis
