#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proxy/metrics/registry.h"
#include "proxy/relay/access_log.h"
#include "proxy/server/admin_pages.h"
#include "proxy/server/cell_store.h"
#include "proxy/server/connection_limit.h"
#include "proxy/server/generation.h"
#include "proxy/server/key_source.h"
#include "proxy/server/loaded.h"
#include "proxy/server/rollout.h"
#include "proxy/server/server.h"
#include "proxy/server/session_caches.h"
#include "proxy/server/worker.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/mailbox.h"
#include "proxy/uv/signal.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// The process while it serves: main's loop, the workers, and what signals do to them. Filled step
// by step by serve(), in this order: bind (as root), then after the privilege drop load, open_files
// and run. Thread: main. Owner: serve().
class RunningServer {
 public:
  RunningServer(const config::Config& config, std::uint64_t connections_max);
  ~RunningServer();

  Result<void, config::Problems> bind(const config::Config& config);
  Result<Loaded, config::Problems> load(const config::Config& config,
                                        const tls::CredentialPtr& built_in);
  // Access log, ticket keys, workers.
  Result<void> open_files(const config::Config& config, const KeyInputs& keys);
  ExitCode run(GenerationPtr first, ServeOptions options);

 private:
  using LoadResult = Result<Loaded, config::Problems>;

  KeySource::Surroundings around_keys(const config::Config& config);
  Result<void> make_workers(unsigned count);
  Result<Rollout::Candidate> candidate(GenerationPtr generation,
                                       std::vector<BoundListener> sockets);
  void register_process_metrics();
  void on_rolled_out(Result<Rollout::Candidate> result);
  void adopt(Rollout::Candidate candidate);
  void free_old_generations();
  void announce_if_ready();
  void announce();

  void on_hangup();  // reload
  void reload();
  void on_loaded(LoadResult loaded, const std::vector<gid_t>& readers);
  void put_settings_in_force(const KeyInputs& keys);
  void end_reload(const Result<void, config::Problems>& result);
  void reload_again();
  void on_terminate();  // drain
  void begin_drain();
  void on_quit();  // stop now
  void on_reopen();
  void on_worker_stopped();

  uv::Loop loop_;
  uv::Mailbox mailbox_;
  std::vector<std::unique_ptr<uv::Signal>> signals_;
  uv::Timer drain_delay_;
  uv::Timer old_generations_timer_;
  std::vector<GenerationPtr> old_generations_;  // until only main holds them
  metrics::Registry registry_;
  KeySource keys_;
  metrics::Registry::Group process_rows_;
  metrics::Registry::Group generation_rows_;
  metrics::Cell reloads_ok_;
  metrics::Cell reloads_failed_;
  ConnectionLimit limit_;
  ServerStatus status_;
  CellStore cells_;
  SessionCaches sessions_;
  AdminPages pages_;
  std::unique_ptr<tls::LibraryContext>
      check_library_;   // for trial contexts; the loader's while it runs
  std::thread loader_;  // reads a reload's files; joined when its result arrives
  std::unique_ptr<relay::AccessSink> access_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Rollout rollout_;
  std::vector<BoundListener> first_sockets_;
  ServeOptions options_;
  std::size_t workers_running_ = 0;
  bool reload_again_ = false;  // SIGHUP while a reload was under way
  bool failed_ = false;
};

}  // namespace usher::server
