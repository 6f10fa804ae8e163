#include "proxy/server/key_inputs.h"

#include <algorithm>
#include <utility>

#include "proxy/server/privileges.h"

namespace usher::server {
namespace {

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

class KeyInputsLoader {
 public:
  explicit KeyInputsLoader(const config::Config& config)
      : config_(config), tickets_(config.tickets) {}

  void load_keyd() {
    for (const std::string& text : tickets_.keyd) {
      if (auto endpoint = push::parse_endpoint(text)) {
        inputs.endpoints.push_back(*std::move(endpoint));
      } else {
        report(tickets_.keyd_place, endpoint.error());
      }
    }
    if (!tickets_.keyd_user.empty()) {
      if (const auto uid = uid_of(tickets_.keyd_user)) {
        inputs.keyd_users.insert(*uid);
      } else {
        report(tickets_.user_place, uid.error());
      }
    }
    if (std::ranges::any_of(inputs.endpoints, &push::Endpoint::tls)) {
      load_channel_tls();
    }
  }

  void load_files() {
    auto read = read_key_files(tickets_.file);
    const auto ring = read ? ring_of(*read, 1, {tickets_.seal_max_age, tickets_.open_max_age})
                           : Result<keyring::KeyRing>(Unexpected(read.error()));
    if (!ring) {
      report(tickets_.file_place, ring.error());
      return;
    }
    inputs.files = *std::move(read);
  }

  KeyInputs inputs;
  config::Problems problems;

 private:
  void load_channel_tls() {
    auto tls = push::ChannelTls::load({tickets_.ca, tickets_.cert, tickets_.key});
    if (!tls) {
      report(tickets_.tls_place, tls.error());
      return;
    }
    inputs.channel_tls = *std::move(tls);
    for (const std::string& note : inputs.channel_tls->warnings()) {
      warn(tickets_.tls_place, note);
    }
    const std::vector<std::string>& names = inputs.channel_tls->names();
    if (std::ranges::find(names, lower_case(config_.process.node)) == names.end()) {
      warn(tickets_.tls_place, tickets_.cert + " has no DNS name '" + config_.process.node +
                                   "', which is process.node; expected it among its "
                                   "subjectAltNames, or keyd refuses this proxy; change one");
    }
  }

  void report(const config::Place& place, const Error& error) {
    problems.messages.push_back(place.to_string() + ": " + error.message);
  }
  void warn(const config::Place& place, const std::string& note) {
    inputs.warnings.push_back(place.to_string() + ": " + note);
  }

  const config::Config& config_;
  const config::Tickets& tickets_;
};

}  // namespace

Result<KeyInputs, config::Problems> load_key_inputs(const config::Config& config) {
  KeyInputsLoader loader(config);
  if (config.tickets.source == config::TicketSource::kKeyd) {
    loader.load_keyd();
  } else if (config.tickets.source == config::TicketSource::kFile) {
    loader.load_files();
  }
  if (!loader.problems.messages.empty()) {
    return Unexpected(std::move(loader.problems));
  }
  return std::move(loader.inputs);
}

}  // namespace usher::server
