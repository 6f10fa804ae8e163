#include "tests/support/test_ca.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "proxy/base/check.h"

namespace usher::test {

namespace {

std::time_t seconds_of(UnixSeconds time) {
  return time.time_since_epoch().count();
}

template <class Write>
std::string pem_of(Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr && write(bio.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string pem_of_certificate(X509* certificate) {
  return pem_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

void add_extension(X509* certificate, X509* issuer, int type, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, type, value.c_str()));
  CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

const EVP_MD* digest_for(const EVP_PKEY* key) {
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
}

X509Ptr unsigned_certificate(const std::string& common_name, EVP_PKEY* key, long serial,
                             UnixSeconds not_before, UnixSeconds not_after) {
  X509Ptr certificate(X509_new());
  CHECK(certificate != nullptr);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), seconds_of(not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), seconds_of(not_after));
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.c_str());
  if (!common_name.empty()) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8, text,
                               -1, -1, 0);
  }
  CHECK(X509_set_pubkey(certificate.get(), key) == 1);
  return certificate;
}

void make_authority(X509* certificate, X509* issuer) {
  add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
}

}  // namespace

PkeyPtr make_key(KeyType type) {
  EVP_PKEY* key = nullptr;
  switch (type) {
    case KeyType::kEcdsa:
      key = EVP_EC_gen("P-256");
      break;
    case KeyType::kRsa2048:
      key = EVP_RSA_gen(2048);
      break;
    case KeyType::kRsa1024:
      key = EVP_RSA_gen(1024);
      break;
    case KeyType::kEd25519:
      key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
      break;
    case KeyType::kX25519:
      key = EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519");
      break;
  }
  CHECK(key != nullptr);
  return PkeyPtr(key);
}

std::string key_pem_of(const EVP_PKEY* key, const char* password) {
  return pem_of([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key,
                                         password == nullptr ? nullptr : EVP_aes_128_cbc(), nullptr,
                                         0, nullptr, const_cast<char*>(password));
  });
}

TestCa TestCa::root(const std::string& common_name, KeyType type) {
  TestCa authority;
  authority.key_ = make_key(type);
  authority.certificate_ =
      unsigned_certificate(common_name, authority.key_.get(), authority.own_serial_,
                           unix_now() - std::chrono::hours(1), unix_now() + std::chrono::hours(48));
  X509* certificate = authority.certificate_.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  make_authority(certificate, certificate);
  CHECK(X509_sign(certificate, authority.key_.get(), digest_for(authority.key_.get())) > 0);
  return authority;
}

TestCa TestCa::intermediate(const std::string& common_name) {
  TestCa authority;
  authority.key_ = make_key(KeyType::kEcdsa);
  authority.own_serial_ = next_serial_++;
  authority.certificate_ =
      unsigned_certificate(common_name, authority.key_.get(), authority.own_serial_,
                           unix_now() - std::chrono::hours(1), unix_now() + std::chrono::hours(48));
  X509* certificate = authority.certificate_.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate_.get()));
  make_authority(certificate, certificate_.get());
  CHECK(X509_sign(certificate, key_.get(), digest_for(key_.get())) > 0);
  return authority;
}

IssuedCertificate TestCa::issue(const CertificateRequest& request) {
  const PkeyPtr key = make_key(request.key_type);
  IssuedCertificate issued;
  issued.serial = next_serial_++;
  const X509Ptr certificate = unsigned_certificate(request.common_name, key.get(), issued.serial,
                                                   request.not_before, request.not_after);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  std::string names;
  for (const std::string& name : request.dns_names) {
    names += (names.empty() ? "DNS:" : ",DNS:") + name;
  }
  for (const std::string& address : request.ip_addresses) {
    names += (names.empty() ? "IP:" : ",IP:") + address;
  }
  if (!names.empty()) {
    add_extension(certificate.get(), certificate_.get(), NID_subject_alt_name, names);
  }
  if (!request.extended_key_usage.empty()) {
    add_extension(certificate.get(), certificate_.get(), NID_ext_key_usage,
                  request.extended_key_usage);
  }
  CHECK(X509_sign(certificate.get(), key_.get(), digest_for(key_.get())) > 0);
  issued.certificate_pem = pem_of_certificate(certificate.get());
  issued.key_pem = key_pem_of(key.get());
  return issued;
}

std::string TestCa::certificate_pem() const {
  return pem_of_certificate(certificate_.get());
}

std::string TestCa::crl_pem(const std::vector<long>& revoked, bool outdated) {
  using TimePtr = std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>>;
  using RevokedPtr = std::unique_ptr<X509_REVOKED, FreeWith<X509_REVOKED_free>>;
  using IntegerPtr = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
  const X509CrlPtr list(X509_CRL_new());
  CHECK(list != nullptr);
  const std::time_t now = seconds_of(unix_now());
  const TimePtr last(ASN1_TIME_set(nullptr, now - 7200));
  const TimePtr next(ASN1_TIME_set(nullptr, outdated ? now - 3600 : now + 86400));
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
  X509_CRL_set1_lastUpdate(list.get(), last.get());
  X509_CRL_set1_nextUpdate(list.get(), next.get());
  for (const long serial : revoked) {
    RevokedPtr entry(X509_REVOKED_new());
    const IntegerPtr number(ASN1_INTEGER_new());
    ASN1_INTEGER_set(number.get(), serial);
    X509_REVOKED_set_serialNumber(entry.get(), number.get());
    X509_REVOKED_set_revocationDate(entry.get(), last.get());
    CHECK(X509_CRL_add0_revoked(list.get(), entry.release()) == 1);
  }
  X509_CRL_sort(list.get());
  CHECK(X509_CRL_sign(list.get(), key_.get(), digest_for(key_.get())) > 0);
  return pem_of([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list.get()); });
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "usher-test-XXXXXX").string();
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::write(const std::string& name, const std::string& content) const {
  const std::string file = path_ + "/" + name;
  std::ofstream(file, std::ios::binary) << content;
  return file;
}

}  // namespace usher::test
