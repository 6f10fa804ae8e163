#include "tests/unit/tls/support/ticket_forge.h"

#include <openssl/hmac.h>

#include <array>
#include <cstring>

#include "proxy/base/check.h"

namespace usher::tls::test {

namespace {

constexpr std::size_t kIvSize = 16;
constexpr std::size_t kMacSize = 32;
constexpr unsigned char kSequence = 0x30;
constexpr unsigned char kOctetString = 0x04;
constexpr unsigned char kContext = 0xa0;  // constructed, explicit

const unsigned char* uchars(const std::string& text) {
  return usher::uchars(bytes_of(text));
}

std::string mac_of(const std::string& bytes, const keyring::TicketKey& key) {
  std::array<unsigned char, kMacSize> mac{};
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), key.hmac_bytes().data(), static_cast<int>(key.hmac_bytes().size()),
             uchars(bytes), bytes.size(), mac.data(), &size) != nullptr);
  return {mac.begin(), mac.end()};
}

std::string crypt(const std::string& input, const std::string& iv, const keyring::TicketKey& key,
                  bool encrypt) {
  const CipherCtxPtr context(EVP_CIPHER_CTX_new());
  std::string output(input.size() + kIvSize, '\0');
  auto* to = reinterpret_cast<unsigned char*>(output.data());
  int size = 0;
  int rest = 0;
  const EVP_CIPHER* cipher =
      key.size == keyring::KeySize::kAes256 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
  CHECK(EVP_CipherInit_ex(context.get(), cipher, nullptr, usher::uchars(key.aes_bytes()),
                          uchars(iv), encrypt ? 1 : 0) == 1);
  CHECK(EVP_CipherUpdate(context.get(), to, &size, uchars(input), static_cast<int>(input.size())) ==
        1);
  CHECK(EVP_CipherFinal_ex(context.get(), to + size, &rest) == 1);
  output.resize(static_cast<std::size_t>(size) + static_cast<std::size_t>(rest));
  return output;
}

std::string tlv(unsigned char tag, const std::string& content) {
  const std::size_t size = content.size();
  std::string result(1, static_cast<char>(tag));
  if (size >= 256) {
    result += {'\x82', static_cast<char>(size >> 8)};
  } else if (size >= 128) {
    result += '\x81';
  }
  return result + static_cast<char>(size & 0xff) + content;
}

// The TLV at the front: its whole size and where its content begins.
struct Extent {
  std::size_t head;
  std::size_t whole;
};

Extent first_tlv(const std::string& der) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(der.at(i)); };
  if (at(1) < 0x80) {
    return {2, 2U + at(1)};
  }
  std::size_t size = 0;
  const std::size_t octets = at(1) & 0x7f;
  for (std::size_t i = 0; i < octets; ++i) {
    size = size << 8 | at(2 + i);
  }
  return {2 + octets, 2 + octets + size};
}

}  // namespace

std::string der_of(const SSL_SESSION* session) {
  std::string der(static_cast<std::size_t>(i2d_SSL_SESSION(session, nullptr)), '\0');
  auto* to = reinterpret_cast<unsigned char*>(der.data());
  i2d_SSL_SESSION(session, &to);
  return der;
}

SslSessionPtr session_from(const std::string& der) {
  const unsigned char* from = uchars(der);
  SslSessionPtr session(d2i_SSL_SESSION(nullptr, &from, static_cast<long>(der.size())));
  CHECK(session != nullptr);
  return session;
}

std::string ticket_of(const SSL_SESSION* client_session) {
  const unsigned char* ticket = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(client_session, &ticket, &size);
  return {reinterpret_cast<const char*>(ticket), size};
}

SslSessionPtr session_in(const std::string& ticket, const keyring::TicketKey& key) {
  CHECK(ticket.size() > key.name.size() + kIvSize + kMacSize);
  CHECK(std::memcmp(ticket.data(), key.name.data(), key.name.size()) == 0);
  const std::string sealed = ticket.substr(0, ticket.size() - kMacSize);
  CHECK(mac_of(sealed, key) == ticket.substr(sealed.size()));
  return session_from(crypt(sealed.substr(key.name.size() + kIvSize),
                            sealed.substr(key.name.size(), kIvSize), key, false));
}

std::string seal_ticket(const std::string& plain, const keyring::TicketKey& key) {
  const std::string iv(kIvSize, 'i');
  const std::string sealed = std::string(text_of(key.name)) + iv + crypt(plain, iv, key, true);
  return sealed + mac_of(sealed, key);
}

std::string seal_ticket(SSL_SESSION* session, const keyring::TicketKey& key) {
  return seal_ticket(der_of(session), key);
}

SslSessionPtr with_ticket(SSL_SESSION* client_session, const std::string& ticket) {
  return with_field(client_session, SessionField::kTicket, tlv(kOctetString, ticket));
}

// The fields stand in the order of their tags, after those without one.
SslSessionPtr with_field(SSL_SESSION* session, SessionField field, const std::string& der) {
  const auto tag = static_cast<unsigned char>(kContext | static_cast<unsigned>(field));
  const std::string whole = der_of(session);
  std::string rest = whole.substr(first_tlv(whole).head);
  std::string before;
  std::string after;
  while (!rest.empty()) {
    const std::size_t size = first_tlv(rest).whole;
    const auto found = static_cast<unsigned char>(rest[0]);
    if (found != tag) {
      (found > tag ? after : before) += rest.substr(0, size);
    }
    rest.erase(0, size);
  }
  return session_from(tlv(kSequence, before + tlv(tag, der) + after));
}

std::string der_of(const X509* certificate) {
  std::string der(static_cast<std::size_t>(i2d_X509(certificate, nullptr)), '\0');
  auto* to = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &to);
  return der;
}

}  // namespace usher::tls::test
