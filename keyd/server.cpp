#include "keyd/server.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "keyd/store_key.h"
#include "proxy/base/log.h"
#include "proxy/base/process.h"

namespace usher::keyd {

Server::Server(const Config& config, uv::Loop& loop, std::unique_ptr<Store> store)
    : config_(config),
      loop_(loop),
      journal_(registry_),
      daemon_(loop, std::move(store), policy_of(config.rotation), journal_),
      pages_(daemon_, registry_, status_, {[this] { reload(); }, [this] { stop(); }}),
      entrances_(loop),
      rows_(registry_.group()) {
  status_.config = config.path;
  status_.fleet = config.keyd.fleet;
  status_.started = std::chrono::system_clock::now();
  register_rows();
}

Server::~Server() = default;

Result<void> Server::open(Loaded loaded) {
  daemon_.publisher().configure(std::move(loaded.admission), std::move(loaded.tls));
  entrances_.set_readers(std::move(loaded.readers));
  auto opened = entrances_.open(config_.keyd.admin, config_.keyd.socket, ::geteuid());
  if (opened) {
    opened = daemon_.publisher().open(config_.keyd.listen);
  }
  return opened ? std::move(opened)
                : Unexpected(std::move(opened).error().within(config_.keyd.place.to_string()));
}

void Server::run() {
  const std::pair<int, void (Server::*)()> kSignals[] = {{SIGHUP, &Server::reload},
                                                         {SIGTERM, &Server::stop},
                                                         {SIGQUIT, &Server::stop},
                                                         {SIGINT, &Server::stop}};
  for (const auto& [number, method] : kSignals) {
    signals_.push_back(
        std::make_unique<uv::Signal>(loop_, number, [this, call = method] { (this->*call)(); }));
  }
  release_signals();
  entrances_.serve([this](admin::Request& request, const admin::HttpServer::Answer& answer) {
    pages_.respond(request, answer);
  });
  daemon_.start();
  loop_.run();
  hold_signals();  // a second SIGTERM must not turn a clean end into a killed process
  signals_.clear();
}

void Server::register_rows() {
  rows_.add(metrics::kKeydRingVersion, {}, [this] {
    return daemon_.ring() == nullptr ? 0.0 : static_cast<double>(daemon_.ring()->version().version);
  });
  rows_.add(metrics::kKeydRingTerm, {}, [this] {
    return daemon_.ring() == nullptr ? 0.0 : static_cast<double>(daemon_.ring()->version().term);
  });
  for (const bool current : {true, false}) {
    rows_.add(metrics::kKeydMembers, {current ? "current" : "behind"}, [this, current] {
      double count = 0;
      for (const Daemon::Seen& seen : daemon_.members()) {
        count += seen.current == current ? 1 : 0;
      }
      return count;
    });
  }
  rows_.add(metrics::kKeydPromotionHeld, {}, [this] {
    const auto held = daemon_.held();
    return held ? std::chrono::duration<double>(BootClock::now() - held->since).count() : 0.0;
  });
  rows_.add(metrics::kKeydLeader, {},
            [this] { return daemon_.role() == Daemon::Role::kLeading ? 1.0 : 0.0; });
  rows_.add(metrics::kKeydStoreUp, {}, [this] { return daemon_.store_up() ? 1.0 : 0.0; });
  for (std::size_t reason = 0; reason < kRefusals; ++reason) {
    rows_.add(metrics::kKeydRefused, {std::string(name_of(static_cast<Refusal>(reason)))},
              daemon_.publisher().refusals()[reason]);
  }
  rows_.add(metrics::kKeydApplySeconds, {}, daemon_.publisher().apply_seconds());
  rows_.add(metrics::kConfigReloads, {"ok"},
            [this] { return static_cast<double>(status_.reloads_ok); });
  rows_.add(metrics::kConfigReloads, {"failed"},
            [this] { return static_cast<double>(status_.reloads_failed); });
  rows_.add(metrics::kBuildInfo, {USHER_VERSION, OpenSSL_version(OPENSSL_VERSION_STRING)},
            [] { return 1.0; });
}

void Server::reload() {
  if (status_.draining) {
    return;
  }
  const auto again = load_again();
  status_.last_reload_error = again ? "" : again.error().message;
  ++(again ? status_.reloads_ok : status_.reloads_failed);
  if (again) {
    log::info("reloaded");
  } else {
    log::error("reload failed; the old configuration stays in force",
               {{"error", again.error().message}});
  }
}

Result<void> Server::load_again() {
  auto config = load(config_.path);
  if (!config) {
    std::string all;
    for (const std::string& message : config.error().messages) {
      all += (all.empty() ? "" : "\n") + message;
    }
    return fail(std::move(all));
  }
  auto loaded = load_files(*config);
  if (!loaded) {
    return Unexpected(std::move(loaded).error());
  }
  warn_of_restart(*config);
  for (const auto* warnings : {&config->warnings, &loaded->warnings}) {
    for (const std::string& warning : *warnings) {
      log::warning(warning);
    }
  }
  log::configure(config->log.level, config->log.format);
  entrances_.set_readers(std::move(loaded->readers));
  daemon_.publisher().configure(std::move(loaded->admission), std::move(loaded->tls));
  daemon_.set_policy(policy_of(config->rotation));
  return {};
}

// What is bound or opened once.
void Server::warn_of_restart(const Config& next) const {
  const auto texts = [](const Config& config) {
    std::vector<std::string> all;
    for (const ListenAddress& listen : config.keyd.listen) {
      all.push_back(listen.text);
    }
    return all;
  };
  const std::pair<const char*, bool> kChanges[] = {
      {"keyd.listen", texts(next) != texts(config_)},
      {"keyd.socket", next.keyd.socket != config_.keyd.socket},
      {"keyd.admin", next.keyd.admin != config_.keyd.admin},
      {"keyd.fleet", next.keyd.fleet != config_.keyd.fleet},
      {"[store]", next.store.kind != config_.store.kind || next.store.path != config_.store.path ||
                      next.store.key_file != config_.store.key_file ||
                      next.store.redis != config_.store.redis ||
                      next.store.lease != config_.store.lease},
  };
  for (const auto& [what, changed] : kChanges) {
    if (changed) {
      log::warning(std::string(what) + " has changed; that needs a restart");
    }
  }
}

void Server::stop() {
  if (std::exchange(status_.draining, true)) {
    return;
  }
  log::info("stopping");
  daemon_.stop([this] {
    entrances_.close();
    log::info("stopped");
    loop_.stop();
  });
}

}  // namespace usher::keyd
