#include "proxy/http/client_identity.h"

#include "proxy/backend/hash.h"
#include "proxy/tls/client_certificate.h"

namespace usher::http {

struct ClientIdentity::TlsTexts {
  tls::ClientCertificate certificate;
};

ClientIdentity::ClientIdentity(const relay::ClientPort& port, const Site& site)
    : address_(port.peer().ip_text()),
      port_(port.local().port()),
      trusted_(site.trusts(port.peer())) {
  if (site.settings().tls_headers && port.tls() != nullptr) {
    tls_texts_ =
        std::make_unique<const TlsTexts>(TlsTexts{tls::client_certificate_of(*port.tls())});
  }
}

ClientIdentity::~ClientIdentity() = default;

ClientFacts ClientIdentity::facts(const relay::ClientPort& port, const Site& site) const {
  ClientFacts facts;
  facts.tls = port.tls() != nullptr;
  facts.trusted = trusted_;
  facts.address = address_;
  facts.port = port_;
  facts.forwarded = site.settings().forwarded;
  facts.tls_headers = tls_texts_ != nullptr;
  if (tls_texts_) {
    const tls::TlsFacts session = port.tls()->facts();
    facts.tls_version = session.version;
    facts.cipher = session.cipher;
    facts.resumed = session.resumption != tls::Resumption::kNone;
    facts.client_subject = tls_texts_->certificate.subject;
    facts.client_fingerprint = tls_texts_->certificate.fingerprint;
    facts.client_verify = tls_texts_->certificate.verify;
  }
  return facts;
}

std::string ClientIdentity::host_of(const relay::ClientPort& port) {
  if (port.tls() != nullptr) {
    if (const std::string_view name = port.tls()->facts().sni; !name.empty()) {
      return std::string(name);
    }
  }
  const SocketAddress local = port.local();
  return local.port() != 0 ? local.to_string() : std::string();
}

std::uint64_t ClientIdentity::hash() const {
  return backend::hash_of(address_);
}

}  // namespace usher::http
