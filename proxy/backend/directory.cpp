#include "proxy/backend/directory.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/uv/resolver.h"
#include "proxy/uv/timer.h"

namespace usher::backend {
namespace {

// Until the next look-up while a server has no address at all.
constexpr std::chrono::milliseconds kRetry = std::chrono::seconds(1);

std::optional<SocketAddress> literal_address(const config::BackendServer& server) {
  const bool ipv6 = server.host.find(':') != std::string::npos;
  const std::string host = ipv6 ? "[" + server.host + "]" : server.host;
  return SocketAddress::parse(host + ":" + std::to_string(server.port));
}

std::string addresses_text(const std::vector<SocketAddress>& addresses) {
  std::string text;
  for (const SocketAddress& address : addresses) {
    text += (text.empty() ? "" : " ") + address.to_string();
  }
  return text;
}

}  // namespace

struct Directory::State {
  State(uv::Loop& loop, const config::Backend& settings, std::span<const Directory* const> known);

  void refresh();
  void on_answer(std::size_t server, const Result<std::vector<SocketAddress>>& answer);
  void on_failure(std::size_t server, const std::string& why);
  void on_all_answered();
  void take_known(std::span<const Directory* const> known);
  const std::vector<SocketAddress>* addresses_of(const config::BackendServer& name) const;

  config::Backend backend;
  std::shared_ptr<Snapshot<Endpoints>> published;
  Endpoints endpoints;
  std::vector<std::size_t> names;  // the servers that are names
  std::vector<bool> failing;       // per server: its last look-up failed
  bool changed = false;
  std::size_t unanswered = 0;
  std::function<void()> on_first_answers;
  uv::Resolver resolver;
  uv::Timer timer;
};

Directory::State::State(uv::Loop& loop, const config::Backend& settings,
                        std::span<const Directory* const> known)
    : backend(settings),
      endpoints(backend.servers.size()),
      failing(backend.servers.size()),
      resolver(loop) {
  for (std::size_t server = 0; server < backend.servers.size(); ++server) {
    if (const auto literal = literal_address(backend.servers[server])) {
      endpoints[server].push_back(*literal);
    } else {
      names.push_back(server);
    }
  }
  take_known(known);
  published = std::make_shared<Snapshot<Endpoints>>(std::make_shared<const Endpoints>(endpoints));
  timer.open<&State::refresh>(loop, *this);
}

void Directory::State::take_known(std::span<const Directory* const> known) {
  for (const std::size_t server : names) {
    for (const Directory* directory : known) {
      const auto* addresses = directory->state_->addresses_of(backend.servers[server]);
      if (addresses != nullptr && endpoints[server].empty()) {
        endpoints[server] = *addresses;
      }
    }
  }
}

const std::vector<SocketAddress>* Directory::State::addresses_of(
    const config::BackendServer& name) const {
  for (const std::size_t server : names) {
    if (backend.servers[server].host == name.host && backend.servers[server].port == name.port) {
      return &endpoints[server];
    }
  }
  return nullptr;
}

void Directory::State::refresh() {
  changed = false;
  unanswered = names.size();
  for (const std::size_t server : names) {
    const config::BackendServer& name = backend.servers[server];
    resolver.resolve(name.host, name.port,
                     [this, server](const auto& answer) { on_answer(server, answer); });
  }
}

void Directory::State::on_answer(std::size_t server,
                                 const Result<std::vector<SocketAddress>>& answer) {
  std::vector<SocketAddress>& known = endpoints[server];
  if (!answer) {
    on_failure(server, answer.error().message);
  } else if (!std::ranges::is_permutation(*answer, known)) {
    // Resolvers rotate their answers: another order is no change.
    known = *answer;
    changed = true;
    log::info("backend addresses", {{"backend", backend.name},
                                    {"server", backend.servers[server].label()},
                                    {"addresses", addresses_text(known)}});
  } else if (failing[server]) {
    log::info("backend name resolves again",
              {{"backend", backend.name}, {"server", backend.servers[server].label()}});
  }
  failing[server] = !answer;
  if (--unanswered == 0) {
    on_all_answered();
  }
}

void Directory::State::on_failure(std::size_t server, const std::string& why) {
  if (!failing[server]) {
    log::warning("backend name does not resolve", {{"backend", backend.name},
                                                   {"server", backend.servers[server].label()},
                                                   {"error", why},
                                                   {"kept", addresses_text(endpoints[server])}});
  }
}

void Directory::State::on_all_answered() {
  if (changed) {
    published->publish(std::make_shared<const Endpoints>(endpoints));
  }
  const bool complete =
      std::ranges::none_of(endpoints, [](const auto& addresses) { return addresses.empty(); });
  timer.start(complete ? backend.resolve_every : std::min(kRetry, backend.resolve_every));
  if (const auto call = std::exchange(on_first_answers, nullptr)) {
    call();
  }
}

Directory::Directory(uv::Loop& loop, const config::Backend& backend,
                     std::span<const Directory* const> known)
    : state_(std::make_unique<State>(loop, backend, known)) {}

Directory::~Directory() = default;

void Directory::start(std::function<void()> on_first_answers) {
  if (state_->names.empty()) {
    on_first_answers();
    return;
  }
  state_->on_first_answers = std::move(on_first_answers);
  state_->refresh();
}

SharedEndpoints Directory::endpoints() const {
  return state_->published;
}

}  // namespace usher::backend
