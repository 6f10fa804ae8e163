#include "proxy/redis/breaker.h"

#include <algorithm>

namespace usher::redis {

Breaker::Token Breaker::admit(uv::LoopTime now) {
  if (state_ == State::kOpen && now >= open_until_) {
    enter(State::kHalfOpen, now);
    return era_;
  }
  return state_ == State::kClosed ? era_ : 0;
}

void Breaker::ended(Token token, bool answered, uv::LoopTime now, std::minstd_rand& random) {
  if (token != era_) {
    return;
  }
  if (answered) {
    failures_ = 0;
    if (state_ == State::kHalfOpen) {
      enter(State::kClosed, now);
    }
  } else if (state_ == State::kHalfOpen || ++failures_ >= options_.failures_max) {
    open(now, random);
  }
}

void Breaker::enter(State state, uv::LoopTime now) {
  state_ = state;
  ++era_;
  failures_ = 0;
  if (state == State::kClosed) {
    closed_since_ = now;
  }
}

// One that was closed for no longer than it had been open was closed too soon: it goes on doubling.
void Breaker::open(uv::LoopTime now, std::minstd_rand& random) {
  const bool relapse =
      state_ == State::kHalfOpen || (open_for_.count() > 0 && now - closed_since_ <= open_for_);
  open_for_ = relapse ? std::min(options_.open_max, open_for_ * 2) : options_.open_min;
  std::uniform_int_distribution<std::int64_t> second_half(open_for_.count() / 2, open_for_.count());
  open_until_ = now + std::chrono::milliseconds(second_half(random));
  enter(State::kOpen, now);
}

}  // namespace usher::redis
