#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/tls/context_maker.h"
#include "proxy/tls/server_context_state.h"

namespace usher::tls {

namespace {

using CredentialSet = std::vector<CredentialPtr>;

// Two sets with the same digests in the same order need only one SSL_CTX.
std::vector<Sha256> digests_of(const CredentialSet& set) {
  std::vector<Sha256> digests;
  digests.reserve(set.size());
  for (const CredentialPtr& credential : set) {
    digests.push_back(credential->digest);
  }
  return digests;
}

bool same_trust(const ClientTrust* a, const ClientTrust* b) {
  return a == b || (a != nullptr && b != nullptr && a->ca_digests == b->ca_digests &&
                    a->crl_digest == b->crl_digest);
}

bool same_tickets(const TicketPolicy& a, const TicketPolicy& b) {
  return a.enabled == b.enabled && a.per_handshake == b.per_handshake &&
         a.session_ids == b.session_ids && a.stateful_tls13 == b.stateful_tls13 &&
         a.session_lifetime == b.session_lifetime;
}

// Everything that a context is made from besides certificates.
bool same_but_certificates(const ListenerTls& a, const ListenerTls& b) {
  return a.min_version == b.min_version && a.max_version == b.max_version &&
         a.ciphers == b.ciphers && a.ciphersuites == b.ciphersuites && a.groups == b.groups &&
         a.sigalgs == b.sigalgs && a.client_auth == b.client_auth &&
         a.verify_depth == b.verify_depth && same_trust(a.trust.get(), b.trust.get()) &&
         a.session_context == b.session_context && same_tickets(a.tickets, b.tickets);
}

}  // namespace

// The plan is made by the constructor; each step() makes one host or adds one credential to it.
struct ServerContext::Builder::Work {
  struct Task {
    std::shared_ptr<Host> host;
    CredentialPtr credential;
  };

  OSSL_LIB_CTX* library = nullptr;
  std::unique_ptr<State> state = std::make_unique<State>();
  std::map<std::vector<Sha256>, std::shared_ptr<const Host>> hosts;  // by credentials
  std::unordered_set<const Host*> used;                              // of those, by this generation
  std::optional<ContextMaker> maker;
  std::vector<Task> tasks;
  std::size_t done = 0;
  std::string problem;  // of the plan, such as two credentials of one type for one name

