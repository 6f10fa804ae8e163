#include "proxy/session/session_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/base/secret.h"

namespace usher::session {
namespace {

using KdfPtr = std::unique_ptr<EVP_KDF, FreeWith<EVP_KDF_free>>;
using KdfCtxPtr = std::unique_ptr<EVP_KDF_CTX, FreeWith<EVP_KDF_CTX_free>>;
using MacPtr = std::unique_ptr<EVP_MAC, FreeWith<EVP_MAC_free>>;
using MacCtxPtr = std::unique_ptr<EVP_MAC_CTX, FreeWith<EVP_MAC_CTX_free>>;
using Mac = std::array<std::byte, 32>;
using Selector = std::array<std::byte, 4>;

constexpr std::size_t kRandomEnd = 24;  // of an id: selector and random bytes, then the MAC
constexpr std::size_t kIdMacSize = kIdSize - kRandomEnd;
constexpr std::array<std::byte, 32> kNoKey{};
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
static_assert(KeyBook::kSealOverhead == kNonceSize + kTagSize);

bool set_key(EVP_MAC_CTX* context, ByteView key) {
  return EVP_MAC_init(context, uchars(key), key.size(), nullptr) == 1;
}

// OpenSSL wipes its copy of the key before it takes another, and makes both hash states anew.
// Cheaper than a new context each time, and there is no call that only wipes.
void forget_key(EVP_MAC_CTX* context) {
  CHECK(set_key(context, kNoKey));
}

// A book's context while it has a key: OpenSSL keeps that and what it expands to on the ordinary
// heap, so only for one operation.
using KeyedMac = std::unique_ptr<EVP_MAC_CTX, FreeWith<forget_key>>;
using KeyedCipher = std::unique_ptr<EVP_CIPHER_CTX, FreeWith<EVP_CIPHER_CTX_reset>>;

// An HMAC-SHA-256 of the library, as forget_key() leaves it. Null: there is none.
MacCtxPtr hmac_sha256(OSSL_LIB_CTX* library) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  const MacPtr hmac(EVP_MAC_fetch(library, OSSL_MAC_NAME_HMAC, nullptr));
  MacCtxPtr context(hmac ? EVP_MAC_CTX_new(hmac.get()) : nullptr);
  if (!context || EVP_MAC_CTX_set_params(context.get(), params) != 1 ||
      !set_key(context.get(), kNoKey)) {
    return nullptr;
  }
  return context;
}

// The associated data: each of the two has one size, so no other pair reads the same.
template <auto Update>
bool bind(EVP_CIPHER_CTX* context, ByteView id, ByteView domain) {
  int size = 0;
  return id.size() == kIdSize && domain.size() == kDomainSize &&
         Update(context, nullptr, &size, uchars(id), static_cast<int>(id.size())) == 1 &&
         Update(context, nullptr, &size, uchars(domain), static_cast<int>(domain.size())) == 1;
}

bool same_key(const keyring::TicketKey& a, const keyring::TicketKey& b) {
  return a.name == b.name && std::ranges::equal(a.aes_bytes(), b.aes_bytes()) &&
         std::ranges::equal(a.hmac_bytes(), b.hmac_bytes());
}

}  // namespace

struct SessionKeys {
  keyring::TicketKeyPtr key;
  Selector selector{};
  Secret<32> id;
  Secret<32> name;
  Secret<32> value;
};

struct KeyBook::State {
  State(OSSL_LIB_CTX* library_context, const Snapshot<keyring::KeyRing>& rings)
      : library(library_context),
        ring(rings),
        hkdf(EVP_KDF_fetch(library, OSSL_KDF_NAME_HKDF, nullptr)),
        aes_gcm(EVP_CIPHER_fetch(library, "AES-256-GCM", nullptr)),
        mac(hmac_sha256(library)),
        cipher(EVP_CIPHER_CTX_new()) {}

  bool works() const { return hkdf && aes_gcm && mac && cipher; }
  const keyring::KeyRing& refreshed();
  std::unique_ptr<SessionKeys> derive(keyring::TicketKeyPtr key) const;
  bool expand(ByteView secret, std::string_view label, std::span<std::byte> into) const;
  bool mac_of(const Secret<32>& key, ByteView bytes, Mac& made);
  bool fill_random(std::span<std::byte> bytes) const;

