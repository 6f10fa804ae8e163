#include "proxy/redis/pipeline.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace usher::redis {
namespace {

// "*3\r\n", "$5\r\n": a type and how many follow.
void append_count(ByteQueue& output, char type, std::size_t count) {
  std::array<char, 32> text{type};
  char* end = std::to_chars(text.data() + 1, text.data() + text.size() - 2, count).ptr;
  *end++ = '\r';
  *end++ = '\n';
  output.append(bytes_of(std::string_view(text.data(), end)));
}

// A command is an array of bulk strings.
void append_command(ByteQueue& output, Arguments arguments) {
  append_count(output, '*', arguments.size());
  for (const std::string_view argument : arguments) {
    append_count(output, '$', argument.size());
    output.append(bytes_of(argument));
    output.append(bytes_of("\r\n"));
  }
}

std::size_t bytes_in(Arguments arguments) {
  std::size_t bytes = 0;
  for (const std::string_view argument : arguments) {
    bytes += argument.size();
  }
  return bytes;
}

}  // namespace

bool Pipeline::add(Arguments arguments, Expected expected, uv::LoopTime now, uv::LoopTime deadline,
                   OnReply& on_reply) {
  if (waiting_.size() >= kCommandsMax || output_.size() + bytes_in(arguments) > kOutputBytesMax) {
    return false;
  }
  append_command(output_, arguments);
  waiting_.push_back({expected, now, deadline, std::move(on_reply)});
  return true;
}

void Pipeline::received(ByteView bytes, uv::LoopTime now) {
  reader_.feed(bytes);
  last_received_ = now;
}

std::optional<Pipeline::Ended> Pipeline::answered() {
  while (!waiting_.empty() && problem_.empty()) {
    Waiting& front = waiting_.front();
    Ended ended{nullptr, Outcome::kReply, {}};
    switch (reader_.next(front.expected, ended.reply)) {
      case ReplyReader::Status::kIncomplete:
        return std::nullopt;
      case ReplyReader::Status::kBroken:
        problem_ = reader_.problem();
        ended.outcome = Outcome::kMalformed;
        break;
      case ReplyReader::Status::kReply:
        ended.outcome = ended.reply.is(Reply::Type::kError) ? Outcome::kRefused : Outcome::kReply;
        break;
    }
    ended.on_reply = std::move(front.on_reply);
    waiting_.pop_front();
    last_answered_ = last_received_;
    if (ended.on_reply) {
      return ended;
    }
  }
  if (waiting_.empty() && problem_.empty() && reader_.has_leftover()) {
    problem_ = "a reply to no command";
  }
  return std::nullopt;
}

std::deque<Pipeline::Ended> Pipeline::expired(uv::LoopTime now) {
  std::deque<Ended> late;
  for (Waiting& waiting : waiting_) {
    if (waiting.on_reply && waiting.deadline <= now) {
      late.push_back({std::exchange(waiting.on_reply, nullptr), Outcome::kTimeout, {}});
    }
  }
  return late;
}

std::deque<Pipeline::Ended> Pipeline::disconnected() {
  std::deque<Ended> all;
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (waiting.on_reply) {
      all.push_back({std::move(waiting.on_reply), Outcome::kDisconnected, {}});
    }
  }
  return all;
}

std::optional<uv::LoopTime> Pipeline::next_deadline() const {
  std::optional<uv::LoopTime> next;
  for (const Waiting& waiting : waiting_) {
    if (waiting.on_reply && (!next || waiting.deadline < *next)) {
      next = waiting.deadline;
    }
  }
  return next;
}

std::optional<uv::LoopTime> Pipeline::silent_since() const {
  if (waiting_.empty()) {
    return std::nullopt;
  }
  return std::max(waiting_.front().added, last_answered_);
}

}  // namespace usher::redis
