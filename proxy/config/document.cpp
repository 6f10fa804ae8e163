#include "proxy/config/document.h"

#include <algorithm>
#include <utility>

#include "proxy/config/key_depth.h"
#include "proxy/config/toml_text.h"

// Recursive descent: without a small limit its frames of 3 KiB could use up a stack. No key of ours
// is nested deeper than a list of tables.
#define TOML_MAX_NESTED_VALUES 16
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace usher::config {
namespace {

unsigned line_of(const toml::source_region& source) {
  return std::max(1U, source.begin.line);
}

Value to_value(const toml::node& node);

void copy_array(const toml::array& array, Value& to) {
  for (const toml::node& item : array) {
    to.items.push_back(to_value(item));
  }
}

void copy_table(const toml::table& table, Value& to) {
  for (const auto& [key, node] : table) {
    to.entries.push_back({std::string(key.str()), line_of(key.source()), to_value(node)});
  }
}

// Depth is bounded: TOML_MAX_NESTED_VALUES × the parts of a key, checked before parsing.
Value to_value(const toml::node& node) {
  Value value;
  value.line = line_of(node.source());
  if (const auto* table = node.as_table()) {
    value.kind = Kind::kTable;
    copy_table(*table, value);
  } else if (const auto* array = node.as_array()) {
    value.kind = Kind::kArray;
    copy_array(*array, value);
  } else if (const auto* text = node.as_string()) {
    value.kind = Kind::kText;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Kind::kInteger;
    value.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = Kind::kBoolean;
    value.boolean = boolean->get();
  } else {
    value.kind = node.is_floating_point() ? Kind::kFloat : Kind::kDateTime;
  }
  return value;
}

}  // namespace

Result<Value, SyntaxError> parse_document(std::string_view text) {
  if (const auto line = line_of_too_deep_key(text)) {
    return Unexpected(SyntaxError{
        *line, "a key of more than " + std::to_string(kKeyPartsMax) +
                   " parts; expected at most two, as in 'backend.health'; write it as a table"});
  }
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Unexpected(
        SyntaxError{line_of(error.source()), "not TOML: " + printable(error.description(), 200) +
                                                 "; expected 'key = value' or a [table]"});
  }
  return to_value(parsed.table());
}

}  // namespace usher::config
