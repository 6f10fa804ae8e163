#include "proxy/server/running_server.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/server/privileges.h"
#include "proxy/server/process_limits.h"

namespace usher::server {
namespace {

// One row a name: of several certificates (RSA beside ECDSA) the one that ends first.
void register_certificates(metrics::Registry::Group& rows, const Generation& generation) {
  for (const Generation::Listener& listener : generation.listeners) {
    if (!listener.tls) {
      continue;
    }
    std::map<std::string, UnixSeconds> ends;
    for (const tls::CredentialPtr& credential : listener.tls->credentials) {
      const auto [end, is_new] = ends.emplace(
          credential->names.empty() ? credential->chain_path : credential->names.front(),
          credential->not_after);
      end->second = std::min(end->second, credential->not_after);
    }
    for (const auto& [name, not_after] : ends) {
      rows.add(metrics::kCertificateNotAfter, {listener.settings.name, name},
               [seconds = static_cast<double>(not_after.time_since_epoch().count())] {
                 return seconds;
               });
    }
  }
}

// When to look again whether the workers have let go of earlier generations.
constexpr std::chrono::seconds kOldGenerationsLook(1);

}  // namespace

RunningServer::RunningServer(const config::Config& config, std::uint64_t connections_max)
    : mailbox_(loop_),
      keys_(around_keys(config)),
      process_rows_(registry_.group()),
      generation_rows_(registry_.group()),
      limit_(connections_max),
      cells_(registry_, config.process.workers),
      sessions_(registry_, config.process.workers),
      pages_(loop_, status_, registry_, keys_.rings(), limit_, cells_, sessions_),
      rollout_(loop_, mailbox_, workers_, cells_, sessions_) {
  drain_delay_.open<&RunningServer::begin_drain>(loop_, *this);
  old_generations_timer_.open<&RunningServer::free_old_generations>(loop_, *this);
  status_.started = std::chrono::system_clock::now();
  pages_.set_control(keys_, {[this] { on_hangup(); }, [this] { on_terminate(); }});
  register_process_metrics();
}

RunningServer::~RunningServer() {
  rollout_.close();
  keys_.close();
  drain_delay_.close();
  old_generations_timer_.close();
  pages_.close();
  mailbox_.close();
}

KeySource::Surroundings RunningServer::around_keys(const config::Config& config) {
  return {.loop = loop_,
          .mailbox = mailbox_,
          .registry = registry_,
          .node = config.process.node,
          .workers = static_cast<std::uint16_t>(config.process.workers),
          .connect =
              [this](const push::Endpoint& endpoint, std::shared_ptr<const push::ChannelTls> tls,
                     push::Channel::Events events) {
                return push::Channel::connect(loop_, endpoint, std::move(tls), std::move(events));
              },
          .times = {},
          .future_names = [this] { return cells_.future_names(); },
          .on_ready = [this] { announce_if_ready(); }};
}

Result<void, config::Problems> RunningServer::bind(const config::Config& config) {
  auto sockets = bind_listeners(config.listeners, {}, config.process.workers);
  if (!sockets) {
    return Unexpected(std::move(sockets).error());
  }
  first_sockets_ = *std::move(sockets);
  const auto owner = uid_of(config.process.user);
  if (!owner) {
    return Unexpected(
        config::Problems{{config.process.place.to_string() + ": " + owner.error().message}});
  }
  if (auto opened = pages_.open(config.admin, *owner); !opened) {
    return Unexpected(
        config::Problems{{config.admin.place.to_string() + ": " + opened.error().message}});
  }
  return {};
}

Result<Loaded, config::Problems> RunningServer::load(const config::Config& config,
                                                     const tls::CredentialPtr& built_in) {
  auto library = tls::LibraryContext::create();
  if (!library) {
    return Unexpected(config::Problems{{library.error().message}});
  }
  check_library_ = *std::move(library);
  if (auto again = config.path.empty() ? Result<config::Config, config::Problems>(config)
                                       : config::load(config.path);
      !again) {  // after the privilege drop: a reload must be able to read it too
    return Unexpected(std::move(again).error());
  }
  return load_files(config, 1, *check_library_, built_in);
}

Result<void> RunningServer::open_files(const config::Config& config, const KeyInputs& keys) {
  if (config.log.access != "off") {
    auto sink = relay::AccessSink::open(config.log.access);
    if (!sink) {
      return Unexpected(std::move(sink).error().within(config.log.place.to_string()));
    }
    access_ = *std::move(sink);
  }
  auto readers = admin::group_ids(config.admin.allow_groups);
  if (!readers) {
    return Unexpected(std::move(readers).error().within(config.admin.place.to_string()));
  }
  pages_.set_readers(*std::move(readers));
  if (auto configured = keys_.configure(config, keys); !configured) {
    return configured;
  }
  return make_workers(config.process.workers);
}

// One after another on this thread, before any SSL_CTX of theirs exists (DESIGN §3).
Result<void> RunningServer::make_workers(unsigned count) {
  for (unsigned index = 0; index < count; ++index) {
    auto worker = Worker::create(
        index, {keys_.rings(), keys_.session_rings(), limit_, access_.get(),
                cells_.tickets_issued(index), sessions_.memory(), sessions_.cells(index)});
    if (!worker) {
      return Unexpected(std::move(worker).error());
    }
    workers_.push_back(*std::move(worker));
  }
  return {};
}

ExitCode RunningServer::run(GenerationPtr first, ServeOptions options) {
  options_ = std::move(options);
  const std::pair<int, void (RunningServer::*)()> kSignals[] = {
      {SIGHUP, &RunningServer::on_hangup},  {SIGTERM, &RunningServer::on_terminate},
      {SIGQUIT, &RunningServer::on_quit},   {SIGINT, &RunningServer::on_quit},
      {SIGUSR1, &RunningServer::on_reopen},
  };
  for (const auto& [number, method] : kSignals) {
    signals_.push_back(
        std::make_unique<uv::Signal>(loop_, number, [this, call = method] { (this->*call)(); }));
  }
  release_signals();
  std::vector<TakeRing> takes;
  for (const auto& worker : workers_) {
    ++workers_running_;
    worker->start([this] { mailbox_.post([this] { on_worker_stopped(); }); });
    takes.push_back([&own = *worker](auto on_taken) { own.take_ring(std::move(on_taken)); });
  }
  keys_.start(std::move(takes));
  pages_.serve();
  loop_.update_now();  // thousands of certificates were read since it was made
  if (auto made = candidate(std::move(first), std::move(first_sockets_))) {
    rollout_.begin(*std::move(made),
                   [this](Result<Rollout::Candidate> result) { on_rolled_out(std::move(result)); });
  } else {
    on_rolled_out(Unexpected(std::move(made).error()));
  }
  loop_.run();
  for (const auto& worker : workers_) {
    worker->join();
  }
  if (loader_.joinable()) {
    loader_.join();  // its result finds a closed door
  }
  hold_signals();  // a second SIGTERM must not turn a clean end into a killed process
  signals_.clear();
  status_.backends.clear();
  return failed_ ? kRuntimeFailure : kClean;
}

Result<Rollout::Candidate> RunningServer::candidate(GenerationPtr generation,
                                                    std::vector<BoundListener> sockets) {
  auto backends = BackendWatch::for_all(loop_, *generation, status_.backends);
  if (!backends) {
    return Unexpected(std::move(backends).error());
  }
  return Rollout::Candidate{std::move(generation), *std::move(backends), std::move(sockets)};
}

void RunningServer::on_rolled_out(Result<Rollout::Candidate> result) {
  if (!result) {  // the trial on main went well, so this is memory or a library's fault
    log::error("could not start", {{"error", result.error().message}});
    failed_ = true;
    on_quit();
    return;
  }
  adopt(*std::move(result));
  announce_if_ready();
  reload_again();
}

// When clients are served, and the keys are there or need not be waited for any longer.
void RunningServer::announce_if_ready() {
  if (status_.generation && keys_.ready() && !status_.ready && !status_.draining) {
    status_.ready = true;
    announce();
  }
}

void RunningServer::adopt(Rollout::Candidate candidate) {
  if (status_.generation != nullptr) {
    old_generations_.push_back(std::move(status_.generation));
    if (!old_generations_timer_.active()) {
      old_generations_timer_.start(kOldGenerationsLook);
    }
  }
  status_.generation = std::move(candidate.generation);
  status_.backends = std::move(candidate.backends);
  std::map<std::string, SocketAddress> bound;
  for (const Generation::Listener& listener : status_.generation->listeners) {
    const std::string key = socket_key(listener.settings);
    if (const auto known = status_.bound.find(key); known != status_.bound.end()) {
      bound.insert(*known);
    }
  }
  for (const BoundListener& fresh : candidate.new_sockets) {
    bound.insert_or_assign(fresh.key, fresh.address);
  }
  for (const Generation::Listener& listener : status_.generation->listeners) {
    const std::string key = socket_key(listener.settings);
    if (!status_.bound.contains(key)) {
      log::info("listening",
                {{"listener", listener.settings.name}, {"address", bound.at(key).to_string()}});
    }
  }
  status_.bound = std::move(bound);

  sessions_.configure(*status_.generation);
  metrics::Registry::Group rows = registry_.group();
  register_certificates(rows, *status_.generation);
  for (std::size_t i = 0; i < status_.backends.size(); ++i) {
    const config::Backend& backend = status_.generation->config.backends[i];
    for (std::size_t server = 0; server < backend.servers.size(); ++server) {
      rows.add(metrics::kBackendUp, {backend.name, backend.servers[server].label()},
               [watch = status_.backends[i], server] { return watch->up(server) ? 1.0 : 0.0; });
    }
  }
  generation_rows_ = std::move(rows);
  for (const std::string& warning : status_.generation->warnings) {
    log::warning(warning);
  }
}

// Whoever lets go last frees thousands of keys and certificates (≈ 14 µs each): main, where no
// connection waits for it.
void RunningServer::free_old_generations() {
  std::erase_if(old_generations_, [](const GenerationPtr& generation) {
    return generation.use_count() == 1 &&
           std::ranges::all_of(generation->listeners, [](const Generation::Listener& listener) {
             return listener.tls.use_count() <= 1;  // none: a redirect
           });
  });
  if (!old_generations_.empty()) {
    old_generations_timer_.start(kOldGenerationsLook);
  }
}

void RunningServer::announce() {
  log::info("ready", {{"version", USHER_VERSION},
                      {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
                      {"workers", workers_.size()},
                      {"max_connections", limit_.most()}});
  if (options_.on_ready) {
    options_.on_ready(status_.bound.begin()->second, pages_.address());
  }
}

void RunningServer::on_terminate() {
  if (status_.draining) {
    return;
  }
  status_.draining = true;
  status_.ready = false;
  keys_.leave();
  const auto delay = options_.config.process.drain_delay;
  log::info("draining", {{"drain_delay_ms", delay.count()}});
  drain_delay_.start(delay);
}

// A reload under way ends here: committed later, it would open listeners in draining workers.
void RunningServer::begin_drain() {
  rollout_.abandon();
  for (const auto& worker : workers_) {
    worker->drain(options_.config.process.drain_timeout);
  }
}

void RunningServer::on_quit() {
  status_.draining = true;
  status_.ready = false;
  keys_.leave();
  log::info("stopping");
  rollout_.abandon();
  for (const auto& worker : workers_) {
    worker->stop();
  }
}

void RunningServer::on_reopen() {
  if (!access_) {
    return;
  }
  if (const auto reopened = access_->reopen(); !reopened) {
    log::error("could not reopen the access log; going on with the old file",
               {{"error", reopened.error().message}});
  }
}

void RunningServer::on_worker_stopped() {
  if (--workers_running_ == 0) {
    keys_.when_left([this] {
      log::info("stopped");
      loop_.stop();
    });
  }
}

}  // namespace usher::server
