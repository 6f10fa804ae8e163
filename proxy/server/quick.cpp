#include "proxy/server/quick.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"

namespace usher::server {
namespace {

constexpr long kValidSeconds = 30L * 24 * 3600;
constexpr long kClockSkewSeconds = 3600;  // a client whose clock is a little behind

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;

bool add_extension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

X509Ptr sign_certificate(EVP_PKEY* key) {
  X509Ptr certificate(X509_new());
  std::uint64_t serial = 0;
  if (!certificate || RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) {
    return nullptr;
  }
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const bool made =
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kClockSkewSeconds) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds) != nullptr &&
      X509_set_pubkey(certificate.get(), key) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                                 0) == 1 &&
      X509_set_issuer_name(certificate.get(), subject) == 1 &&
      add_extension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
      add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature") &&
      add_extension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
      X509_sign(certificate.get(), key, EVP_sha256()) != 0;
  return made ? std::move(certificate) : nullptr;
}

ByteView contents(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return std::as_bytes(std::span(data, static_cast<std::size_t>(size)));
}

}  // namespace

Result<config::Config> quick_config(const std::string& listen, const std::string& backend) {
  config::Config config;
  const auto address = SocketAddress::parse(listen);
  if (!address) {
    return fail("--listen '" + listen +
                "' is no address; expected HOST:PORT such as 127.0.0.1:8443");
  }
  const auto server = parse_host_port(backend);
  if (!server || server->port == 0) {
    return fail("--backend '" + backend +
                "' is no server; expected HOST:PORT such as 127.0.0.1:8080");
  }
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  const bool known = ::sched_getaffinity(0, sizeof cpus, &cpus) == 0;
  config.process.node = "localhost";
  config.process.workers = known ? static_cast<unsigned>(std::max(1, CPU_COUNT(&cpus))) : 1;
  config.process.drain_timeout = std::chrono::seconds(5);
  config.admin.listen = "127.0.0.1:0";
  config.admin.socket.clear();
  config::Listener listener;
  listener.name = "quick";
  listener.address = *address;
  listener.mode = config::Mode::kHttp;
  listener.alpn = {"h2", "http/1.1"};
  listener.backend = "quick";
  config.listeners.push_back(std::move(listener));
  config::Backend group;
  group.name = "quick";
  group.servers.push_back({server->host, server->port, 1});
  config.backends.push_back(std::move(group));
  return config;
}

Result<tls::CredentialPtr> make_self_signed() {
  const PkeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr certificate = key ? sign_certificate(key.get()) : nullptr;
  // BIO_s_mem wipes what it frees.
  const BioPtr chain(BIO_new(BIO_s_mem()));
  const BioPtr secret(BIO_new(BIO_s_mem()));
  if (!certificate || !chain || !secret ||
      PEM_write_bio_X509(chain.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return fail("OpenSSL could not make a self-signed certificate");
  }
  auto credential = std::make_shared<tls::Credential>();
  credential->chain_path = credential->key_path = "(self-signed)";
  credential->chain_pem = text_of(contents(chain.get()));
  const ByteView pem = contents(secret.get());
  credential->key_pem = SecretBuffer(pem.size());
  std::copy(pem.begin(), pem.end(), credential->key_pem.bytes().begin());
  SHA256(uchars(bytes_of(credential->chain_pem)), credential->chain_pem.size(),
         writable_uchars(credential->digest));
  credential->key_type = "ECDSA";
  credential->names = {"localhost"};
  credential->not_before = unix_now() - std::chrono::seconds(kClockSkewSeconds);
  credential->not_after = unix_now() + std::chrono::seconds(kValidSeconds);
  return tls::CredentialPtr(std::move(credential));
}

}  // namespace usher::server
