#include "proxy/tls/client_hello.h"

#include <openssl/tls1.h>

namespace usher::tls {

namespace {

constexpr std::size_t kHostNameMax = 255;  // RFC 1035 §2.3.4; OpenSSL's own limit too
constexpr std::byte kHostNameType{0};      // RFC 6066 §3

std::optional<ByteView> extension_of(SSL* ssl, unsigned type) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, type, &data, &size) != 1) {
    return std::nullopt;
  }
  return std::as_bytes(std::span(data, size));
}

std::size_t number_at(ByteView bytes, std::size_t at) {
  return std::to_integer<std::size_t>(bytes[at]) << 8 | std::to_integer<std::size_t>(bytes[at + 1]);
}

// RFC 8446 §4.2.1: one length byte, then two bytes a version. OpenSSL refuses a malformed list
// later.
bool lists_tls13(ByteView versions) {
  for (std::size_t at = 1; at + 1 < versions.size(); at += 2) {
    if (number_at(versions, at) == TLS1_3_VERSION) {
      return true;
    }
  }
  return false;
}

// RFC 8446 §4.2.11: the list's length, then each identity's length, bytes and four bytes of age.
// OpenSSL refuses a malformed list later.
ByteView first_identity_of(ByteView extension) {
  constexpr std::size_t kHead = 4;
  if (extension.size() < kHead) {
    return {};
  }
  const std::size_t size = number_at(extension, 2);
  return size <= extension.size() - kHead ? extension.subspan(kHead, size) : ByteView();
}

// RFC 6066 §4: one byte, 1 to 4. OpenSSL refuses other values later.
unsigned fragment_length_of(ByteView extension) {
  const auto code = extension.size() == 1 ? std::to_integer<unsigned>(extension[0]) : 0U;
  return code >= 1 && code <= 4 ? 256U << code : 0U;
}

}  // namespace

SniResult parse_sni_extension(ByteView extension, std::string& host) {
  // ServerNameList<1..2^16-1> of one ServerName: type, then HostName<1..2^16-1>. Only one name per
  // type is allowed and no other type was ever defined, so anything behind the first name is
  // refused.
  constexpr std::size_t kHead = 5;
  if (extension.size() <= kHead || number_at(extension, 0) != extension.size() - 2 ||
      extension[2] != kHostNameType || number_at(extension, 3) != extension.size() - kHead ||
      extension.size() - kHead > kHostNameMax) {
    return SniResult::kMalformed;
  }
  const std::string_view name = text_of(extension.subspan(kHead));
  if (name.find('\0') != std::string_view::npos) {
    return SniResult::kMalformed;
  }
  host.assign(name);
  for (char& letter : host) {
    if (letter >= 'A' && letter <= 'Z') {
      letter = static_cast<char>(letter - 'A' + 'a');
    }
  }
  return SniResult::kPresent;
}

HelloFacts read_hello(SSL* ssl) {
  HelloFacts facts;
  if (const auto name = extension_of(ssl, TLSEXT_TYPE_server_name)) {
    facts.sni_malformed = parse_sni_extension(*name, facts.sni) == SniResult::kMalformed;
  }
  if (const auto versions = extension_of(ssl, TLSEXT_TYPE_supported_versions)) {
    facts.offers_tls13 = lists_tls13(*versions);
  }
  if (const auto identities = extension_of(ssl, TLSEXT_TYPE_psk)) {
    facts.offers_psk = true;
    facts.first_identity = first_identity_of(*identities);
  }
  if (const auto ticket = extension_of(ssl, TLSEXT_TYPE_session_ticket)) {
    facts.offers_ticket = !ticket->empty();
  }
  const unsigned char* id = nullptr;
  const std::size_t id_size = SSL_client_hello_get0_session_id(ssl, &id);
  facts.session_id = std::as_bytes(std::span(id, id_size));
  if (const auto length = extension_of(ssl, TLSEXT_TYPE_max_fragment_length)) {
    facts.max_fragment_length = fragment_length_of(*length);
  }
  return facts;
}

}  // namespace usher::tls
