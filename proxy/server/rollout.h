#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/server/backend_watch.h"
#include "proxy/server/cell_store.h"
#include "proxy/server/generation.h"
#include "proxy/server/listening_sockets.h"
#include "proxy/server/session_caches.h"
#include "proxy/server/worker.h"
#include "proxy/uv/mailbox.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// Takes a checked generation to all workers: names are resolved, every worker makes its contexts,
// and only when all have them does each switch, in one step; a failure leaves all as they were.
// Start and reload alike. Thread: main's loop. Owner: the server.
class Rollout {
 public:
  struct Candidate {
    GenerationPtr generation;
    std::vector<BackendWatch::Ptr> backends;  // one per backend, started here
    std::vector<BoundListener> new_sockets;
  };
  using OnDone = std::function<void(Result<Candidate>)>;  // the candidate comes back, in force now

  Rollout(uv::Loop& loop, uv::Mailbox& main_mailbox, std::vector<std::unique_ptr<Worker>>& workers,
          CellStore& cells, SessionCaches& sessions);

  bool running() const { return on_done_ != nullptr; }
  void begin(Candidate candidate, OnDone on_done);
  // Ends a rollout under way, if any, without an outcome: the workers stay as they are.
  void abandon();
  void close();

 private:
  void on_first_answers();
  void prepare_workers();
  void on_prepared(const Result<void>& result);
  void commit();
  WorkerPlan plan_for(unsigned worker) const;

  uv::Mailbox& main_mailbox_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  CellStore& cells_;
  SessionCaches& sessions_;
  uv::Timer names_timer_;
  Candidate candidate_;
  OnDone on_done_;
  std::uint64_t number_ = 0;
  std::size_t unanswered_ = 0;
  std::size_t unprepared_ = 0;
  std::string failure_;
};

}  // namespace usher::server
