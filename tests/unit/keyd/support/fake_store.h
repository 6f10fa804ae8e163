#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "keyd/store.h"

// A store of which the test is the disk: it answers when the test says.
namespace usher::keyd::test {

class FakeStore final : public Store {
 public:
  struct Saving {
    FleetState state;
    Done done;
  };
  struct Reporting {
    Report report;
    Done done;
  };
  // Outlives the store, which the daemon owns.
  struct Ledger {
    Events events;
    std::deque<Saving> saves;        // asked for, not answered
    std::deque<Reporting> reports;   // the same
    std::optional<FleetState> last;  // answered with success
    std::size_t saves_asked = 0;
    bool may_push = true;
    std::function<void()> stopped;  // answers stop()

    // Answers the oldest.
    void saved(Result<void> result = {}) {
      Saving saving = std::move(saves.front());
      saves.pop_front();
      if (result) {
        last = saving.state;
      }
      saving.done(std::move(result));
    }
    const FleetState& last_saved() const { return *last; }
    void save_all() {
      while (!saves.empty()) {
        saved();
      }
    }
    void reported(Result<void> result = {}) {
      Reporting reporting = std::move(reports.front());
      reports.pop_front();
      reporting.done(std::move(result));
    }
    void report_all() {
      while (!reports.empty()) {
        reported();
      }
    }
  };

  explicit FakeStore(Ledger& ledger) : ledger_(ledger) {}

  void start(Events events) override { ledger_.events = std::move(events); }
  void save(const FleetState& state, Done done) override {
    ++ledger_.saves_asked;
    ledger_.saves.push_back({state, std::move(done)});
  }
  void report(const Report& report, Done done) override {
    ledger_.reports.push_back({report, std::move(done)});
  }
  void stop(std::function<void()> done) override { ledger_.stopped = std::move(done); }
  bool up() const override { return true; }
  bool may_push() const override { return ledger_.may_push; }

 private:
  Ledger& ledger_;
};

}  // namespace usher::keyd::test
