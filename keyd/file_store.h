#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "keyd/state_file.h"
#include "keyd/store.h"
#include "keyd/stores.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/timer.h"

namespace usher::keyd {

// The state in one file of this machine, sealed; this keyd always leads, under a term one above the
// file's. That term is durable before anything of it can be pushed: the first save carries it.
// Saving blocks the loop until the disk has it (one small file): nothing may happen meanwhile that
// the state does not tell. Thread: the loop's. Owner: Daemon.
class FileStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(uv::Loop& loop, const std::string& path, StoreKey key,
                                             std::string fleet);
  // What open() would refuse, without lock and change.
  static Result<void> check(const std::string& path, const StoreKey& key, std::string_view fleet);

  void start(Events events) override;
  void save(const FleetState& state, Done done) override;
  void report(const Report& report, Done done) override;
  void stop(std::function<void()> done) override;
  bool up() const override { return last_save_worked_; }

 private:
  FileStore(uv::Loop& loop, StateFile file, StoreKey key, std::string fleet,
            std::optional<FleetState> state);

  void soon(std::function<void()> work);
  void on_soon();

  StateFile file_;
  const StoreKey key_;
  const std::string fleet_;
  std::optional<FleetState> initial_;
  std::uint64_t term_ = 1;
  Events events_;
  bool last_save_worked_ = true;
  std::deque<std::function<void()>> later_;  // callbacks, never from inside a member function
  uv::Timer soon_;
};

}  // namespace usher::keyd
