#include "proxy/config/toml_text.h"

#include <fmt/format.h>

namespace usher::config {
namespace {

constexpr std::size_t kValueBytesMax = 120;

std::string list_text(const Value& array) {
  std::string text = "[";
  for (const Value& item : array.items) {
    text += (text.size() == 1 ? "" : ", ") + toml_text(item);
    if (text.size() > kValueBytesMax) {
      return text.substr(0, kValueBytesMax) + "...]";
    }
  }
  return text + "]";
}

}  // namespace

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  for (const char c : text.substr(0, max_bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return text.size() > max_bytes ? out + "..." : out;
}

std::string toml_text(const Value& value) {
  switch (value.kind) {
    case Kind::kText:
      return '"' + printable(value.text) + '"';
    case Kind::kInteger:
      return std::to_string(value.integer);
    case Kind::kBoolean:
      return value.boolean ? "true" : "false";
    case Kind::kFloat:
      return "(a number with a fraction)";
    case Kind::kDateTime:
      return "(a date or time)";
    case Kind::kArray:
      return list_text(value);
    case Kind::kTable:
      return value.entries.empty() ? "{}" : "{...}";
  }
  return "";
}

std::string toml_text(std::string_view key, const Value& value) {
  return printable(key) + " = " + toml_text(value);
}

}  // namespace usher::config
