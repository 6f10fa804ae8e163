#include "proxy/server/generation.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "proxy/tls/context_maker.h"

namespace usher::server {
namespace {

tls::ClientAuth client_auth_of(config::ClientAuth auth) {
  switch (auth) {
    case config::ClientAuth::kOff:
      return tls::ClientAuth::kOff;
    case config::ClientAuth::kOptional:
      return tls::ClientAuth::kOptional;
    case config::ClientAuth::kRequired:
      return tls::ClientAuth::kRequired;
  }
  return tls::ClientAuth::kRequired;
}

// Reads what a generation is made of, each file once however many listeners name it.
class GenerationLoader {
 public:
  GenerationLoader(const config::Config& config, tls::CredentialPtr built_in)
      : config_(config), built_in_(std::move(built_in)) {}

  // What OpenSSL refuses in [tls] is wrong there, not at the first listener.
  void check_tls(const tls::LibraryContext& library) {
    tls::ListenerTls settings;
    copy_protocol_settings(settings, {});
    const auto maker = tls::ContextMaker::create(library.raw(), settings);
    const auto made = maker ? maker->make() : Unexpected(maker.error());
    if (!made) {
      report(config_.tls.place, made.error());
    }
  }

  // Null for a backend without TLS.
  Generation::BackendTlsPtr load(const config::Backend& backend,
                                 const tls::LibraryContext& library) {
    if (!backend.tls) {
      return nullptr;
    }
    auto settings = std::make_shared<tls::BackendTlsSettings>();
    settings->verify = backend.tls_verify;
    for (const config::BackendServer& server : backend.servers) {
      settings->names.push_back(backend.tls_server_name.empty() ? server.host
                                                                : backend.tls_server_name);
    }
    if (!backend.tls_ca.empty()) {
      auto pem = tls::load_backend_ca(backend.tls_ca);
      if (!pem) {
        report(backend.place, pem.error());
        return settings;
      }
      settings->ca_pem = *std::move(pem);
    }
    if (const auto trial = tls::BackendTls::create(library.raw(), settings); !trial) {
      report(backend.place, trial.error());
    }
    return settings;
  }

  // The servers that session caches share sessions through.
  std::vector<redis::Server> load_redis() {
    const config::SessionCache& settings = config_.session_cache;
    std::vector<redis::Server> servers;
    std::set<std::string> labels;
    for (const std::string& url : settings.redis) {
      auto server = redis::parse_url(url);
      if (!server) {
        report(settings.redis_place, "redis: " + server.error().message);
      } else if (settings.redis_cluster && server->database != 0) {
        report(settings.redis_place, "redis: " + server->label +
                                         " names a database, but a cluster has database 0 alone; "
                                         "expected no number behind the address; remove it");
      } else if (!labels.insert(server->label).second) {
        report(settings.redis_place,
               "redis: " + server->label + " stands there twice; expected it once; remove one");
      } else {
        servers.push_back(*std::move(server));
      }
    }
    return servers;
  }

  // Null for a redirect.
  std::shared_ptr<const tls::ListenerTls> load(const config::Listener& listener) {
    if (listener.mode == config::Mode::kRedirect) {
      return nullptr;
    }
    auto settings = std::make_shared<tls::ListenerTls>();
    copy_protocol_settings(*settings, listener);
    load_trust(*settings, listener);
    load_session_context(*settings, listener);
    for (const config::Certificate& certificate : listener.certificates) {
      if (tls::CredentialPtr credential = load_credential(certificate)) {
        settings->credentials.push_back(std::move(credential));
      }
    }
    if (listener.certificates.empty() && built_in_) {
      settings->credentials.push_back(built_in_);
    }
    return settings;
  }

  config::Problems problems;
  std::vector<std::string> warnings;

 private:
  void copy_protocol_settings(tls::ListenerTls& to, const config::Listener& listener) const {
    const config::Tls& from = config_.tls;
    to.min_version = from.min_version;
    to.max_version = from.max_version;
    to.ciphers = from.ciphers;
    to.ciphersuites = from.ciphersuites;
    to.groups = from.groups;
    to.sigalgs = from.sigalgs;
    to.alpn = listener.alpn;
    if (listener.mode == config::Mode::kHttp &&
        std::ranges::find(to.alpn, "http/1.1") != to.alpn.end()) {
      to.alpn.push_back("http/1.0");  // its clients too; some name their version (RFC 7301 §6)
    }
    to.client_auth = client_auth_of(listener.client_auth);
    to.verify_depth = listener.verify_depth;
    to.tickets.enabled = config_.tickets.source != config::TicketSource::kOff;
    to.tickets.per_handshake = config_.tickets.per_handshake;
    const config::SessionCache& cache = config_.session_cache;
    to.tickets.session_ids = cache.memory_entries > 0 || !cache.redis.empty();
    to.tickets.stateful_tls13 = cache.stateful_tls13;
    to.tickets.session_lifetime = std::chrono::floor<std::chrono::seconds>(from.session_lifetime);
    to.tickets.lineage_max = std::chrono::floor<std::chrono::seconds>(from.lineage_max);
  }

