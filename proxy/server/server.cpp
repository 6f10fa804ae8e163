#include "proxy/server/server.h"

#include <unistd.h>

#include <csignal>
#include <memory>
#include <utility>

#include "proxy/admin/peer_access.h"
#include "proxy/base/log.h"
#include "proxy/base/secret.h"
#include "proxy/server/privileges.h"
#include "proxy/server/process_limits.h"
#include "proxy/server/running_server.h"

namespace usher::server {
namespace {

void log_problems(const config::Problems& problems) {
  for (const std::string& message : problems.messages) {
    log::error(message);
  }
}

template <class T>
Result<void> without_value(Result<T> result) {
  return result ? Result<void>() : Result<void>(Unexpected(std::move(result).error()));
}

}  // namespace

ExitCode serve(ServeOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  hold_signals();
  forbid_core_dumps();
  const config::Config& config = options.config;
  log::configure(config.log.level, config.log.format);
  const std::uint64_t descriptors = raise_descriptor_limit();

  if (const auto owner = uid_of(config.process.user); !owner) {
    log::error(config.process.place.to_string() + ": " + owner.error().message);
    return kBadConfiguration;
  }
  RunningServer server(config, connections_allowed(config, descriptors));
  if (auto bound = server.bind(config); !bound) {
    log_problems(bound.error());
    return kRuntimeFailure;
  }
  if (auto dropped = drop_privileges(config.process.user); !dropped) {
    log::error(config.process.place.to_string() + ": " + dropped.error().message);
    return kBadConfiguration;
  }
  forbid_core_dumps();  // a change of user sets the flag anew
  auto loaded = server.load(config, options.built_in);
  if (!loaded) {
    log_problems(loaded.error());
    return kBadConfiguration;
  }
  if (auto opened = server.open_files(config, *loaded->keys); !opened) {
    log::error(opened.error().message);
    return kBadConfiguration;
  }
  if (!secret_arena::locked()) {
    log::warning("private keys could not be locked into memory; raise LimitMEMLOCK");
  }
  GenerationPtr first = std::move(loaded->generation);
  loaded->keys.reset();  // key files may have been among it
  return server.run(std::move(first), std::move(options));
}

ExitCode check(const config::Config& config) {
  log::configure(config.log.level, config.log.format);
  for (const auto& [place, problem] :
       {std::pair(config.process.place, without_value(uid_of(config.process.user))),
        std::pair(config.admin.place,
                  without_value(admin::group_ids(config.admin.allow_groups)))}) {
    if (!problem) {
      log::error(place.to_string() + ": " + problem.error().message);
      return kBadConfiguration;
    }
  }
  // Files count as readable when they are so to the user who will read them.
  if (auto dropped = ::geteuid() == 0 ? drop_privileges(config.process.user) : Result<void>();
      !dropped) {
    log::error(config.process.place.to_string() + ": " + dropped.error().message);
    return kBadConfiguration;
  }
  const auto library = tls::LibraryContext::create();
  if (!library) {
    log::error(library.error().message);
    return kRuntimeFailure;
  }
  const auto loaded = load_files(config, 1, **library);
  if (!loaded) {
    log_problems(loaded.error());
    return kBadConfiguration;
  }
  for (const std::string& warning : loaded->generation->warnings) {
    log::warning(warning);
  }
  return kClean;
}

}  // namespace usher::server
