#pragma once

#include <cstdint>
#include <memory>

#include "proxy/server/generation.h"
#include "proxy/server/key_inputs.h"

namespace usher::server {

// Everything that one reading of the configuration's files gave. The key inputs do not belong to
// the generation, which lives longer than key files are valid.
struct Loaded {
  GenerationPtr generation;
  std::shared_ptr<const KeyInputs> keys;
};

// load_generation and load_key_inputs: the problems of both at once. Thread: main, or a thread
// beside it that has `library` for itself.
Result<Loaded, config::Problems> load_files(config::Config config, std::uint64_t number,
                                            const tls::LibraryContext& library,
                                            tls::CredentialPtr built_in = nullptr);

}  // namespace usher::server
