#include "proxy/tls/session_context.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/tls/pem.h"

namespace usher::tls {

namespace {

using Kind = SessionContext::Kind;

constexpr std::string_view kHexPrefix = "hex:";

SessionIdContext context_of(ByteView bytes) {
  SessionIdContext context;
  CHECK(bytes.size() <= context.bytes.size());
  std::ranges::copy(bytes, context.bytes.begin());
  context.size = static_cast<std::uint8_t>(bytes.size());
  return context;
}

Result<SessionIdContext> parse_hex(std::string_view digits) {
  SessionIdContext context;
  if (digits.empty() || digits.size() % 2 != 0 || digits.size() > 2 * context.bytes.size() ||
      digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
    return fail("expected \"hex:\" and 1 to 32 bytes as pairs of hexadecimal digits");
  }
  for (; !digits.empty(); digits.remove_prefix(2)) {
    unsigned value = 0;
    std::from_chars(digits.data(), digits.data() + 2, value, 16);
    context.bytes[context.size++] = static_cast<std::byte>(value);
  }
  return context;
}

using Sha1 = std::array<unsigned char, SHA_DIGEST_LENGTH>;

void append(std::string& input, const Sha1& digest) {
  input.append(digest.begin(), digest.end());
}

Result<void> append_leaf(std::string& input, OSSL_LIB_CTX* library, const Credential& credential) {
  auto chain = certificates_in(library, bytes_of(credential.chain_pem));
  if (!chain) {
    return Unexpected(std::move(chain).error().within(credential.chain_path));
  }
  CHECK(!chain->empty());
  Sha1 digest;
  CHECK(X509_digest(chain->front().get(), EVP_sha1(), digest.data(), nullptr) == 1);
  append(input, digest);
  return {};
}

// As SSL_load_client_CA_file lists them.
Result<void> append_authorities(std::string& input, OSSL_LIB_CTX* library,
                                const ClientTrust& trust) {
  const auto authorities = certificates_in(library, bytes_of(trust.ca_pem));
  if (!authorities) {
    return Unexpected(Error(authorities.error()).within("client_ca"));
  }
  std::vector<const X509_NAME*> names;
  for (const X509Ptr& authority : *authorities) {
    const X509_NAME* name = X509_get_subject_name(authority.get());
    if (std::ranges::none_of(
            names, [&](const X509_NAME* other) { return X509_NAME_cmp(name, other) == 0; })) {
      names.push_back(name);
      Sha1 digest;
      CHECK(X509_NAME_digest(name, EVP_sha1(), digest.data(), nullptr) == 1);
      append(input, digest);
    }
  }
  return {};
}

Result<SessionIdContext> nginx_context(std::string_view word, OSSL_LIB_CTX* library,
                                       const std::vector<CredentialPtr>& credentials,
                                       const ClientTrust* trust) {
  std::string input(word);
  for (auto last_first = credentials.rbegin(); last_first != credentials.rend(); ++last_first) {
    if (auto appended = append_leaf(input, library, **last_first); !appended) {
      return Unexpected(std::move(appended).error());
    }
  }
  if (trust != nullptr) {
    if (auto appended = append_authorities(input, library, *trust); !appended) {
      return Unexpected(std::move(appended).error());
    }
  }
  Sha1 digest;
  CHECK(EVP_Digest(input.data(), input.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1);
  return context_of(std::as_bytes(std::span(digest)));
}

}  // namespace

Result<std::optional<SessionContext>> parse_session_context(std::string_view text) {
  if (text.empty()) {
    return std::optional<SessionContext>();
  }
  constexpr std::pair<std::string_view, Kind> kWords[] = {
      {"nginx", Kind::kNginx}, {"nginx-stream", Kind::kNginxStream}, {"haproxy", Kind::kHaproxy}};
  for (const auto& [word, kind] : kWords) {
    if (text == word) {
      return std::optional(SessionContext{kind, {}});
    }
  }
  if (!text.starts_with(kHexPrefix)) {
    return fail("expected \"nginx\", \"nginx-stream\", \"haproxy\" or \"hex:…\"");
  }
  auto bytes = parse_hex(text.substr(kHexPrefix.size()));
  if (!bytes) {
    return Unexpected(std::move(bytes).error());
  }
  return std::optional(SessionContext{Kind::kBytes, *bytes});
}

Result<SessionIdContext> session_id_context(const SessionContext& context, OSSL_LIB_CTX* library,
                                            const std::vector<CredentialPtr>& credentials,
                                            const ClientTrust* trust) {
  switch (context.kind) {
    case Kind::kNginx:
      return nginx_context("HTTP", library, credentials, trust);
    case Kind::kNginxStream:
      return nginx_context("STREAM", library, credentials, trust);
    case Kind::kHaproxy:
      return context_of(bytes_of("haproxy"));
    case Kind::kBytes:
      return context.bytes;
  }
  CHECK(false);
}

}  // namespace usher::tls
