#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/tls/ticket_decoder.h"

namespace {

using namespace usher;

keyring::TicketKeyPtr make_key(keyring::KeySize size, unsigned fill) {
  auto key = std::make_shared<keyring::TicketKey>();
  key->size = size;
  key->name.fill(static_cast<std::byte>(fill));
  const std::size_t bytes = size == keyring::KeySize::kAes256 ? 32 : 16;
  std::ranges::fill(key->aes.bytes().first(bytes), static_cast<std::byte>(fill + 1));
  std::ranges::fill(key->hmac.bytes().first(bytes), static_cast<std::byte>(fill + 2));
  return key;
}

keyring::KeyRing make_ring() {
  auto name_key = std::make_shared<keyring::NameKey>();
  std::ranges::fill(name_key->bytes(), std::byte{9});
  auto ring = keyring::KeyRing::make(
      {{1, 1},
       {{make_key(keyring::KeySize::kAes256, 'A'), keyring::KeyState::kCurrent},
        {make_key(keyring::KeySize::kAes128, 'a'), keyring::KeyState::kPrevious}},
       {},
       {},
       name_key});
  CHECK(ring);
  return *std::move(ring);
}

// A ticket of the right key with any content (RFC 5077 §4).
std::vector<std::byte> sealed(ByteView plain, const keyring::TicketKey& key) {
  const EVP_CIPHER* cipher =
      key.size == keyring::KeySize::kAes256 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
  std::vector<std::byte> ticket(32 + plain.size() + 16);
  std::ranges::copy(key.name, ticket.begin());
  int size = 0;
  int rest = 0;
  const CipherCtxPtr context(EVP_CIPHER_CTX_new());
  unsigned char* out = writable_uchars(std::span(ticket).subspan(32));
  CHECK(EVP_EncryptInit_ex(context.get(), cipher, nullptr, uchars(key.aes_bytes()),
                           uchars(ByteView(ticket).subspan(16, 16))) == 1 &&
        EVP_EncryptUpdate(context.get(), out, &size, uchars(plain),
                          static_cast<int>(plain.size())) == 1 &&
        EVP_EncryptFinal_ex(context.get(), out + size, &rest) == 1);
  const auto mac_at = static_cast<std::size_t>(32 + size + rest);
  ticket.resize(mac_at + 32);
  unsigned mac_size = 0;
  CHECK(HMAC(EVP_sha256(), key.hmac_bytes().data(), static_cast<int>(key.hmac_bytes().size()),
             uchars(ticket), mac_at, writable_uchars(std::span(ticket).subspan(mac_at)),
             &mac_size) != nullptr);
  return ticket;
}

}  // namespace

// Any bytes as a ticket, and as what a ticket of the right key holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const keyring::KeyRing ring = make_ring();
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const tls::DecodedTicket raw = tls::decode_ticket(bytes, ring);
  CHECK(raw.session.has_value() == (raw.verdict == tls::TicketVerdict::kOpened));
  for (const auto& entry : ring.entries()) {
    const auto ticket = sealed(bytes, *entry.key);
    const tls::DecodedTicket decoded = tls::decode_ticket(ticket, ring);
    CHECK(decoded.verdict == tls::TicketVerdict::kOpened ||
          decoded.verdict == tls::TicketVerdict::kNoSession);
    CHECK(decoded.session.has_value() == (decoded.verdict == tls::TicketVerdict::kOpened));
    if (decoded.session) {
      CHECK(decoded.session->time >= UnixSeconds{} && decoded.session->timeout.count() >= 0);
    }
  }
  return 0;
}
