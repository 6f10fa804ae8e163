#include "proxy/tls/server_context.h"

#include <algorithm>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/tls/context_maker.h"
#include "proxy/tls/handshake_callbacks.h"
#include "proxy/tls/server_context_state.h"

namespace usher::tls {

ServerContext::ServerContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerContext::~ServerContext() = default;

SSL_CTX* ServerContext::listener_context() const {
  return state_->default_name.host->context.get();
}

const ListenerTls& ServerContext::settings() const {
  return *state_->settings;
}
const TicketPolicy& ServerContext::tickets() const {
  return state_->settings->tickets;
}

void ServerContext::apply(SSL* ssl, std::string_view sni) const {
  const Name& name = state_->find(sni);
  CHECK(SSL_set_SSL_CTX(ssl, name.host->context.get()) != nullptr);
  const ByteView sid_ctx = state_->session_context ? state_->session_context->view() : name.domain;
  CHECK(SSL_set_session_id_context(ssl, uchars(sid_ctx), static_cast<unsigned>(sid_ctx.size())) ==
        1);
  // What SSL_set_SSL_CTX leaves with the first context; CA names, store and ALPN came along.
  const ListenerTls& settings = *state_->settings;
  SSL_set_verify(ssl, verify_mode(settings.client_auth), on_verify_step);
  SSL_set_verify_depth(ssl, static_cast<int>(settings.verify_depth));
  SessionEnv& env = SessionEnv::of(ssl);
  env.domain = &name.domain;
  env.session_context = state_->session_context ? &*state_->session_context : nullptr;
}

void ServerContext::dismantle(std::shared_ptr<const ServerContext>& last, std::size_t most) {
  CHECK(last.use_count() == 1);
  State& state = *last->state_;
  state.names.clear();  // `hosts` still holds them all
  state.wildcards.clear();
  state.default_name.host.reset();
  const std::size_t left = state.hosts.size() - std::min(most, state.hosts.size());
  state.hosts.resize(left);
  if (left == 0) {
    last.reset();
  }
}

const ServerContext::Name& ServerContext::State::find(std::string_view sni) const {
  if (const auto exact = names.find(sni); exact != names.end()) {
    return exact->second;
  }
  // "*." stands for exactly one label, which is not empty (RFC 6125 §6.4.3).
  const std::size_t dot = sni.find('.');
  if (dot != std::string_view::npos && dot > 0) {
    if (const auto found = wildcards.find(sni.substr(dot)); found != wildcards.end()) {
      return found->second;
    }
  }
  return default_name;
}

Result<std::shared_ptr<const ServerContext>> build_server_context(
    const LibraryContext& library, std::shared_ptr<const ListenerTls> settings) {
  ServerContext::Builder builder(library, std::move(settings), nullptr);
  for (;;) {
    const auto done = builder.step();
    if (!done) {
      return Unexpected(Error(done.error()));
    }
    if (*done) {
      return builder.finish();
    }
  }
}

}  // namespace usher::tls
