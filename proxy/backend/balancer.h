#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "proxy/backend/directory.h"
#include "proxy/base/socket_address.h"
#include "proxy/config/backend.h"
#include "proxy/uv/loop.h"

namespace usher::backend {

// Which server of a backend comes next, as one worker sees it: weights, balancing, limits, passive
// ejection, slow start, addresses that do not answer. Pure: time and addresses are arguments.
// Thread: one. Owner: a Group.
//
// Hash balancing is weighted rendezvous hashing: each server has a score for a key,
// weight / −ln(hash(key, server)), and the highest wins. A server that leaves moves only its own
// keys, shares are exactly by weight, nothing is built beforehand; a choice looks at every server.
class Balancer {
 public:
  struct Choice {
    std::size_t server = 0;  // index into the configuration's servers
    SocketAddress address;
  };
  // What a request or connection has tried; each address is tried at most once for it.
  struct Tried {
    std::vector<Choice> choices;  // allocates only after a first failure
  };
  struct View {
    const Endpoints& endpoints;
    uv::LoopTime now;
  };
  enum class Found : std::uint8_t {
    kServer,
    kBusy,  // only servers at their max_connections
    kNone,  // every address was tried, or none is known of a server that is up
  };

  // Each of `workers` has its part of max_connections, rounded up.
  Balancer(const config::Backend& settings, unsigned workers);

  // Servers that failed lately come last, and so do other addresses of a server that was tried.
  // A server with idle connections is not busy. `idle_will_do`: nor does it need an untried
  // address.
  Found choose(const View& view, const Tried& tried, std::uint64_t key, bool idle_will_do,
               std::size_t& server);
  // The next of the server's untried addresses, those that failed lately last; null when all were
  // tried.
  const SocketAddress* next_address(const View& view, std::size_t server, const Tried& tried);

  // Connections from the attempt to the end; idle ones are connections too.
  void connected(std::size_t server) { ++servers_[server].connections; }
  void disconnected(std::size_t server);
  void set_idle(std::size_t server, std::size_t count) { servers_[server].idle = count; }
  bool full(std::size_t server) const;
  bool has_room(const View& view) const;  // some server that may be chosen now is not busy

  // Outcomes. A failure may eject the server: true then. Never the last that is usable.
  void note_success(std::size_t server) { servers_[server].failures_in_row = 0; }
  bool note_failure(const View& view, std::size_t server);
  // Lets in again whose time is over, and calls with each.
  void readmit(uv::LoopTime now, const std::function<void(std::size_t)>& readmitted);
  bool ejected(std::size_t server) const { return servers_[server].ejected; }
  bool any_ejected() const { return ejected_ > 0; }
  uv::LoopTime next_readmission() const;  // LoopTime::max() when nothing is ejected
  void note_address(std::size_t server, const SocketAddress& address, bool answers,
                    uv::LoopTime now);

  // Of the active checks; all begin as up. One that comes back starts slowly.
  void set_up(std::size_t server, bool up, uv::LoopTime now);
  bool up(std::size_t server) const { return servers_[server].up; }
  bool in_use(std::size_t server) const { return servers_[server].up && !servers_[server].ejected; }

 private:
  struct FailingAddress {
    SocketAddress address;
    uv::LoopTime until;
  };
  struct Server {
    std::uint64_t seed = 0;  // of its label
    std::size_t connections = 0;
    std::size_t idle = 0;
    std::int64_t credit = 0;  // smooth weighted round robin
    std::size_t turn = 0;     // of its addresses
    std::vector<FailingAddress> failing;
    unsigned failures_in_row = 0;
    bool up = true;
    bool ejected = false;
    bool eligible = false;  // within one choice
    uv::LoopTime ejected_until{0};
    uv::LoopTime slow_until{0};  // 0: at its full weight
  };
  enum class Tier : std::uint8_t { kOthers, kOtherAddresses, kEjected };

  Found mark_eligible(const View& view, const Tried& tried, bool idle_will_do, Tier tier);
  bool fits(const View& view, const Tried& tried, bool idle_will_do, Tier tier,
            std::size_t index) const;
  std::size_t by_turns(uv::LoopTime now);
  std::size_t by_hash(uv::LoopTime now, std::uint64_t key) const;
  bool lighter(std::size_t a, std::size_t b, uv::LoopTime now) const;
  std::int64_t weight(std::size_t server, uv::LoopTime now) const;
  void come_back(Server& server, uv::LoopTime now) const;
  static bool failing(const Server& server, const SocketAddress& address, uv::LoopTime now);

  const config::Backend& settings_;  // the Group's
  std::size_t limit_;                // connections per server; 0: none
  std::size_t ejected_ = 0;          // servers that are
  std::vector<Server> servers_;
};

}  // namespace usher::backend
