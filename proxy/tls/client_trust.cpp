#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "proxy/tls/credential.h"
#include "proxy/tls/pem.h"

namespace usher::tls {

namespace {

Sha256 digest_of(const X509* certificate) {
  Sha256 digest;
  CHECK(X509_digest(certificate, EVP_sha256(), writable_uchars(digest), nullptr) == 1);
  return digest;
}

bool has_root(const std::vector<X509Ptr>& authorities, const X509* certificate) {
  const X509_NAME* issuer = X509_get_issuer_name(certificate);
  return std::any_of(authorities.begin(), authorities.end(), [&](const X509Ptr& other) {
    return X509_NAME_cmp(X509_get_subject_name(other.get()), issuer) == 0;
  });
}

Result<std::vector<X509Ptr>> load_authorities(const std::string& path, ClientTrust& trust,
                                              std::vector<std::string>& warnings) {
  const auto file = read_pem_file(path);
  if (!file) {
    return Unexpected(Error(file.error()));
  }
  auto authorities = certificates_in(nullptr, file->bytes());
  if (!authorities) {
    return Unexpected(std::move(authorities).error().within(path));
  }
  if (authorities->empty()) {
    return fail(path + ": holds no certificate");
  }
  for (const X509Ptr& authority : *authorities) {
    trust.ca_digests.push_back(digest_of(authority.get()));
    if (X509_cmp_current_time(X509_get0_notAfter(authority.get())) < 0) {
      warnings.push_back(path + ": the CA " + subject_of(authority.get()) +
                         " has expired; its clients are refused");
    }
    if (X509_check_ca(authority.get()) == 0) {
      warnings.push_back(path + ": the certificate of " + subject_of(authority.get()) +
                         " is no CA; it verifies no client");
    }
    if (!has_root(*authorities, authority.get())) {
      warnings.push_back(path + ": the issuer of " + subject_of(authority.get()) +
                         " is missing; its clients are refused, since only a root ends a chain");
    }
  }
  std::sort(trust.ca_digests.begin(), trust.ca_digests.end());
  trust.ca_pem = to_pem(*authorities);
  ERR_clear_error();
  return authorities;
}

bool has_list(const std::vector<X509CrlPtr>& lists, const X509* authority) {
  return std::any_of(lists.begin(), lists.end(), [&](const X509CrlPtr& list) {
    return X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_subject_name(authority)) == 0;
  });
}

Result<void> load_revocations(const std::string& path, const std::vector<X509Ptr>& authorities,
                              ClientTrust& trust, std::vector<std::string>& warnings) {
  const auto file = read_pem_file(path);
  if (!file) {
    return Unexpected(Error(file.error()));
  }
  const auto lists = revocation_lists_in(nullptr, file->bytes());
  if (!lists) {
    return Unexpected(Error(lists.error()).within(path));
  }
  if (lists->empty()) {
    return fail(path + ": holds no certificate revocation list (PEM block X509 CRL)");
  }
  for (const X509CrlPtr& list : *lists) {
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(list.get());
    if (next != nullptr && X509_cmp_current_time(next) < 0) {
      warnings.push_back(path +
                         ": a revocation list is past its next update; the clients of its CA are "
                         "refused until it is renewed");
    }
  }
  for (const X509Ptr& authority : authorities) {
    if (X509_check_ca(authority.get()) != 0 && !has_list(*lists, authority.get())) {
      warnings.push_back(path + ": no list of the CA " + subject_of(authority.get()) +
                         "; its clients are refused until it has one");
    }
  }
  trust.crl_pem = to_pem(*lists);
  CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, trust.crl_pem.data(), trust.crl_pem.size(),
                     writable_uchars(trust.crl_digest), nullptr) == 1);
  ERR_clear_error();
  return {};
}

}  // namespace

Result<std::shared_ptr<const ClientTrust>> load_client_trust(const std::string& ca_path,
                                                             const std::string& crl_path,
                                                             std::vector<std::string>& warnings) {
  auto trust = std::make_shared<ClientTrust>();
  const auto authorities = load_authorities(ca_path, *trust, warnings);
  if (!authorities) {
    return Unexpected(Error(authorities.error()));
  }
  if (!crl_path.empty()) {
    if (auto loaded = load_revocations(crl_path, *authorities, *trust, warnings); !loaded) {
      return Unexpected(std::move(loaded).error());
    }
  }
  return std::shared_ptr<const ClientTrust>(std::move(trust));
}

}  // namespace usher::tls
