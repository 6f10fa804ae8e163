#include "keyd/sealed_state.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "keyd/state_codec.h"
#include "proxy/base/check.h"
#include "proxy/base/openssl_ptr.h"

namespace usher::keyd {
namespace {

constexpr std::string_view kMagic = "usherkd1";
constexpr std::size_t kKindAt = 8;
constexpr std::size_t kTermAt = 9;
constexpr std::size_t kVersionAt = 17;
constexpr std::size_t kNonceAt = 25;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kCipherAt = kNonceAt + kNonceBytes;
static_assert(kSealOverhead == kCipherAt + kTagBytes);

void put_number(std::span<std::byte> into, std::uint64_t value) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    into[i] = static_cast<std::byte>(value >> (8 * (into.size() - 1 - i)));
  }
}

std::uint64_t number_at(ByteView bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (const std::byte byte : bytes.subspan(at, 8)) {
    value = value << 8 | std::to_integer<std::uint64_t>(byte);
  }
  return value;
}

std::vector<std::byte> associated_data(std::string_view fleet, ByteView head) {
  std::vector<std::byte> data(2);
  put_number(data, fleet.size());
  const ByteView name = bytes_of(fleet);
  data.insert(data.end(), name.begin(), name.end());
  data.insert(data.end(), head.begin(), head.end());
  return data;
}

// A cipher context for one message, with key, nonce and associated data taken in.
CipherCtxPtr begin(bool sealing, const StoreKey& key, ByteView nonce, ByteView associated) {
  CipherCtxPtr context(EVP_CIPHER_CTX_new());
  int size = 0;
  CHECK(context && EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, uchars(key.bytes()),
                                     uchars(nonce), sealing ? 1 : 0) == 1);
  CHECK(EVP_CipherUpdate(context.get(), nullptr, &size, uchars(associated),
                         static_cast<int>(associated.size())) == 1);
  return context;
}

}  // namespace

Result<std::vector<std::byte>> seal(const StoreKey& key, SealedAs as,
                                    keyring::KeyRing::Version version, ByteView plain) {
  CHECK(!plain.empty() && plain.size() <= kStateBytesMax && as.fleet.size() <= 0xffff);
  std::vector<std::byte> sealed(kSealOverhead + plain.size());
  const std::span<std::byte> all(sealed);
  std::ranges::copy(bytes_of(kMagic), all.begin());
  all[kKindAt] = static_cast<std::byte>(as.kind);
  put_number(all.subspan(kTermAt, 8), version.term);
  put_number(all.subspan(kVersionAt, 8), version.version);
  const auto nonce = all.subspan(kNonceAt, kNonceBytes);
  if (RAND_bytes(writable_uchars(nonce), static_cast<int>(nonce.size())) != 1) {
    return fail("no random bytes for a nonce");
  }
  const CipherCtxPtr context =
      begin(true, key, nonce, associated_data(as.fleet, all.first(kNonceAt)));
  int size = 0;
  CHECK(EVP_CipherUpdate(context.get(), writable_uchars(all.subspan(kCipherAt)), &size,
                         uchars(plain), static_cast<int>(plain.size())) == 1);
  CHECK(static_cast<std::size_t>(size) == plain.size());
  CHECK(EVP_CipherFinal_ex(context.get(), writable_uchars(all.last(kTagBytes)), &size) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                            all.last(kTagBytes).data()) == 1);
  return sealed;
}

Result<Opened> open_sealed(const StoreKey& key, SealedAs as, ByteView sealed) {
  if (sealed.size() <= kSealOverhead || sealed.size() > kSealOverhead + kStateBytesMax ||
      text_of(sealed.first(kMagic.size())) != kMagic ||
      sealed[kKindAt] != static_cast<std::byte>(as.kind)) {
    return fail("not what usher-keyd saves, or cut off");
  }
  std::array<std::byte, kTagBytes> tag{};  // OpenSSL wants it writable
  std::ranges::copy(sealed.last(kTagBytes), tag.begin());
  const ByteView cipher = sealed.subspan(kCipherAt, sealed.size() - kSealOverhead);
  const CipherCtxPtr context = begin(false, key, sealed.subspan(kNonceAt, kNonceBytes),
                                     associated_data(as.fleet, sealed.first(kNonceAt)));
  Opened opened{{number_at(sealed, kTermAt), number_at(sealed, kVersionAt)},
                SecretBuffer(cipher.size())};
  int size = 0;
  unsigned char* into = writable_uchars(opened.plain.bytes());
  const bool genuine =
      EVP_CipherUpdate(context.get(), into, &size, uchars(cipher),
                       static_cast<int>(cipher.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_CipherFinal_ex(context.get(), into + size, &size) == 1;
  if (!genuine) {
    return fail("sealed under another key_file, for another keyd.fleet, or damaged");
  }
  return opened;
}

}  // namespace usher::keyd
