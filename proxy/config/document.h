#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"

// A TOML file as a plain tree with line numbers. toml++ stays in document.cpp: its headers alone
// cost more to compile than the rest of this folder.
namespace usher::config {

enum class Kind { kText, kInteger, kFloat, kBoolean, kDateTime, kArray, kTable };

struct Entry;

// One value; only the member that `kind` names is set (dates and floats have none: no key takes
// them).
struct Value {
  Kind kind = Kind::kTable;
  unsigned line = 0;  // from 1
  std::string text;
  std::int64_t integer = 0;
  bool boolean = false;
  std::vector<Value> items;
  std::vector<Entry> entries;  // by key, each key once
};

struct Entry {
  std::string key;
  unsigned line = 0;
  Value value;
};

struct SyntaxError {
  unsigned line = 0;
  std::string message;  // printable ASCII
};

inline constexpr std::size_t kDocumentBytesMax = 1 << 20;

// The whole file as one table; refused above kDocumentBytesMax. Nothing in `text` makes it recurse
// deeper than some 300 levels.
Result<Value, SyntaxError> parse_document(std::string_view text);

}  // namespace usher::config
