#include "proxy/server/loaded.h"

#include <utility>

namespace usher::server {

Result<Loaded, config::Problems> load_files(config::Config config, std::uint64_t number,
                                            const tls::LibraryContext& library,
                                            tls::CredentialPtr built_in) {
  auto keys = load_key_inputs(config);
  if (keys) {
    config.warnings.insert(config.warnings.end(), keys->warnings.begin(), keys->warnings.end());
  }
  auto generation = load_generation(std::move(config), number, library, std::move(built_in));
  config::Problems problems;
  if (!keys) {
    problems = keys.error();
  }
  if (!generation) {
    for (std::string& message : generation.error().messages) {
      problems.messages.push_back(std::move(message));
    }
  }
  if (!problems.messages.empty()) {
    return Unexpected(std::move(problems));
  }
  return Loaded{*std::move(generation), std::make_shared<const KeyInputs>(*std::move(keys))};
}

}  // namespace usher::server
