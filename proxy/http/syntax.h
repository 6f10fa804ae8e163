#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace usher::http {

// The grammar's small parts (RFC 9110 §5.6, RFC 3986 §3.2). Pure; any thread.

bool is_token(std::string_view text);        // RFC 9110 §5.6.2
bool is_field_value(std::string_view text);  // §5.5: no CTL but HTAB, no white space around it
// Visible ASCII without "#". Wider than RFC 3986's path and query by "<>[\]^`{|} and the quote,
// which browsers send as they are; white space, CTL and bytes above 0x7e would be read differently
// by those who come behind.
bool is_target(std::string_view text);
// Whether somebody could take a segment of `path` (without query) for "." or "..": as it is, with
// "%2e", "%2f", "%5c" decoded, with "\\" for "/", or without its parameters (";").
bool has_dot_segment(std::string_view path);
// RFC 3986 §3.2 without userinfo: a name of unreserved characters without empty labels, an IPv4
// address or an [IPv6] one, and perhaps a port from 1 to 65535. No percent-encoding, no sub-delims:
// no name has them, and "a,b" must not be two.
bool is_authority(std::string_view text);
// The host of an authority, an IPv6 literal in its brackets.
std::string_view without_port(std::string_view authority);
// Equal hosts without regard to case, equal ports where `default_port` may be left out.
bool same_authority(std::string_view a, std::string_view b, std::string_view default_port);

// Content-Length: 1 to 19 digits, which fit; nullopt else.
std::optional<std::uint64_t> parse_length(std::string_view digits);

inline bool is_space(char c) {  // OWS of RFC 9110 §5.6.3
  return c == ' ' || c == '\t';
}
std::string_view trim(std::string_view text);  // of SP and HTAB

// The non-empty elements of a comma-separated list (RFC 9110 §5.6.1). Not for lists with quotes.
class ListReader {
 public:
  explicit ListReader(std::string_view list) : rest_(list) {}
  bool next(std::string_view& element);

 private:
  std::string_view rest_;
};

namespace characters {

inline constexpr std::uint8_t kToken = 1;
inline constexpr std::uint8_t kTarget = 2;
inline constexpr std::uint8_t kHostName = 4;
inline constexpr std::uint8_t kControl = 8;  // but HTAB

extern const std::array<std::uint8_t, 256> kClasses;

inline bool is(char character, std::uint8_t classes) {
  return (kClasses[static_cast<unsigned char>(character)] & classes) != 0;
}

}  // namespace characters
}  // namespace usher::http