  void reuse(const ServerContext& previous);
  void plan();
  void add(const std::string& pattern, const CredentialSet& set);
  Name name_of(const std::string& pattern, const CredentialSet& set);
  void set_session_context(const CredentialSet& default_set);
  std::shared_ptr<const Host> host_of(const CredentialSet& set);
  void check_types(const std::string& pattern, const CredentialSet& set);
};

ServerContext::Builder::Builder(const LibraryContext& library,
                                std::shared_ptr<const ListenerTls> settings,
                                const std::shared_ptr<const ServerContext>& previous)
    : work_(std::make_unique<Work>()) {
  CHECK(!settings->credentials.empty());
  work_->library = library.raw();
  work_->state->settings = std::move(settings);
  if (previous != nullptr) {
    work_->reuse(*previous);
  }
  work_->plan();
}

ServerContext::Builder::~Builder() = default;

Result<bool> ServerContext::Builder::step() {
  if (!work_->problem.empty()) {
    return fail(work_->problem);
  }
  if (work_->done == work_->tasks.size()) {
    return true;
  }
  if (!work_->maker) {
    auto maker = ContextMaker::create(work_->library, *work_->state->settings);
    if (!maker) {
      return Unexpected(std::move(maker).error());
    }
    work_->maker.emplace(std::move(*maker));
  }
  const Work::Task& task = work_->tasks[work_->done];
  if (task.host->context == nullptr) {
    auto context = work_->maker->make();
    if (!context) {
      return Unexpected(std::move(context).error());
    }
    task.host->context = std::move(*context);
  }
  auto added = work_->maker->add_credential(task.host->context.get(), *task.credential);
  if (!added) {
    return Unexpected(std::move(added).error());
  }
  ++work_->done;
  return work_->done == work_->tasks.size();
}

std::shared_ptr<const ServerContext> ServerContext::Builder::finish() {
  CHECK(work_->problem.empty() && work_->done == work_->tasks.size());
  return std::shared_ptr<const ServerContext>(new ServerContext(std::move(work_->state)));
}

void ServerContext::Builder::Work::reuse(const ServerContext& previous) {
  if (!same_but_certificates(*state->settings, previous.settings())) {
    return;
  }
  for (const auto& host : previous.state_->hosts) {
    hosts.emplace(digests_of(host->credentials), host);
  }
}

void ServerContext::Builder::Work::plan() {
  const auto& credentials = state->settings->credentials;
  std::vector<std::string>
      order;  // patterns as configured: errors and hosts come out the same each time
  std::unordered_map<std::string, CredentialSet> sets;
  for (const CredentialPtr& credential : credentials) {
    for (const std::string& pattern : credential->names) {
      CredentialSet& set = sets[pattern];
      if (set.empty()) {
        order.push_back(pattern);
      }
      set.push_back(credential);
    }
  }
  for (const std::string& pattern : order) {
    add(pattern, sets[pattern]);
  }
  // The first entry and whoever shares its first name serve clients whose name matches nothing.
  const Credential& first = *credentials.front();
  const std::string pattern = first.names.empty() ? std::string() : first.names.front();
  const CredentialSet set = pattern.empty() ? CredentialSet{credentials.front()} : sets[pattern];
  // Certificates without a name must not meet in one domain: their own digest stands for it.
  const std::string digest(reinterpret_cast<const char*>(first.digest.data()), first.digest.size());
  state->default_name = name_of(pattern.empty() ? digest : pattern, set);
  set_session_context(set);
}

void ServerContext::Builder::Work::add(const std::string& pattern, const CredentialSet& set) {
  check_types(pattern, set);
  Name name = name_of(pattern, set);
  if (pattern.starts_with("*.")) {
    state->wildcards.emplace(pattern.substr(1), std::move(name));
  } else {
    state->names.emplace(pattern, std::move(name));
  }
}

ServerContext::Name ServerContext::Builder::Work::name_of(const std::string& pattern,
                                                          const CredentialSet& set) {
  const ListenerTls& settings = *state->settings;
  return {host_of(set), resumption_domain(settings.client_auth, settings.verify_depth,
                                          settings.trust.get(), pattern)};
}

// One for all names, of the default certificate's, as nginx has the default server's.
void ServerContext::Builder::Work::set_session_context(const CredentialSet& default_set) {
  const ListenerTls& settings = *state->settings;
  if (!settings.session_context) {
    return;
  }
  auto context =
      session_id_context(*settings.session_context, library, default_set, settings.trust.get());
  if (context) {
    state->session_context = *context;
  } else if (problem.empty()) {
    problem = context.error().message;
  }
}

std::shared_ptr<const ServerContext::Host> ServerContext::Builder::Work::host_of(
    const CredentialSet& set) {
  auto& host = hosts[digests_of(set)];
  if (host == nullptr) {
    auto made = std::make_shared<Host>();
    made->credentials = set;
    for (const CredentialPtr& credential : set) {
      tasks.push_back({made, credential});
    }
    host = std::move(made);
  }
  if (used.insert(host.get()).second) {
    state->hosts.push_back(host);
  }
  return host;
}

void ServerContext::Builder::Work::check_types(const std::string& pattern,
                                               const CredentialSet& set) {
  std::map<std::string_view, const Credential*> types;
  for (const CredentialPtr& credential : set) {
    const auto [other, is_new] = types.emplace(credential->key_type, credential.get());
    if (!is_new && problem.empty()) {
      problem = "two " + credential->key_type + " certificates for '" + pattern +
                "': " + other->second->chain_path + " and " + credential->chain_path +
                "; set names = [...] so that each name has one of a type";
    }
  }
}

}  // namespace usher::tls
