#pragma once

#include <cstdint>
#include <vector>

struct uv_loop_s;
struct uv_poll_s;

namespace usher::uv {

class Poll;

// A loop's own epoll set, hung into libuv as one handle. libuv's uv_poll_t asks the kernel three
// times for a new descriptor and twice for each change of what is watched; here a change costs one
// epoll_ctl, made just before the loop waits, so that what is undone within a turn costs nothing
// (TLS 1.2 resumption spent 7 % of its CPU in epoll_ctl).
// Thread: the loop's. Owner: the loop. Internal to proxy/uv.
class Poller {
 public:
  explicit Poller(uv_loop_s* loop);
  ~Poller();
  Poller(const Poller&) = delete;

  std::uint32_t add(Poll& poll);    // a slot for it
  void changed(Poll& poll);         // it wants something else: at the next apply_changes()
  void forget(std::uint32_t slot);  // events still on their way find nobody
  void unregister(int fd);          // for a descriptor that lives on
  void apply_changes();             // before the loop waits
  bool empty() const { return open_ == 0; }
  void close();  // its libuv handle; the loop has not run out yet

 private:
  // Slots are used again; the generation in the kernel's event tells an old user's events.
  struct Slot {
    Poll* poll = nullptr;
    std::uint32_t generation = 0;
  };

  void dispatch();
  void apply(Poll& poll, std::uint32_t slot);

  int epoll_ = -1;
  uv_poll_s* handle_ = nullptr;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::uint64_t> changed_;  // keys, see key_of() in the source
  std::vector<std::uint64_t> applying_;
  std::size_t open_ = 0;
};

}  // namespace usher::uv
