#pragma once

#include <functional>
#include <memory>

namespace usher::uv {

class Loop;

// Work for a loop from any thread, run there in order, never inside post(). Nothing runs after
// close(): what still waits or comes later is dropped, so work may name what the owner owns.
// Thread: post() any; the rest the loop's.
// Owner: the loop's owner; outlives every thread that posts. Work may destroy it.
class Mailbox {
 public:
  explicit Mailbox(Loop& loop);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;

  void post(std::function<void()> work);
  void close();  // idempotent

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace usher::uv