  OSSL_LIB_CTX* library;  // the worker's; outlives this
  Snapshot<keyring::KeyRing>::Reader ring;
  KdfPtr hkdf;
  CipherPtr aes_gcm;
  MacCtxPtr mac;                                         // of zeros between two operations
  CipherCtxPtr cipher;                                   // empty between two operations
  std::shared_ptr<const keyring::KeyRing> derived_from;  // null: none yet
  std::vector<std::unique_ptr<SessionKeys>> derived;     // of that ring's keys, in its order
};

bool KeyBook::State::expand(ByteView secret, std::string_view label,
                            std::span<std::byte> into) const {
  char digest[] = "SHA256";
  auto* const info = const_cast<char*>(label.data());  // OSSL_PARAMs do not tell in from out
  auto* const key = const_cast<std::byte*>(secret.data());
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, label.size()),
      OSSL_PARAM_construct_end()};
  const KdfCtxPtr context(EVP_KDF_CTX_new(hkdf.get()));
  return context && EVP_KDF_derive(context.get(), writable_uchars(into), into.size(), params) == 1;
}

bool KeyBook::State::mac_of(const Secret<32>& key, ByteView bytes, Mac& made) {
  std::size_t size = 0;
  const KeyedMac keyed(mac.get());
  return set_key(keyed.get(), key.bytes()) &&
         EVP_MAC_update(keyed.get(), uchars(bytes), bytes.size()) == 1 &&
         EVP_MAC_final(keyed.get(), writable_uchars(made), &size, made.size()) == 1;
}

// Null: OpenSSL failed; then the key's ids are foreign.
std::unique_ptr<SessionKeys> KeyBook::State::derive(keyring::TicketKeyPtr key) const {
  SecretBuffer secret(key->aes_bytes().size() + key->hmac_bytes().size());
  const auto after_aes = std::ranges::copy(key->aes_bytes(), secret.bytes().begin()).out;
  std::ranges::copy(key->hmac_bytes(), after_aes);
  auto keys = std::make_unique<SessionKeys>();
  if (!expand(secret.bytes(), "usher session selector 1", keys->selector) ||
      !expand(secret.bytes(), "usher session id 1", keys->id.bytes()) ||
      !expand(secret.bytes(), "usher session name 1", keys->name.bytes()) ||
      !expand(secret.bytes(), "usher session value 1", keys->value.bytes())) {
    return nullptr;
  }
  keys->key = std::move(key);
  return keys;
}

// Of a new ring most keys are known. One from keyd is decoded anew each time, so the bytes tell.
const keyring::KeyRing& KeyBook::State::refreshed() {
  const auto& in_force = ring.current_shared();
  if (in_force == derived_from) {
    return *in_force;
  }
  std::vector<std::unique_ptr<SessionKeys>> before = std::exchange(derived, {});
  for (const keyring::KeyRing::Entry& entry : in_force->entries()) {
    const auto known = std::ranges::find_if(
        before, [&entry](const auto& keys) { return keys && same_key(*keys->key, *entry.key); });
    std::unique_ptr<SessionKeys> keys =
        known != before.end() ? std::move(*known) : derive(entry.key);
    if (keys) {
      keys->key = entry.key;  // lets go of the ring before
      derived.push_back(std::move(keys));
    }
  }
  derived_from = in_force;
  return *in_force;
}

bool KeyBook::State::fill_random(std::span<std::byte> bytes) const {
  return RAND_bytes_ex(library, writable_uchars(bytes), bytes.size(), 0) == 1;
}

Result<std::unique_ptr<KeyBook>> KeyBook::create(OSSL_LIB_CTX* library,
                                                 const Snapshot<keyring::KeyRing>& rings) {
  auto state = std::make_unique<State>(library, rings);
  if (!state->works()) {
    return fail(
        "OpenSSL has no HKDF, HMAC-SHA-256 or AES-256-GCM; check the providers in openssl.cnf");
  }
  return std::unique_ptr<KeyBook>(new KeyBook(std::move(state)));
}

KeyBook::KeyBook(std::unique_ptr<State> state) : state_(std::move(state)) {}

KeyBook::~KeyBook() = default;

void KeyBook::take_ring() {
  (void)state_->refreshed();
}

