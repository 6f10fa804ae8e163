#include "proxy/config/key_depth.h"

#include <algorithm>

namespace usher::config {
namespace {

std::size_t end_or(std::size_t found, std::string_view text) {
  return std::min(found, text.size());
}

// `at` is just behind an opening quote; the answer is the closing one, or the end of line or text.
std::size_t end_of_line_string(std::string_view text, std::size_t at, char quote) {
  while (at < text.size() && text[at] != quote && text[at] != '\n') {
    const bool escape = quote == '"' && text[at] == '\\' && at + 1 < text.size();
    at += escape && text[at + 1] != '\n' ? 2 : 1;
  }
  return at;
}

// `at` is just behind the opening three; the answer is the last quote of the closing run, which may
// begin with two that belong to the text.
std::size_t end_of_long_string(std::string_view text, std::size_t at, char quote) {
  const std::string_view closing = quote == '"' ? R"(""")" : "'''";
  while (at < text.size() && text.substr(at, 3) != closing) {
    at += quote == '"' && text[at] == '\\' ? 2 : 1;
  }
  std::size_t last = at + 2;
  for (int extra = 0; extra < 2 && last + 1 < text.size() && text[last + 1] == quote; ++extra) {
    ++last;
  }
  return end_or(last, text);
}

std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const bool is_long = text.substr(at, 3) == std::string_view(quote == '"' ? R"(""")" : "'''");
  return is_long ? end_of_long_string(text, at + 3, quote)
                 : end_of_line_string(text, at + 1, quote);
}

unsigned line_at(std::string_view text, std::size_t at) {
  return 1 + static_cast<unsigned>(std::count(text.begin(), text.begin() + at, '\n'));
}

}  // namespace

std::optional<unsigned> line_of_too_deep_key(std::string_view text) {
  unsigned parts = 1;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = end_of_string(text, at);
      if (at < text.size() && text[at] == '\n') {
        parts = 1;
      }
    } else if (c == '#') {
      at = end_or(text.find('\n', at), text);
      parts = 1;
    } else if (c == '.' && ++parts > kKeyPartsMax) {
      return line_at(text, at);
    } else if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) {
      parts = 1;
    }
  }
  return std::nullopt;
}

}  // namespace usher::config
