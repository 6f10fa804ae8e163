#include "proxy/keyring/key_name.h"

#include <openssl/evp.h>

#include <algorithm>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/base/openssl_ptr.h"

namespace usher::keyring {
namespace {

using Mask = std::array<std::byte, 8>;

Mask mask_of(const NameSalt& salt, const NameKey& name_key) {
  std::array<std::byte, 16> block{};
  std::ranges::copy(salt, block.begin());
  std::ranges::copy(salt, block.begin() + 8);
  std::array<std::byte, 32> out{};
  int size = 0;
  const CipherCtxPtr context(EVP_CIPHER_CTX_new());
  CHECK(context &&
        EVP_EncryptInit_ex(context.get(), EVP_aes_256_ecb(), nullptr, uchars(name_key.bytes()),
                           nullptr) == 1 &&
        EVP_EncryptUpdate(context.get(), writable_uchars(out), &size, uchars(block), 16) == 1);
  Mask mask{};
  std::copy_n(out.begin(), mask.size(), mask.begin());
  return mask;
}

}  // namespace

KeyName mask_name(const NameParts& parts, const NameSalt& salt, const NameKey& name_key) {
  KeyName name{};
  std::ranges::copy(parts.tag, name.begin());
  for (std::size_t i = 0; i < 4; ++i) {
    name[4 + i] = static_cast<std::byte>(parts.epoch >> (24 - 8 * i));
  }
  const Mask mask = mask_of(salt, name_key);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    name[i] ^= mask[i];
  }
  std::ranges::copy(salt, name.begin() + 8);
  return name;
}

NameParts unmask_name(const KeyName& name, const NameKey& name_key) {
  NameSalt salt{};
  std::copy_n(name.begin() + 8, salt.size(), salt.begin());
  const Mask mask = mask_of(salt, name_key);
  NameParts parts;
  for (std::size_t i = 0; i < 4; ++i) {
    parts.tag[i] = name[i] ^ mask[i];
    parts.epoch = parts.epoch << 8 | std::to_integer<std::uint32_t>(name[4 + i] ^ mask[4 + i]);
  }
  return parts;
}

}  // namespace usher::keyring
