#include "proxy/tls/ticket_decoder.h"

#include <openssl/err.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/base/secret.h"
#include "proxy/keyring/ring_changes.h"
#include "proxy/tls/pem.h"
#include "proxy/tls/ticket_policy.h"

namespace usher::tls {

namespace {

constexpr std::size_t kIvBytes = 16;
constexpr std::size_t kBlockBytes = 16;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kFrameBytes = keyring::kNameSize + kIvBytes + kMacBytes;

bool has_whole_blocks(ByteView ticket) {
  return ticket.size() >= kFrameBytes + kBlockBytes &&
         (ticket.size() - kFrameBytes) % kBlockBytes == 0;
}

bool mac_verifies(ByteView ticket, const keyring::TicketKey& key) {
  const ByteView sealed = ticket.first(ticket.size() - kMacBytes);
  std::array<unsigned char, kMacBytes> mac{};
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), key.hmac_bytes().data(), static_cast<int>(key.hmac_bytes().size()),
             uchars(sealed), sealed.size(), mac.data(), &size) != nullptr &&
        size == kMacBytes);
  return CRYPTO_memcmp(mac.data(), ticket.last(kMacBytes).data(), kMacBytes) == 0;
}

// The session's DER with its secrets; none when the padding is wrong.
std::optional<SecretBuffer> decrypt(ByteView ticket, const keyring::TicketKey& key) {
  const ByteView iv = ticket.subspan(keyring::kNameSize, kIvBytes);
  const ByteView sealed =
      ticket.subspan(keyring::kNameSize + kIvBytes, ticket.size() - kFrameBytes);
  const EVP_CIPHER* cipher =
      key.size == keyring::KeySize::kAes256 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
  SecretBuffer plain(sealed.size() + kBlockBytes);
  int size = 0;
  int rest = 0;
  const CipherCtxPtr context(EVP_CIPHER_CTX_new());
  CHECK(context && EVP_DecryptInit_ex(context.get(), cipher, nullptr, uchars(key.aes_bytes()),
                                      uchars(iv)) == 1);
  CHECK(EVP_DecryptUpdate(context.get(), writable_uchars(plain.bytes()), &size, uchars(sealed),
                          static_cast<int>(sealed.size())) == 1);
  if (EVP_DecryptFinal_ex(context.get(), writable_uchars(plain.bytes()) + size, &rest) != 1) {
    return std::nullopt;
  }
  SecretBuffer exact(static_cast<std::size_t>(size + rest));
  std::ranges::copy(plain.bytes().first(exact.size()), exact.bytes().begin());
  return exact;
}

// As OpenSSL takes it from a ticket: nothing may follow.
SslSessionPtr session_in(const SecretBuffer& plain) {
  const unsigned char* at = uchars(plain.bytes());
  SslSessionPtr session(d2i_SSL_SESSION(nullptr, &at, static_cast<long>(plain.size())));
  return at == uchars(plain.bytes()) + plain.size() ? std::move(session) : nullptr;
}

std::string protocol_of(const SSL_SESSION* session) {
  switch (const int version = SSL_SESSION_get_protocol_version(session)) {
    case TLS1_3_VERSION:
      return "TLSv1.3";
    case TLS1_2_VERSION:
      return "TLSv1.2";
    case DTLS1_2_VERSION:
      return "DTLSv1.2";
    default: {
      std::array<char, 16> text{};
      std::snprintf(text.data(), text.size(), "0x%04x", static_cast<unsigned>(version) & 0xffff);
      return text.data();
    }
  }
}

std::chrono::seconds bounded(long seconds) {
  return std::clamp(std::chrono::seconds(seconds), std::chrono::seconds(0),
                    keyring::kUnixTimeMax.time_since_epoch());
}

void read_app_data(SSL_SESSION* session, DecodedSession& into) {
  void* bytes = nullptr;
  std::size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &bytes, &size) != 1) {
    return;
  }
  if (const auto data = decode_app_data({static_cast<const std::byte*>(bytes), size})) {
    into.lineage_start = data->lineage_start;
    if (data->domain) {
      into.own_domain.assign(data->domain->begin(), data->domain->end());
    }
  }
}

DecodedSession read(SSL_SESSION* session) {
  DecodedSession decoded;
  decoded.protocol = protocol_of(session);
  if (const SSL_CIPHER* cipher = SSL_SESSION_get0_cipher(session)) {
    decoded.cipher = SSL_CIPHER_get_name(cipher);
  }
  decoded.time = UnixSeconds(bounded(SSL_SESSION_get_time(session)));
  decoded.timeout = bounded(SSL_SESSION_get_timeout(session));
  if (const char* name = SSL_SESSION_get0_hostname(session)) {
    decoded.sni = name;
  }
  const unsigned char* alpn = nullptr;
  std::size_t alpn_size = 0;
  SSL_SESSION_get0_alpn_selected(session, &alpn, &alpn_size);
  decoded.alpn = text_of(std::as_bytes(std::span(alpn, alpn_size)));
  unsigned domain_size = 0;
  const unsigned char* domain = SSL_SESSION_get0_id_context(session, &domain_size);
  const ByteView sid_ctx = std::as_bytes(std::span(domain, domain_size));
  decoded.domain.assign(sid_ctx.begin(), sid_ctx.end());
  if (const X509* peer = SSL_SESSION_get0_peer(session)) {
    decoded.client_subject = subject_of(peer);
  }
  read_app_data(session, decoded);
  return decoded;
}

// With a key of that name.
void open(ByteView ticket, const keyring::TicketKey& key, DecodedTicket& decoded) {
  decoded.ticket_cipher = key.size == keyring::KeySize::kAes256 ? "AES-256-CBC" : "AES-128-CBC";
  if (!mac_verifies(ticket, key)) {
    decoded.verdict = TicketVerdict::kBadMac;
    return;
  }
  decoded.verdict = TicketVerdict::kNoSession;
  const auto plain = decrypt(ticket, key);
  const SslSessionPtr session = plain && plain->size() > 0 ? session_in(*plain) : nullptr;
  if (session != nullptr) {
    decoded.session = read(session.get());
    decoded.verdict = TicketVerdict::kOpened;
  }
  ERR_clear_error();
}

}  // namespace

DecodedTicket decode_ticket(ByteView ticket, const keyring::KeyRing& ring) {
  DecodedTicket decoded;
  if (!has_whole_blocks(ticket)) {
    return decoded;
  }
  std::ranges::copy(ticket.first(keyring::kNameSize), decoded.key_name.begin());
  if (ring.name_key()) {
    const keyring::NameParts parts = keyring::unmask_name(decoded.key_name, *ring.name_key());
    if (parts.tag == ring.tag()) {
      decoded.epoch = parts.epoch;
    }
  }
  const keyring::KeyRing::Entry* entry = keyring::find_key(ring, decoded.key_name);
  if (entry == nullptr) {
    decoded.verdict = TicketVerdict::kUnknownKey;
    decoded.unknown = ring.classify_unknown(decoded.key_name);
    return decoded;
  }
  open(ticket, *entry->key, decoded);
  return decoded;
}

}  // namespace usher::tls
