#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/keyring/base64.h"
#include "proxy/keyring/key_file.h"
#include "tests/unit/keyring/support/test_keys.h"

// Key files made beside the code that reads them.
namespace usher::keyring::test {

inline KeyFile file_of(std::string_view bytes, std::string path = "keys",
                       BootClock::time_point changed = kStart) {
  KeyFile file{std::move(path), SecretBuffer(bytes.size()), changed};
  std::ranges::copy(bytes_of(bytes), file.bytes.bytes().begin());
  return file;
}

template <class... Files>
std::vector<KeyFile> files_of(Files... files) {
  std::vector<KeyFile> list;
  (list.push_back(std::move(files)), ...);
  return list;
}

// name n | first half of a's | second half of b's.
inline std::string raw_key(char name, char first, char second, std::size_t size = 80) {
  const std::size_t half = (size - kNameSize) / 2;
  return std::string(kNameSize, name) + std::string(half, first) + std::string(half, second);
}

inline std::string base64(std::string_view bytes) {
  std::string text(base64_size(bytes.size()), '\0');
  encode_base64(bytes_of(bytes), text);
  return text;
}

inline std::string lines(std::initializer_list<std::string> keys) {
  std::string text;
  for (const std::string& key : keys) {
    text += base64(key) + '\n';
  }
  return text;
}

inline std::string file_text(const SecretBuffer& bytes) {
  return std::string(text_of(bytes.bytes()));
}

// What a ring holds, to read by eye: "c:n/a/h" is current, name n…, AES a…, HMAC h…; 48-byte keys
// end in '.
inline std::string contents(const KeyRing& ring) {
  std::string text;
  for (const KeyRing::Entry& entry : ring.entries()) {
    const TicketKey& key = *entry.key;
    const auto uniform = [](std::span<const std::byte> bytes) {
      return std::ranges::all_of(bytes, [&](std::byte b) { return b == bytes[0]; })
                 ? std::string(1, static_cast<char>(bytes[0]))
                 : std::string("mixed");
    };
    text += text.empty() ? "" : " ";
    text += "ncp"[static_cast<int>(entry.state)];
    text +=
        ":" + uniform(key.name) + "/" + uniform(key.aes_bytes()) + "/" + uniform(key.hmac_bytes());
    text += key.size == KeySize::kAes128 ? "'" : "";
  }
  return text;
}

}  // namespace usher::keyring::test
