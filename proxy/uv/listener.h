#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "proxy/base/result.h"
#include "proxy/base/socket_address.h"
#include "proxy/base/unique_fd.h"
#include "proxy/uv/poll.h"
#include "proxy/uv/timer.h"

namespace usher::uv {

// Whether other sockets of this user may listen on the same port (SO_REUSEPORT: every worker has
// its own), or nobody: then a second process is told so instead of getting half of the clients.
enum class Port : bool { kExclusive, kShared };

// A listening TCP socket: SO_REUSEADDR, v6only, non-blocking. Backlog in connections. Errors name
// the address and what to do.
Result<UniqueFd> listen_tcp(const SocketAddress& address, int backlog, Port port = Port::kShared);
// The address that a socket is bound to (port 0 made concrete).
SocketAddress bound_address(int fd);

// Accepts from one listening socket (TCP or Unix) with accept4, at most 32 a turn; uv_listen is not
// used because it accepts and closes the backlog when descriptors run out, and cannot pause (DESIGN
// §3). Thread: the loop's. Owner: a worker or the admin server; callbacks may pause, resume or
// close it, not destroy it.
class Listener {
 public:
  // Called for each accepted socket (non-blocking, close-on-exec) with the peer's address.
  using OnAccept = std::function<void(UniqueFd, const SocketAddress&)>;
  // Called when accepting stopped for want of descriptors, memory or admission, and when it goes on
  // or the listener closes.
  using OnStarved = std::function<void(bool starved)>;

  Listener(Loop& loop, UniqueFd socket, OnAccept on_accept, OnStarved on_starved);
  ~Listener();
  Listener(const Listener&) = delete;

  // Asked before each accept; while it says no the listener is starved (limit reached): queued
  // clients stay queued, and it looks again after 100 ms or at resume(). drain_and_close() does not
  // ask.
  void admit_while(std::function<bool()> may_accept) { may_accept_ = std::move(may_accept); }

  // pause() lasts until resume(). Starvation (EMFILE, ENFILE, ENOBUFS, ENOMEM, anything else that
  // would come back at once) pauses by itself, until resume() or for 100 ms. Both are idempotent.
  void pause();
  void resume();

  // Accepts until the queue is empty, paused or not, then closes: nobody who was already queued is
  // reset (DESIGN §4), unless descriptors run out.
  void drain_and_close();
  void close();

 private:
  void on_ready(Ready ready);
  void on_retry();
  void watch();
  bool accept_one();  // false: the queue is empty or descriptors ran out
  void set_starved(bool starved);

  UniqueFd socket_;
  OnAccept on_accept_;
  OnStarved on_starved_;
  std::function<bool()> may_accept_;
  Poll poll_;
  Timer retry_;
  bool paused_ = false;
  bool starved_ = false;
};

}  // namespace usher::uv
