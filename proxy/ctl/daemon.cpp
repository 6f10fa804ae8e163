#include "proxy/ctl/daemon.h"

#include <fmt/format.h>

#include <utility>

#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

using nlohmann::json;

constexpr int kFirstRefusal = 400;

Unexpected<Error> refusal_of(const Reply& reply) {
  const json body = json::parse(reply.text(), nullptr, false);
  const std::string why = body.is_object() ? member_text(body, "error") : "";
  return fail(why.empty() ? fmt::format("the daemon answered with HTTP status {}", reply.status)
                          : why);
}

Result<json> json_of(Result<Reply> reply) {
  if (!reply) {
    return Unexpected(std::move(reply).error());
  }
  if (reply->status >= kFirstRefusal) {
    return refusal_of(*reply);
  }
  json body = json::parse(reply->text(), nullptr, false);
  if (!body.is_object()) {
    return fail("the daemon's answer is no JSON object; is it of another version?");
  }
  return body;
}

}  // namespace

Result<json> Daemon::get(std::string_view target) const {
  return json_of(client_.get(target));
}

Result<json> Daemon::post(std::string_view target) const {
  return json_of(client_.post(target, {}));
}

Result<json> Daemon::post(std::string_view target, const json& body) const {
  return json_of(post_json(target, body));
}

Result<Reply> Daemon::post_json(std::string_view target, const json& body) const {
  std::string text;
  try {
    text = body.dump();
  } catch (const json::type_error&) {
    return fail("names are UTF-8; what was given is not");
  }
  return client_.post(target, bytes_of(text));
}

Result<json> Daemon::post_secret(std::string_view target, const SecretBuffer& body) const {
  return json_of(client_.post(target, body.bytes()));
}

Result<SecretBuffer> Daemon::post_for_secret(std::string_view target, const json& body) const {
  auto reply = post_json(target, body);
  if (!reply) {
    return Unexpected(std::move(reply).error());
  }
  if (reply->status >= kFirstRefusal) {
    return refusal_of(*reply);
  }
  if (reply->content_type != "application/octet-stream") {
    return fail("the daemon's answer is no key file; is it of another version?");
  }
  return std::move(reply->body);
}

}  // namespace usher::ctl
