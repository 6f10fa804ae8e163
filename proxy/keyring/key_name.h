#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "proxy/keyring/ticket_key.h"

namespace usher::keyring {

using FleetTag = std::array<std::byte, 4>;
using NameKey = Secret<32>;
using NameSalt = std::array<std::byte, 8>;

struct NameParts {
  FleetTag tag{};
  std::uint32_t epoch = 0;  // big-endian inside the name
  bool operator==(const NameParts&) const = default;
};

// name = (tag ‖ epoch) XOR AES-256(name_key, salt ‖ salt)[0..8) ‖ salt (DESIGN §5): strangers learn
// neither rotations nor which hosts belong together.
KeyName mask_name(const NameParts& parts, const NameSalt& salt, const NameKey& name_key);
NameParts unmask_name(const KeyName& name, const NameKey& name_key);

}  // namespace usher::keyring
