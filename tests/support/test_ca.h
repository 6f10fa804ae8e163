#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/openssl_ptr.h"

// Certificates for tests, made in the process: no files, no openssl command.
namespace usher::test {

enum class KeyType { kEcdsa, kRsa2048, kRsa1024, kEd25519, kX25519 };

PkeyPtr make_key(KeyType type);
std::string key_pem_of(const EVP_PKEY* key, const char* password = nullptr);

struct CertificateRequest {
  std::string common_name = "test";
  std::vector<std::string> dns_names = {};
  KeyType key_type = KeyType::kEcdsa;
  UnixSeconds not_before = unix_now() - std::chrono::hours(1);
  UnixSeconds not_after = unix_now() + std::chrono::hours(24);
  std::vector<std::string> ip_addresses = {};
  std::string extended_key_usage = {};  // as openssl.cnf writes it: "serverAuth"
};

// A certificate with its key, as PEM files would hold them.
struct IssuedCertificate {
  std::string certificate_pem;
  std::string key_pem;
  long serial = 0;
};

// A certificate authority that lives in memory.
class TestCa {
 public:
  static TestCa root(const std::string& common_name, KeyType type = KeyType::kEcdsa);
  TestCa intermediate(const std::string& common_name);

  IssuedCertificate issue(const CertificateRequest& request);
  std::string certificate_pem() const;
  long serial() const { return own_serial_; }
  // A revocation list with these serials, next update in one day (or in the past).
  std::string crl_pem(const std::vector<long>& revoked, bool outdated = false);

 private:
  TestCa() = default;

  X509Ptr certificate_;
  PkeyPtr key_;
  long own_serial_ = 1;
  long next_serial_ = 100;
};

// A directory that is removed at the end with what was written into it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& content) const;  // the file's path

 private:
  std::string path_;
};

}  // namespace usher::test
