#include "proxy/admin/json_response.h"

#include <nlohmann/json.hpp>
#include <string>

namespace usher::admin {

using nlohmann::json;

Response json_response(int status, const json& body) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = body.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  return response;
}

Response error_response(int status, std::string_view why) {
  return json_response(status, {{"error", std::string(why)}});
}

}  // namespace usher::admin
