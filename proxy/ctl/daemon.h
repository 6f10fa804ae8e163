#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/ctl/control_client.h"

namespace usher::ctl {

inline constexpr std::chrono::milliseconds kLook(50);  // between two looks at what it is doing

// The daemon behind a control socket, asked in JSON. A refusal (HTTP status ≥ 400) is an error with
// the daemon's own words. Thread: any.
class Daemon {
 public:
  explicit Daemon(ControlClient client) : client_(std::move(client)) {}

  Result<nlohmann::json> get(std::string_view target) const;
  Result<nlohmann::json> post(std::string_view target) const;
  Result<nlohmann::json> post(std::string_view target, const nlohmann::json& body) const;
  Result<nlohmann::json> post_secret(std::string_view target, const SecretBuffer& body) const;
  // For an answer that is a key file.
  Result<SecretBuffer> post_for_secret(std::string_view target, const nlohmann::json& body) const;

  bool runs() const { return client_.daemon_runs(); }

 private:
  Result<Reply> post_json(std::string_view target, const nlohmann::json& body) const;

  ControlClient client_;
};

}  // namespace usher::ctl
