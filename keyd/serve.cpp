#include "keyd/serve.h"

#include <csignal>
#include <memory>
#include <utility>

#include "keyd/loaded.h"
#include "keyd/server.h"
#include "keyd/store_key.h"
#include "proxy/base/log.h"
#include "proxy/base/process.h"

namespace usher::keyd {
namespace {

ExitCode refuse(const Error& error, ExitCode code) {
  log::error(error.message);
  return code;
}

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    log::warning(warning);
  }
}

}  // namespace

ExitCode serve(const Config& config) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGUSR1, SIG_IGN);  // "reopen logs": there is standard error only
  hold_signals();
  log::configure(config.log.level, config.log.format);
  (void)raise_descriptor_limit();

  auto loaded = load_files(config);
  if (!loaded) {
    return refuse(loaded.error(), kBadConfiguration);
  }
  warn(config.warnings);
  warn(loaded->warnings);
  auto key = load_store_key(config.store.key_file);
  if (!key) {
    return refuse(std::move(key).error().within(config.store.place.to_string()), kBadConfiguration);
  }
  if (!secret_arena::locked()) {
    log::warning("keys could not be locked into memory; raise LimitMEMLOCK");
  }
  uv::Loop loop;
  auto store = open_store(loop, config.store, *std::move(key), identity_of(config));
  if (!store) {
    return refuse(std::move(store).error().within(config.store.place.to_string()),
                  kBadConfiguration);
  }
  Server server(config, loop, *std::move(store));
  if (auto opened = server.open(*std::move(loaded)); !opened) {
    return refuse(opened.error(), kRuntimeFailure);
  }
  server.run();
  return kClean;
}

ExitCode check(const Config& config) {
  log::configure(config.log.level, config.log.format);
  const auto loaded = load_files(config);
  if (!loaded) {
    return refuse(loaded.error(), kBadConfiguration);
  }
  const auto key = load_store_key(config.store.key_file);
  if (!key) {
    return refuse(Error(key.error()).within(config.store.place.to_string()), kBadConfiguration);
  }
  if (const auto checked = check_store(config.store, *key, identity_of(config)); !checked) {
    return refuse(Error(checked.error()).within(config.store.place.to_string()), kBadConfiguration);
  }
  warn(config.warnings);
  warn(loaded->warnings);
  return kClean;
}

}  // namespace usher::keyd
