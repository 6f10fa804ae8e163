#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/socket_address.h"
#include "proxy/base/unique_fd.h"
#include "proxy/uv/poll.h"

namespace usher::uv {

enum class IoStatus {
  kProgress,  // `count` bytes moved (≥ 1)
  kBlocked,   // nothing now; watch and try again
  kEnded,     // read only: the peer sent FIN
  kFailed,    // `error` holds errno (ECONNRESET, EPIPE, …)
};

// kFollows (MSG_MORE): something is written, shut down or closed soon, so what does not fill a
// segment may wait for it and leave in the same one.
enum class More : bool { kNo, kFollows };

struct IoResult {
  IoStatus status = IoStatus::kBlocked;
  std::size_t count = 0;
  int error = 0;
};

// A non-blocking stream socket (TCP or Unix) driven by readiness: reads and writes happen when
// asked for, so nothing is in flight when the owner gives up. libuv's own streams are not used
// because their writes cannot be cancelled at once (DESIGN §4). Thread: the loop's. Owner: one
// connection.
class Stream {
 public:
  // Takes an accepted, non-blocking socket; TCP_NODELAY is inherited from the listening one. False
  // when it cannot be polled: it is closed then.
  template <auto Method, class Owner>
  bool adopt(Loop& loop, UniqueFd fd, Owner& owner) {
    fd_ = std::move(fd);
    return poll_.open<Method>(loop, fd_.value(), owner) || abandon();
  }

  // Begins a TCP connect; writable (or failed) readiness follows, then connect_result() tells.
  // Returns errno, 0 when begun; not open after an error.
  template <auto Method, class Owner>
  int connect(Loop& loop, const SocketAddress& to, Owner& owner) {
    const int error = begin_connect(to);
    if (error != 0) {
      return error;
    }
    return poll_.open<Method>(loop, fd_.value(), owner) || abandon() ? 0 : ENOMEM;
  }
  int connect_result() const;  // SO_ERROR, which the kernel then forgets: 0 when connected
  bool connected() const;      // already, before any readiness

  bool is_quiet() const;  // nothing to read, neither bytes nor an end

  // Of nothing they move nothing (kBlocked).
  IoResult read(std::span<std::byte> into);
  IoResult write(ByteView bytes, More more = More::kNo);
  void push();            // sends what write(…, More::kFollows) left waiting
  void shutdown_write();  // FIN after what was written
  void watch(bool readable, bool writable, bool failures = false) {  // as Poll::watch()
    poll_.watch(readable, writable, failures);
  }

  void close();  // FIN (or RST if unread bytes wait); idempotent
  void reset();  // RST at once, so that the peer cannot take a cut-off stream for a whole one
  bool is_open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.value(); }
  int socket_error() const { return connect_result(); }
  SocketAddress local_address() const;

 private:
  int begin_connect(const SocketAddress& to);
  bool abandon();  // false

  UniqueFd fd_;
  Poll poll_;
};

}  // namespace usher::uv
