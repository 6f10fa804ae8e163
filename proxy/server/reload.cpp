// What SIGHUP does: RunningServer's reload, from reading the file to having it in force.
#include <system_error>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/server/process_limits.h"
#include "proxy/server/running_server.h"

namespace usher::server {
namespace {

// Settings that are fixed for the life of the process; a change is reported, not silently dropped.
void warn_of_fixed_settings(const config::Config& now, const config::Config& next) {
  const std::pair<const char*, bool> kFixed[] = {
      {"process.node", now.process.node != next.process.node},
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
  next.process.node = now.process.node;  // keyd knows us by it
  next.process.workers = now.process.workers;
  next.process.user = now.process.user;
  next.admin.listen = now.admin.listen;
  next.admin.socket = now.admin.socket;
  next.log.access = now.log.access;
  return next;
}

// What a new file may change at once; the rest is read beside the loop.
struct NewConfiguration {
  config::Config config;
  std::vector<gid_t> readers;
};

Result<NewConfiguration, config::Problems> read_configuration(const std::string& path) {
  auto next = config::load(path);
  if (!next) {
    return Unexpected(std::move(next).error());
  }
  auto readers = admin::group_ids(next->admin.allow_groups);
  if (!readers) {
    return Unexpected(
        config::Problems{{next->admin.place.to_string() + ": " + readers.error().message}});
  }
  return NewConfiguration{*std::move(next), *std::move(readers)};
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
  if (loader_.joinable() || rollout_.running()) {
    reload_again_ = true;
    return;
  }
  reload();
}

void RunningServer::reload() {
  ++status_.reloads_begun;
  log::info("reloading", {{"config", options_.config.path}});
  auto next = read_configuration(options_.config.path);
  if (!next) {
    end_reload(Unexpected(std::move(next).error()));
    return;
  }
  warn_of_fixed_settings(options_.config, next->config);
  // Reading a thousand certificates takes a second: the admin pages must answer meanwhile.
  try {
    loader_ = std::thread([this, config = keep_fixed_settings(next->config, options_.config),
                           readers = next->readers, number = status_.generation->number + 1] {
      auto loaded = std::make_shared<LoadResult>(load_files(config, number, *check_library_));
      mailbox_.post([this, loaded, readers] { on_loaded(std::move(*loaded), readers); });
    });
  } catch (const std::system_error& error) {  // the limit of threads or processes is reached
    end_reload(Unexpected(
        config::Problems{{std::string("cannot start a thread to read files: ") + error.what()}}));
  }
}

void RunningServer::on_loaded(LoadResult loaded, const std::vector<gid_t>& readers) {
  loader_.join();
  if (status_.draining) {
    return;
  }
  if (!loaded) {
    end_reload(Unexpected(std::move(loaded).error()));
    return;
  }
  const config::Config& config = loaded->generation->config;
  auto sockets = bind_listeners(config.listeners, status_.bound, config.process.workers);
  if (!sockets) {
    end_reload(Unexpected(std::move(sockets).error()));
    return;
  }
  auto next = candidate(loaded->generation, *std::move(sockets));
  if (!next) {
    end_reload(Unexpected(config::Problems{{next.error().message}}));
    return;
  }
  rollout_.begin(*std::move(next),
                 [this, readers, keys = loaded->keys](Result<Rollout::Candidate> result) {
                   if (!result) {
                     end_reload(Unexpected(config::Problems{{result.error().message}}));
                     return;
                   }
                   adopt(*std::move(result));
                   pages_.set_readers(readers);
                   put_settings_in_force(*keys);
                   end_reload({});
                 });
}

void RunningServer::put_settings_in_force(const KeyInputs& keys) {
  const config::Config& config = status_.generation->config;
  options_.config = config;
  log::configure(config.log.level, config.log.format);
  limit_.set_most(connections_allowed(config, raise_descriptor_limit()));
  if (const auto configured = keys_.configure(config, keys); !configured) {
    log::error("the ticket settings are not in force", {{"error", configured.error().message}});
  }
}

void RunningServer::end_reload(const Result<void, config::Problems>& result) {
  if (result) {
    reloads_ok_.add();
    ++status_.reloads_ok;
    status_.last_reload_error.clear();
    log::info("reloaded", {{"generation", status_.generation->number}});
  } else {
    for (const std::string& message : result.error().messages) {
      log::error(message);
    }
    reloads_failed_.add();
    ++status_.reloads_failed;
    status_.last_reload_error = result.error().messages.front();
    log::error("reload failed; the old configuration stays in force");
  }
  reload_again();
}

// After a reload, or the start: a SIGHUP came meanwhile.
void RunningServer::reload_again() {
  if (std::exchange(reload_again_, false) && !status_.draining) {
    reload();
  }
}

}  // namespace usher::server
