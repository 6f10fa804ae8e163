#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/base/socket_address.h"

namespace usher::uv {

class Loop;

// Looks names up with getaddrinfo on libuv's thread pool, so that no loop ever waits for DNS.
// Thread: the loop's. Owner: anyone, also a callback may destroy it; no callback afterwards.
class Resolver {
 public:
  using OnResolved = std::function<void(Result<std::vector<SocketAddress>>)>;

  explicit Resolver(Loop& loop);
  ~Resolver();
  Resolver(const Resolver&) = delete;

  // All stream addresses of `host` with `port` set, in the resolver's order, duplicates removed. A
  // literal address resolves too. The callback runs from the loop, never inside the call.
  void resolve(const std::string& host, std::uint16_t port, OnResolved on_resolved);

 private:
  struct Request;
  Loop& loop_;
  std::vector<Request*> pending_;  // requests whose callbacks still wait
};

}  // namespace usher::uv
