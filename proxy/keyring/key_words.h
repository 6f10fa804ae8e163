#pragma once

#include <optional>
#include <string_view>

#include "proxy/keyring/key_file.h"
#include "proxy/keyring/ticket_key.h"

// Keys and formats as operators write them: on the command line, in requests to control sockets.
namespace usher::keyring {

std::optional<KeyName> parse_key_name(std::string_view hex);                    // 32 hex digits
std::optional<KeyFileFormat> parse_key_file_format(std::string_view word);      // "usher" …
inline constexpr std::string_view kKeyFileFormats = "usher, nginx or haproxy";  // for messages

}  // namespace usher::keyring
