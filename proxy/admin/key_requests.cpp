#include "proxy/admin/key_requests.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "proxy/admin/json_response.h"
#include "proxy/admin/query.h"
#include "proxy/keyring/key_words.h"

namespace usher::admin {
namespace {

Unexpected<Response> bad_request(std::string_view why) {
  return Unexpected(error_response(400, why));
}

}  // namespace

std::optional<Response> wrong_method(const Request& request, bool changes) {
  if ((request.method == "POST") == changes) {
    return std::nullopt;
  }
  Response response =
      error_response(405, changes ? "this is a change: use POST" : "this page can only be read");
  response.allow = changes ? "POST" : "GET, HEAD";
  return response;
}

std::optional<std::string> only_member(const Request& request, const char* name) {
  const auto body = nlohmann::json::parse(request.body_text(), nullptr, false);
  if (!body.is_object() || body.size() != 1 || !body.contains(name) || !body[name].is_string()) {
    return std::nullopt;
  }
  return body[name].get<std::string>();
}

Result<bool, Response> parse_rotate(const Request& request) {
  const auto query = parse_query(request.query, {"now"});
  const auto now = query ? query_switch(*query, "now") : Unexpected(query.error());
  return now ? Result<bool, Response>(*now) : bad_request(now.error().message);
}

Result<keyring::KeyName, Response> parse_revoke(const Request& request) {
  const auto text = only_member(request, "name");
  const auto name = text ? keyring::parse_key_name(*text) : std::nullopt;
  if (!name) {
    return bad_request(R"(the body must be {"name": "NAME"}, a key's name in 32 hex digits)");
  }
  return *name;
}

Result<keyring::KeyFileFormat, Response> parse_export(const Request& request) {
  const auto word = only_member(request, "format");
  const auto format = word ? keyring::parse_key_file_format(*word) : std::nullopt;
  if (!format) {
    return bad_request(R"(the body must be {"format": "FORMAT"}: )" +
                       std::string(keyring::kKeyFileFormats));
  }
  return *format;
}

Result<ImportRequest, Response> parse_import(const Request& request) {
  const auto query = parse_query(request.query, {"format", "replace"});
  const auto replace = query ? query_switch(*query, "replace") : Unexpected(query.error());
  if (!replace) {
    return bad_request(replace.error().message);
  }
  const auto word = query->find("format");
  const auto format =
      word == query->end() ? std::nullopt : keyring::parse_key_file_format(word->second);
  if (!format) {
    return bad_request("parameter \"format\" must be " + std::string(keyring::kKeyFileFormats));
  }
  if (request.body.size() == 0) {
    return bad_request("the body must be the key file's bytes; it is empty");
  }
  return ImportRequest{*format, *replace};
}

Response key_file_response(SecretBuffer file) {
  Response response;
  response.content_type = "application/octet-stream";
  response.secret_body = std::move(file);
  return response;
}

}  // namespace usher::admin
