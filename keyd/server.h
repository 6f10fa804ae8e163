#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "keyd/daemon.h"
#include "keyd/loaded.h"
#include "keyd/pages.h"
#include "keyd/serve.h"
#include "proxy/admin/entrances.h"
#include "proxy/uv/signal.h"

namespace usher::keyd {

// The process while it serves: one loop, and what signals do to it. Filled step by step by serve():
// open, then run. Thread: main. Owner: serve().
class Server {
 public:
  Server(const Config& config, uv::Loop& loop, std::unique_ptr<Store> store);
  ~Server();

  Result<void> open(Loaded loaded);  // binds everything
  void run();                        // until a signal ends it

 private:
  void register_rows();
  void reload();
  Result<void> load_again();
  void warn_of_restart(const Config& next) const;
  void stop();

  Config config_;
  uv::Loop& loop_;
  metrics::Registry registry_;
  Journal journal_;
  Daemon daemon_;
  ProcessStatus status_;
  Pages pages_;
  admin::Entrances entrances_;
  std::vector<std::unique_ptr<uv::Signal>> signals_;
  metrics::Registry::Group rows_;
};

}  // namespace usher::keyd
