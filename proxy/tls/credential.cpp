#include "proxy/tls/credential.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "proxy/tls/pem.h"

namespace usher::tls {

namespace {

Sha256 sha256_of(ByteView first, ByteView second = {}) {
  const DigestCtxPtr digest(EVP_MD_CTX_new());
  Sha256 result;
  // The first part's size goes first, so that no two pairs of parts run together.
  const std::uint64_t first_size = first.size();
  CHECK(digest != nullptr && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1 &&
        EVP_DigestUpdate(digest.get(), &first_size, sizeof first_size) == 1 &&
        EVP_DigestUpdate(digest.get(), first.data(), first.size()) == 1 &&
        EVP_DigestUpdate(digest.get(), second.data(), second.size()) == 1 &&
        EVP_DigestFinal_ex(digest.get(), writable_uchars(result), nullptr) == 1);
  return result;
}

UnixSeconds time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    ERR_clear_error();
    return {};
  }
  return UnixSeconds(std::chrono::seconds(::timegm(&parts)));
}

// One per type and name may stand side by side; empty for what OpenSSL cannot serve TLS with.
std::string_view type_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return "RSA";
    case EVP_PKEY_RSA_PSS:
      return "RSA-PSS";
    case EVP_PKEY_EC:
      return "ECDSA";
    case EVP_PKEY_ED25519:
      return "Ed25519";
    case EVP_PKEY_ED448:
      return "Ed448";
    default:
      return {};
  }
}

// A name that SNI can be compared with: letters, digits, '-', '_' and dots, "*." only in front.
bool is_host_name(std::string_view name) {
  if (name.starts_with("*.")) {
    name.remove_prefix(2);
  }
  return !name.empty() && name.size() <= 253 && name.front() != '.' && name.back() != '.' &&
         std::all_of(name.begin(), name.end(), [](char letter) {
           return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
                  letter == '-' || letter == '_' || letter == '.';
         });
}

std::string lower_case(std::string name) {
  for (char& letter : name) {
    letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return name;
}

void add_name(std::vector<std::string>& names, std::string name) {
  name = lower_case(std::move(name));
  if (is_host_name(name) && std::find(names.begin(), names.end(), name) == names.end()) {
    names.push_back(std::move(name));
  }
}

// DNS names of subjectAltName; only a certificate without any is known by its CN (RFC 6125 §6.4.4).
std::vector<std::string> names_of(const X509* certificate) {
  using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
  std::vector<std::string> names;
  const GeneralNamesPtr list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = list == nullptr ? 0 : sk_GENERAL_NAME_num(list.get());
  bool has_dns_name = false;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(list.get(), i);
    if (entry->type == GEN_DNS) {
      has_dns_name = true;
      const auto size = static_cast<std::size_t>(ASN1_STRING_length(entry->d.dNSName));
      add_name(names, std::string(text_of(std::as_bytes(
                          std::span(ASN1_STRING_get0_data(entry->d.dNSName), size)))));
    }
  }
  if (!has_dns_name) {
    add_name(names, common_name_of(certificate));
  }
  ERR_clear_error();
  return names;
}

struct Chain {
  std::vector<X509Ptr> certificates;
  std::vector<std::string> warnings;
};

Result<Chain> read_chain(const std::string& path) {
  auto file = read_pem_file(path);
  if (!file) {
    return Unexpected(std::move(file).error());
  }
  const std::string_view text = text_of(file->bytes());
  if (text.find("-----BEGIN ") == std::string_view::npos) {
    return fail(path + ": not a PEM file");
  }
  auto certificates = certificates_in(nullptr, file->bytes());
  if (!certificates) {
    return Unexpected(std::move(certificates).error().within(path));
  }
  if (certificates->empty()) {
    return fail(path + (text.find("PRIVATE KEY-----") != std::string_view::npos
                            ? ": holds a private key but no certificate; are chain and key "
                              "exchanged?"
                            : ": holds no certificate"));
  }
  Chain chain{std::move(*certificates), {}};
  for (std::size_t i = 0; i + 1 < chain.certificates.size(); ++i) {
    if (X509_NAME_cmp(X509_get_issuer_name(chain.certificates[i].get()),
                      X509_get_subject_name(chain.certificates[i + 1].get())) != 0) {
      chain.warnings.push_back(path + ": certificate " + std::to_string(i + 2) +
                               " is not the issuer of the one before it; clients may not be able "
                               "to verify the chain");
    }
  }
  return chain;
}

