#include "proxy/tls/session_env.h"

#include <openssl/ssl.h>

#include "proxy/base/check.h"
#include "proxy/tls/session_lookup.h"

namespace usher::tls {

SessionEnv::SessionEnv() = default;
SessionEnv::~SessionEnv() = default;

SessionEnv& SessionEnv::of(const ssl_st* ssl) {
  auto* env = static_cast<SessionEnv*>(SSL_get_app_data(ssl));
  CHECK(env != nullptr);
  return *env;
}

}  // namespace usher::tls
