#include "proxy/server/backend_watch.h"

#include <utility>

namespace usher::server {

Result<std::vector<BackendWatch::Ptr>> BackendWatch::for_all(uv::Loop& loop,
                                                             const Generation& generation,
                                                             std::span<const Ptr> known) {
  std::vector<Ptr> all;
  for (std::size_t i = 0; i < generation.config.backends.size(); ++i) {
    auto watch = create(loop, generation.config.backends[i], generation.backend_tls[i], known);
    if (!watch) {
      return Unexpected(std::move(watch).error());
    }
    all.push_back(*std::move(watch));
  }
  return all;
}

Result<BackendWatch::Ptr> BackendWatch::create(uv::Loop& loop, const config::Backend& settings,
                                               Generation::BackendTlsPtr tls,
                                               std::span<const Ptr> known) {
  std::vector<const backend::Directory*> directories;
  for (const Ptr& watch : known) {
    if (watch->watches(settings, tls)) {
      return watch;
    }
    directories.push_back(watch->directory_.get());
  }
  auto directory = std::make_unique<backend::Directory>(loop, settings, directories);
  Ptr watch(new BackendWatch(settings, std::move(tls), std::move(directory)));
  if (settings.health.type != config::HealthType::kOff) {
    std::shared_ptr<tls::BackendTls> check_tls;
    if (watch->tls_) {
      auto made = tls::BackendTls::create(nullptr, watch->tls_);
      if (!made) {
        return Unexpected(std::move(made).error());
      }
      check_tls = *std::move(made);
    }
    watch->checks_ = std::make_unique<backend::HealthChecks>(loop, settings, watch->endpoints_,
                                                             std::move(check_tls));
    watch->health_ = watch->checks_->health();
  }
  return watch;
}

BackendWatch::BackendWatch(const config::Backend& settings, Generation::BackendTlsPtr tls,
                           std::unique_ptr<backend::Directory> directory)
    : settings_(settings),
      tls_(std::move(tls)),
      directory_(std::move(directory)),
      endpoints_(directory_->endpoints()) {}

// The authorities' file may have changed although its path has not; names follow from settings.
bool BackendWatch::watches(const config::Backend& settings,
                           const Generation::BackendTlsPtr& tls) const {
  return config::same_settings(settings_, settings) && (!tls || tls_->ca_pem == tls->ca_pem);
}

void BackendWatch::start(std::function<void()> on_first_answers) {
  if (std::exchange(started_, true)) {
    on_first_answers();
    return;
  }
  directory_->start(std::move(on_first_answers));
  if (checks_) {
    checks_->start();
  }
}

bool BackendWatch::up(std::size_t server) const {
  return !endpoints_->latest()->at(server).empty() &&
         (!health_ || health_->latest()->at(server).up);
}

}  // namespace usher::server
