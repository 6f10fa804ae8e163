#pragma once

#include <chrono>
#include <span>
#include <string>

#include "proxy/base/bytes.h"
#include "proxy/base/result.h"
#include "proxy/base/unique_fd.h"

namespace usher::ctl {

// A connected Unix stream socket on which every step waits, until one deadline for them all.
// Thread: one. Owner: ControlClient, for one request.
class SocketStream {
 public:
  using Clock = std::chrono::steady_clock;

  // Errors say what is wrong with the socket at `path` and what to do.
  static Result<SocketStream> connect(const std::string& path, Clock::time_point deadline);
  // Whether a process listens at `path` now, be it one that does not answer.
  static bool has_listener(const std::string& path);

  Result<void> write(ByteView bytes);                   // all of them
  Result<std::size_t> read(std::span<std::byte> into);  // ≥ 1; 0: the peer ended the stream

 private:
  SocketStream(UniqueFd fd, std::string path, Clock::time_point deadline)
      : fd_(std::move(fd)), path_(std::move(path)), deadline_(deadline) {}

  Result<void> wait(short events);

  UniqueFd fd_;
  std::string path_;  // as messages show it
  Clock::time_point deadline_;
};

}  // namespace usher::ctl
