#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace usher::admin {

// The parameters of "a=1&b=2": plain words, not percent-decoded. Unknown and repeated ones are
// errors that name them, so that a misspelled `replace` changes nothing.
using Query = std::map<std::string, std::string, std::less<>>;
Result<Query> parse_query(std::string_view text, std::initializer_list<std::string_view> known);

// A switch: absent or "0" is off, "1" is on.
Result<bool> query_switch(const Query& query, std::string_view name);

}  // namespace usher::admin
