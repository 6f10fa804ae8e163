#include "proxy/admin/query.h"

#include <algorithm>

namespace usher::admin {

Result<Query> parse_query(std::string_view text, std::initializer_list<std::string_view> known) {
  Query query;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const std::size_t equals = std::min(one.find('='), one.size());
    const std::string name(one.substr(0, equals));
    if (std::ranges::find(known, name) == known.end()) {
      return fail("unknown parameter \"" + name + "\"");
    }
    if (!query.emplace(name, one.substr(std::min(one.size(), equals + 1))).second) {
      return fail("parameter \"" + name + "\" is there twice");
    }
  }
  return query;
}

Result<bool> query_switch(const Query& query, std::string_view name) {
  const auto found = query.find(name);
  if (found == query.end() || found->second == "0") {
    return false;
  }
  if (found->second == "1") {
    return true;
  }
  return fail("parameter \"" + std::string(name) + "\" must be 0 or 1");
}

}  // namespace usher::admin