bool KeyBook::make_id(std::span<std::byte, kIdSize> id, BootClock::time_point now) {
  const keyring::TicketKey* sealing_key = state_->refreshed().sealing_key(now);
  const auto found = std::ranges::find_if(
      state_->derived, [=](const auto& keys) { return keys->key.get() == sealing_key; });
  if (!state_->fill_random(id) || found == state_->derived.end()) {
    return false;
  }
  const SessionKeys& keys = **found;
  std::ranges::copy(keys.selector, id.begin());
  Mac mac{};
  if (!state_->mac_of(keys.id, id.first<kRandomEnd>(), mac)) {
    return false;
  }
  std::copy_n(mac.begin(), kIdMacSize, id.begin() + kRandomEnd);
  return true;
}

// Two keys of one ring may have the same selector (one pair in 2^32): the MAC tells them apart.
const SessionKeys* KeyBook::keys_of(ByteView id, BootClock::time_point now) {
  if (id.size() != kIdSize) {
    return nullptr;
  }
  const keyring::KeyRing& ring = state_->refreshed();
  for (const auto& keys : state_->derived) {
    Mac mac{};
    if (std::ranges::equal(keys->selector, id.first(keys->selector.size())) &&
        ring.opening_key(keys->key->name, now) &&
        state_->mac_of(keys->id, id.first(kRandomEnd), mac) &&
        CRYPTO_memcmp(mac.data(), id.data() + kRandomEnd, kIdMacSize) == 0) {
      return keys.get();
    }
  }
  return nullptr;
}

std::array<std::byte, kNameSize> KeyBook::name_of(const SessionKeys& keys, ByteView id) {
  Mac name{};
  CHECK(state_->mac_of(keys.name, id, name));
  return name;
}

bool KeyBook::seal(const SessionKeys& keys, ByteView id, ByteView domain, ByteView session,
                   std::vector<std::byte>& sealed) {
  if (session.empty() || session.size() > kSealedMax - kSealOverhead) {
    return false;
  }
  sealed.resize(session.size() + kSealOverhead);
  const std::span nonce = std::span(sealed).first(kNonceSize);
  const std::span text = std::span(sealed).subspan(kNonceSize, session.size());
  const std::span tag = std::span(sealed).last(kTagSize);
  const KeyedCipher keyed(state_->cipher.get());
  EVP_CIPHER_CTX* const context = keyed.get();
  int size = 0;
  return state_->fill_random(nonce) &&
         EVP_EncryptInit_ex(context, state_->aes_gcm.get(), nullptr, uchars(keys.value.bytes()),
                            uchars(nonce)) == 1 &&
         bind<EVP_EncryptUpdate>(context, id, domain) &&
         EVP_EncryptUpdate(context, writable_uchars(text), &size, uchars(session),
                           static_cast<int>(session.size())) == 1 &&
         EVP_EncryptFinal_ex(context, writable_uchars(text) + size, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data()) == 1;
}

bool KeyBook::open(const SessionKeys& keys, ByteView id, ByteView domain, ByteView sealed,
                   std::span<std::byte> session, std::size_t& size) {
  if (sealed.size() <= kSealOverhead || sealed.size() > kSealedMax ||
      session.size() < sealed.size() - kSealOverhead) {
    return false;
  }
  const ByteView nonce = sealed.first(kNonceSize);
  const ByteView text = sealed.subspan(kNonceSize, sealed.size() - kSealOverhead);
  std::array<std::byte, kTagSize> tag{};  // OpenSSL takes it as void*
  std::ranges::copy(sealed.last(kTagSize), tag.begin());
  const std::span into = session.first(text.size());
  const KeyedCipher keyed(state_->cipher.get());
  EVP_CIPHER_CTX* const context = keyed.get();
  int written = 0;
  int rest = 0;
  ERR_set_mark();  // this runs inside OpenSSL's callbacks: no error may stay in its queue
  const bool opened =
      EVP_DecryptInit_ex(context, state_->aes_gcm.get(), nullptr, uchars(keys.value.bytes()),
                         uchars(nonce)) == 1 &&
      bind<EVP_DecryptUpdate>(context, id, domain) &&
      EVP_DecryptUpdate(context, writable_uchars(into), &written, uchars(text),
                        static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context, writable_uchars(into) + written, &rest) == 1;
  ERR_pop_to_mark();
  if (!opened) {
    wipe(into);
    return false;
  }
  size = text.size();
  return true;
}

}  // namespace usher::session
