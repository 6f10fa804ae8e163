// What SIGHUP does: RunningServer's reload, from reading the file to having it in force.
#include <utility>

#include "proxy/base/log.h"
#include "proxy/server/process_limits.h"
#include "proxy/server/running_server.h"

namespace usher::server {
namespace {

// Settings that are fixed for the life of the process; a change is reported, not silently dropped.
void warn_of_fixed_settings(const config::Config& now, const config::Config& next) {
  const std::pair<const char*, bool> kFixed[] = {
      {"process.workers", now.process.workers != next.process.workers},
      {"process.user", now.process.user != next.process.user},
      {"admin.listen", now.admin.listen != next.admin.listen},
      {"admin.socket", now.admin.socket != next.admin.socket},
      {"log.access", now.log.access != next.log.access},
  };
  for (const auto& [name, changed] : kFixed) {
    if (changed) {
      log::warning(std::string(name) + " has changed; it takes effect after a restart");
    }
  }
}

// The new file with the old values of what cannot change.
config::Config keep_fixed_settings(config::Config next, const config::Config& now) {
  next.process.workers = now.process.workers;
  next.process.user = now.process.user;
  next.admin.listen = now.admin.listen;
  next.admin.socket = now.admin.socket;
  next.log.access = now.log.access;
  return next;
}

}  // namespace

void RunningServer::on_hangup() {
  if (options_.config.path.empty()) {
    log::info("nothing to reload: there is no configuration file");
    return;
  }
  if (status_.draining) {
    log::info("no reload while draining");
    return;
  }
  if (rollout_.running()) {
    reload_again_ = true;
    return;
  }
  reload();
}

void RunningServer::reload() {
  log::info("reloading", {{"config", options_.config.path}});
  auto candidate = prepare_reload();
  if (!candidate) {
    reload_failed(candidate.error());
    return;
  }
  rollout_.begin(*std::move(candidate), [this](Result<Rollout::Candidate> result) {
    if (!result) {
      reload_failed({{result.error().message}});
    } else {
      adopt(*std::move(result));
      const config::Config& config = status_.generation->config;
      options_.config = config;
      log::configure(config.log.level, config.log.format);
      limit_.set_most(connections_allowed(config, raise_descriptor_limit()));
      if (const auto configured = rotation_.configure(config.tickets); !configured) {
        log::error("the ticket settings are not in force", {{"error", configured.error().message}});
      }
      reloads_ok_.add();
      ++status_.reloads_ok;
      status_.last_reload_error.clear();
      log::info("reloaded", {{"generation", status_.generation->number}});
    }
    if (std::exchange(reload_again_, false)) {
      reload();
    }
  });
}

Result<Rollout::Candidate, config::Problems> RunningServer::prepare_reload() {
  const config::Config& now = options_.config;
  auto next = config::load(now.path);
  if (!next) {
    return Unexpected(std::move(next).error());
  }
  auto readers = admin::group_ids(next->admin.allow_groups);
  if (!readers) {
    return Unexpected(
        config::Problems{{next->admin.place.to_string() + ": " + readers.error().message}});
  }
  auto generation = load_generation(keep_fixed_settings(*next, now), status_.generation->number + 1,
                                    *check_library_);
  if (!generation) {
    return Unexpected(std::move(generation).error());
  }
  auto sockets = bind_listeners((*generation)->config.listeners, status_.bound,
                                (*generation)->config.process.workers);
  if (!sockets) {
    return Unexpected(std::move(sockets).error());
  }
  warn_of_fixed_settings(now, *next);
  pages_.set_readers(*std::move(readers));
  return candidate(*std::move(generation), *std::move(sockets));
}

void RunningServer::reload_failed(const config::Problems& problems) {
  for (const std::string& message : problems.messages) {
    log::error(message);
  }
  reloads_failed_.add();
  ++status_.reloads_failed;
  status_.last_reload_error = problems.messages.front();
  log::error("reload failed; the old configuration stays in force");
}

}  // namespace usher::server