  void load_trust(tls::ListenerTls& to, const config::Listener& listener) {
    if (listener.client_auth == config::ClientAuth::kOff) {
      return;
    }
    std::vector<std::string> notes;
    auto trust = tls::load_client_trust(listener.client_ca, listener.client_crl, notes);
    warn(listener.place, notes);
    if (trust) {
      to.trust = *std::move(trust);
    } else {
      report(listener.place, trust.error());
    }
  }

  void load_session_context(tls::ListenerTls& to, const config::Listener& listener) {
    auto context = tls::parse_session_context(listener.session_context);
    if (context) {
      to.session_context = *context;
    } else {
      report(listener.place, context.error());
    }
  }

  tls::CredentialPtr load_credential(const config::Certificate& certificate) {
    auto loaded =
        tls::load_credential(certificate.chain, certificate.key, certificate.names, unix_now());
    if (!loaded) {
      report(certificate.place, loaded.error());
      return nullptr;
    }
    warn(certificate.place, loaded->warnings);
    tls::CredentialPtr& known = known_[loaded->credential->digest];
    if (!known || known->names != loaded->credential->names) {
      known = loaded->credential;
    }
    return known;
  }

  void report(const config::Place& place, const Error& error) { report(place, error.message); }
  void report(const config::Place& place, const std::string& message) {
    problems.messages.push_back(place.to_string() + ": " + message);
  }
  void warn(const config::Place& place, const std::vector<std::string>& notes) {
    for (const std::string& note : notes) {
      warnings.push_back(place.to_string() + ": " + note);
    }
  }

  const config::Config& config_;
  tls::CredentialPtr built_in_;
  std::map<tls::Sha256, tls::CredentialPtr> known_;
};

// OpenSSL's security callback forbids tickets (SSL_SECOP_TICKET) from level 3 on; TLS 1.3 does not
// ask it.
bool seals_no_tls12_tickets(const tls::ServerContext& context) {
  return context.settings().tickets.enabled && context.settings().min_version < TLS1_3_VERSION &&
         SSL_CTX_get_security_level(context.listener_context()) >= 3;
}

std::size_t backend_index(const config::Config& config, const std::string& name) {
  for (std::size_t i = 0; i < config.backends.size(); ++i) {
    if (config.backends[i].name == name) {
      return i;
    }
  }
  CHECK(false && "the parser has checked that every listener's backend exists");
  return 0;
}

Generation::Listener listener_of(const config::Config& config, const config::Listener& settings,
                                 std::shared_ptr<const tls::ListenerTls> tls) {
  Generation::Listener listener{settings, std::move(tls), std::nullopt, {}};
  if (settings.mode != config::Mode::kRedirect) {
    listener.backend = backend_index(config, settings.backend);
  }
  for (const config::Route& route : settings.routes) {
    listener.routes.push_back(backend_index(config, route.backend));
  }
  return listener;
}

// Whatever else OpenSSL refuses (a weak key) is found here, not in a worker.
void try_listener(const tls::LibraryContext& library, const config::Listener& listener,
                  const std::shared_ptr<const tls::ListenerTls>& tls, GenerationLoader& loader) {
  const auto trial = tls::build_server_context(library, tls);
  if (!trial) {
    loader.problems.messages.push_back(listener.place.to_string() + ": " + trial.error().message);
  } else if (seals_no_tls12_tickets(**trial)) {
    loader.warnings.push_back(listener.place.to_string() +
                              ": at OpenSSL's security level 3 and "
                              "above there are no TLS 1.2 tickets; lower it with @SECLEVEL=2 in "
                              "tls.ciphers");
  }
}

}  // namespace

Result<GenerationPtr, config::Problems> load_generation(config::Config config, std::uint64_t number,
                                                        const tls::LibraryContext& library,
                                                        tls::CredentialPtr built_in) {
  auto generation = std::make_shared<Generation>();
  generation->config = std::move(config);
  generation->number = number;
  GenerationLoader loader(generation->config, std::move(built_in));
  loader.check_tls(library);
  const config::SessionCache& cache = generation->config.session_cache;
  generation->redis = {loader.load_redis(), cache.redis_cluster, cache.redis_timeout};
  for (const config::Backend& backend : generation->config.backends) {
    generation->backend_tls.push_back(loader.load(backend, library));
  }
  for (const config::Listener& listener : generation->config.listeners) {
    auto tls = loader.load(listener);
    if (tls && loader.problems.messages.empty()) {
      try_listener(library, listener, tls, loader);
    }
    generation->listeners.push_back(listener_of(generation->config, listener, std::move(tls)));
  }
  if (!loader.problems.messages.empty()) {
    return Unexpected(std::move(loader.problems));
  }
  generation->warnings = generation->config.warnings;
  generation->warnings.insert(generation->warnings.end(), loader.warnings.begin(),
                              loader.warnings.end());
  return GenerationPtr(std::move(generation));
}

}  // namespace usher::server
