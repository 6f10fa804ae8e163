#include "proxy/http/client_identity.h"

#include "proxy/backend/hash.h"
#include "proxy/tls/client_certificate.h"

namespace usher::http {

struct ClientIdentity::Texts {
  tls::ClientCertificate certificate;
};

ClientIdentity::ClientIdentity(const relay::ClientPort& port, const Site& site)
    : address_(port.peer().ip_text()) {
  const Site::Settings& settings = site.settings();
  facts_.tls = port.tls() != nullptr;
  facts_.trusted = site.trusts(port.peer());
  facts_.address = address_;
  facts_.port = port.local().port();
  facts_.forwarded = settings.forwarded;
  facts_.tls_headers = settings.tls_headers && facts_.tls;
  if (!facts_.tls_headers) {
    return;
  }
  auto texts = std::make_unique<Texts>();
  texts->certificate = tls::client_certificate_of(*port.tls());
  const tls::TlsFacts session = port.tls()->facts();
  facts_.tls_version = session.version;
  facts_.cipher = session.cipher;
  facts_.resumed = session.resumption != tls::Resumption::kNone;
  facts_.client_subject = texts->certificate.subject;
  facts_.client_fingerprint = texts->certificate.fingerprint;
  facts_.client_verify = texts->certificate.verify;
  texts_ = std::move(texts);
}

ClientIdentity::~ClientIdentity() = default;

std::uint64_t ClientIdentity::hash() const {
  return backend::hash_of(address_);
}

}  // namespace usher::http
