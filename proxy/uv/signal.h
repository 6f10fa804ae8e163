#pragma once

#include <functional>
#include <memory>

namespace usher::uv {

class Loop;

// Calls back on the loop when the process receives `number`; signals that come faster than the loop
// turns may be told once. Thread: the loop's. Owner: anyone; the callback may destroy it.
class Signal {
 public:
  Signal(Loop& loop, int number, std::function<void()> on_signal);
  ~Signal();
  Signal(const Signal&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace usher::uv
