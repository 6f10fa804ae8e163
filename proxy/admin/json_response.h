#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "proxy/admin/http_message.h"

namespace usher::admin {

// JSON as both control sockets speak it. Bytes that are no UTF-8 are replaced.
Response json_response(int status, const nlohmann::json& body);
// {"error": why}: what was expected and what to do, for a person.
Response error_response(int status, std::string_view why);

}  // namespace usher::admin
