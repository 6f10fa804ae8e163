#include "proxy/relay/proxy_header.h"

#include <sys/random.h>

#include <string>

#include "proxy/base/check.h"
#include "proxy/relay/proxy_writer.h"
#include "proxy/tls/tls_session.h"

namespace usher::relay {

void append_proxy_header(ByteQueue& to, config::ProxyProtocol wanted, const ClientPort& client) {
  if (wanted == config::ProxyProtocol::kOff) {
    return;
  }
  ProxyFacts facts;
  facts.client = client.peer();
  facts.local = client.local();
  if (wanted == config::ProxyProtocol::kV1) {
    append_proxy_v1(to, facts.client, facts.local);
    return;
  }
  std::string common_name;
  if (client.tls() != nullptr) {
    const tls::TlsFacts session = client.tls()->facts();
    common_name = client.tls()->client_common_name();
    facts.version = session.version;
    facts.cipher = session.cipher;
    facts.alpn = session.alpn;
    facts.sni = session.sni;
    facts.resumed = session.resumption != tls::Resumption::kNone;
    facts.client_cert = session.client_cert;
    facts.client_cert_verified = session.client_cert_verified;
    facts.client_cn = common_name;
  }
  // Never fails nor blocks for so few bytes once the machine is up (getrandom(2)).
  CHECK(::getrandom(facts.unique_id.data(), facts.unique_id.size(), 0) ==
        static_cast<ssize_t>(facts.unique_id.size()));
  append_proxy_v2(to, facts);
}

}  // namespace usher::relay
