#pragma once

#include <optional>

#include "proxy/admin/http_message.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/keyring/key_file.h"
#include "proxy/keyring/ticket_key.h"

// The requests about ticket keys that both control sockets take (CONTRACT "Commands"): what they
// say, or the response that tells what was expected. Pure. Thread: any.
namespace usher::admin {

// 405 when the method does not fit: changes are POSTed, all else is read.
std::optional<Response> wrong_method(const Request& request, bool changes);

// The one string member `name` of a JSON object; none when the body is not of that shape.
std::optional<std::string> only_member(const Request& request, const char* name);

Result<bool, Response> parse_rotate(const Request& request);  // whether ?now=1
Result<keyring::KeyName, Response> parse_revoke(const Request& request);
Result<keyring::KeyFileFormat, Response> parse_export(const Request& request);
struct ImportRequest {
  keyring::KeyFileFormat format{};
  bool replace = false;
};
Result<ImportRequest, Response> parse_import(const Request& request);  // the body is the file

Response key_file_response(SecretBuffer file);

}  // namespace usher::admin
