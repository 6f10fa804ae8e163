#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "proxy/base/byte_queue.h"
#include "proxy/base/socket_address.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/stream.h"

namespace usher::backend {

class Group;

// The buffers of a worker that links use within one call, never across turns.
struct Buffers {
  std::span<std::byte> receive;
  std::span<std::byte> plain;
};

enum class LinkFailure : std::uint8_t {
  kRefused,
  kTimeout,
  kUnreachable,
  kReset,
  kTls,
  kNoResources
};

// A connection to one server of a backend: TCP, and TLS inside it where the backend says so. It
// counts as a connection of its server from connect to destruction. Either idle in its group or
// used by one exchange, which may keep `requests`. Thread: the worker's. Owner: its user or the
// group.
class Link {
 public:
  // Who uses it. Every call comes from the link's own readiness or from the loop, never from inside
  // a call of Link or Group, and may destroy the link.
  class User {
   public:
    virtual void on_link_open() = 0;  // connected (and the server's certificate verified)
    virtual void on_link_failed(LinkFailure failure) = 0;  // while opening
    virtual void on_link_readable() = 0;                   // receive() has something or the end
    virtual void on_link_writable() = 0;                   // room() has grown
   protected:
    ~User() = default;
  };

  // kProgress: `got` is what came (in `buffers`, at most `most` bytes and a little); kEnded: a
  // clean end; kFailed: a reset, or with TLS a bad record or a FIN without close_notify.
  uv::IoResult receive(std::size_t most, ByteView& got);
  // Sends what the socket takes and keeps the rest: never blocks, takes all. kFailed: the sink is
  // gone; receive() may still have what the server said before.
  uv::IoResult send(ByteView bytes, uv::More more = uv::More::kNo);
  // Bytes that send() should be given now; 0 while too many wait.
  std::size_t room() const;
  std::size_t waiting_bytes() const;
  void shutdown_write();  // after what waits: a tunnel's half-close

  void read_on(bool wanted);  // whether on_link_readable() comes; true after opening
  void use(User& user);

  std::size_t server() const;  // index in the backend's configuration
  bool reused() const;         // has been idle in the group before
};

}  // namespace usher::backend
