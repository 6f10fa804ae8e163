#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "proxy/server/ring_in_force.h"

namespace usher::server::test {

// Workers without threads: each reads the snapshot when it is told to, or, once held, when the test
// lets it.
class FakeWorkers {
 public:
  FakeWorkers(const Snapshot<keyring::KeyRing>& rings, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      workers_.push_back(std::make_unique<Worker>(rings));
    }
  }

  std::vector<TakeRing> takes() {
    std::vector<TakeRing> takes;
    for (const auto& worker : workers_) {
      takes.push_back([&own = *worker](auto on_taken) {
        own.told.push_back(std::move(on_taken));
        if (!own.held) {
          own.answer();
        }
      });
    }
    return takes;
  }

  void hold(std::size_t worker) { workers_[worker]->held = true; }
  void release(std::size_t worker) {
    workers_[worker]->held = false;
    workers_[worker]->answer();
  }

 private:
  struct Worker {
    explicit Worker(const Snapshot<keyring::KeyRing>& rings) : reader(rings) {}
    void answer() {
      for (; !told.empty(); told.pop_front()) {
        told.front()(reader.current().version());
      }
    }
    Snapshot<keyring::KeyRing>::Reader reader;
    std::deque<std::function<void(keyring::KeyRing::Version)>> told;
    bool held = false;
  };
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace usher::server::test
