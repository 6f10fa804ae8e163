#pragma once

#include <chrono>
#include <functional>
#include <memory>

struct uv_loop_s;

namespace usher::uv {

// The loop's cached monotonic time (milliseconds, arbitrary zero): one clock read a turn.
using LoopTime = std::chrono::milliseconds;

class Poller;

// One event loop of one thread. Debug builds assert in every loop-bound class that the caller is
// the thread that runs it (or, before run(), the one that made it).
// Thread: the one that calls run(), stop() too; other threads post to a Mailbox.
// Owner: whoever made it. The destructor aborts, naming them, if handles are still open; else it
// runs the close callbacks and waits for look-ups in progress (as long as DNS lets them take).
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();   // returns after stop() or when nothing is left to wait for
  void stop();  // from a callback; the current turn ends first
  LoopTime now() const;
  void update_now();  // after long work before run(), or timers started then fire too early

  // Called once a turn, just before the loop waits for events, when no callback is running: where
  // retired objects are freed.
  void at_turn_start(std::function<void()> hook);
  // Runs `work` right after that hook, in order, without waiting for an event first; for what must
  // not run inside the current callback. What a work item defers waits for the next turn, so events
  // get theirs in between. Dropped, not run, when the loop is destroyed first.
  void defer(std::function<void()> work);

  uv_loop_s* raw();
  Poller& poller();
  void assert_thread() const;  // no-op in release builds

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::uv