struct Key {
  SecretBuffer pem;
  PkeyPtr key;
  std::string_view type;
};

Result<Key> read_key(const std::string& path) {
  auto pem = read_pem_file(path);
  if (!pem) {
    return Unexpected(std::move(pem).error());
  }
  auto key = private_key_in(nullptr, pem->bytes());
  if (!key) {
    return Unexpected(std::move(key).error().within(path));
  }
  const std::string_view type = type_of(key->get());
  if (type.empty()) {
    const char* name = EVP_PKEY_get0_type_name(key->get());
    return fail(path + ": a key of type " + (name == nullptr ? "unknown" : name) +
                " cannot serve TLS; use RSA, ECDSA or Ed25519");
  }
  return Key{std::move(*pem), std::move(*key), type};
}

Result<void> match(const Chain& chain, const std::string& chain_path, const Key& key,
                   const std::string& key_path) {
  for (std::size_t i = 0; i < chain.certificates.size(); ++i) {
    if (X509_check_private_key(chain.certificates[i].get(), key.key.get()) == 1) {
      if (i == 0) {
        return {};
      }
      ERR_clear_error();
      return fail(fmt::format(
          "{}: wrong order: the key in {} belongs to certificate {}; the server's certificate must "
          "be first, then its CAs",
          chain_path, key_path, i + 1));
    }
  }
  ERR_clear_error();
  return fail(key_path + ": this key does not belong to the certificate in " + chain_path + " (" +
              subject_of(chain.certificates.front().get()) + ")");
}

void check_validity(Credential& credential, const Chain& chain, UnixSeconds now,
                    std::vector<std::string>& warnings) {
  credential.not_before = UnixSeconds::min();
  credential.not_after = UnixSeconds::max();
  for (const X509Ptr& certificate : chain.certificates) {
    const UnixSeconds begin = time_of(X509_get0_notBefore(certificate.get()));
    const UnixSeconds end = time_of(X509_get0_notAfter(certificate.get()));
    credential.not_before = std::max(credential.not_before, begin);
    credential.not_after = std::min(credential.not_after, end);
    if (end <= now || begin > now) {
      warnings.push_back(credential.chain_path + ": the certificate of " +
                         subject_of(certificate.get()) +
                         (end <= now ? " has expired" : " is not valid yet"));
    }
  }
}

}  // namespace

Result<LoadedCredential> load_credential(const std::string& chain_path, const std::string& key_path,
                                         const std::vector<std::string>& names, UnixSeconds now) {
  auto chain = read_chain(chain_path);
  if (!chain) {
    return Unexpected(std::move(chain).error());
  }
  auto key = read_key(key_path);
  if (!key) {
    return Unexpected(std::move(key).error());
  }
  if (auto matched = match(*chain, chain_path, *key, key_path); !matched) {
    return Unexpected(std::move(matched).error());
  }
  auto credential = std::make_shared<Credential>();
  credential->chain_path = chain_path;
  credential->key_path = key_path;
  credential->chain_pem = to_pem(chain->certificates);  // without the key of a combined file
  credential->key_pem = std::move(key->pem);
  credential->digest =
      sha256_of(bytes_of(credential->chain_pem), std::as_const(credential->key_pem).bytes());
  credential->key_type = key->type;
  std::vector<std::string> warnings = std::move(chain->warnings);
  check_validity(*credential, *chain, now, warnings);
  if (names.empty()) {
    credential->names = names_of(chain->certificates.front().get());
    if (credential->names.empty()) {
      warnings.push_back(
          chain_path +
          ": the certificate has no DNS name, so no SNI chooses it; set names = [...]");
    }
  }
  for (const std::string& name : names) {
    const std::string lower = lower_case(name);
    if (!is_host_name(lower)) {
      return fail(fmt::format("{}: '{}' is not a host name or *.domain", chain_path, name));
    }
    add_name(credential->names, lower);
  }
  return LoadedCredential{std::move(credential), std::move(warnings)};
}

}  // namespace usher::tls
