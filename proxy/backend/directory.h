#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "proxy/base/snapshot.h"
#include "proxy/base/socket_address.h"
#include "proxy/config/config.h"
#include "proxy/uv/loop.h"

namespace usher::backend {

// The addresses of each server of a backend, in the order of its configuration; empty: not (yet)
// resolved.
using Endpoints = std::vector<std::vector<SocketAddress>>;
using SharedEndpoints = std::shared_ptr<const Snapshot<Endpoints>>;

// Resolves a backend's server names at start and every `resolve_every`, without blocking, and
// publishes the addresses to the workers' groups. Literal addresses are there at once. A failed
// look-up keeps the last good addresses and is logged once per change; while a server has none the
// next look-up comes after a second. Thread: main's loop. Owner: the server's generation; groups
// keep only the snapshot.
class Directory {
 public:
  // Names that one of `known` (the directories in force) has resolved begin with its addresses: a
  // reload while DNS is down must not lose them.
  Directory(uv::Loop& loop, const config::Backend& backend,
            std::span<const Directory* const> known = {});
  ~Directory();
  Directory(const Directory&) = delete;

  // Calls back once, when every name has been answered (well or not) for the first time; at once
  // when there are only literal addresses.
  void start(std::function<void()> on_first_answers);
  SharedEndpoints endpoints() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::backend
