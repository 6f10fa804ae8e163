#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <string>

#include "proxy/redis/breaker.h"
#include "proxy/redis/connection.h"
#include "proxy/redis/refusal.h"
#include "proxy/redis/url.h"

namespace usher::redis {

// One Redis server of which nothing is expected: a connection and the breaker before it.
// Thread: the loop's. Owner: a tier or a Cluster; lives until its commands have ended.
class Node {
 public:
  // up(), asked() or arriving() may have changed. It may send commands and close().
  using OnChange = std::function<void()>;

  struct Options {
    std::chrono::milliseconds timeout;  // the longest that a command is given
    bool logs;  // when the connection is made and lost, with the server's label
  };

  Node(uv::Loop& loop, Server server, Options options, OnChange on_change);

  void open() { connection_.open(); }
  void close() { connection_.close(); }

  // Of a request that is about to be sent; 0: do not. ended() follows, or close().
  Breaker::Token admit();
  // `answered`: in time, and by a server that can serve.
  void ended(Breaker::Token token, bool answered);
  // The server answered that it is not the one to ask: the name is looked up and the connection
  // made again, not more often than a replica can be of use in between.
  void refused(Refusal refusal);

  bool up() const { return connection_.ready(); }
  bool arriving() const { return !told_; }  // its first attempt to connect has not ended
  bool asked() const { return up() && breaker_.closed(); }  // without reserve
  Connection& connection() { return connection_; }
  const Server& server() const { return connection_.server(); }

  bool knows_getdel = true;  // until it says otherwise

 private:
  void on_state(bool ready, const std::string& why);

  uv::Loop& loop_;
  const bool logs_;
  const OnChange on_change_;
  Breaker breaker_;
  std::optional<bool> told_;  // the state that was logged last; none before the first
  std::string told_why_;      // and why: attempts that fail for another reason are logged, too
  uv::LoopTime replace_from_{};
  std::minstd_rand random_{std::random_device{}()};
  Connection connection_;  // last: ends first, so that no callback finds members gone
};

}  // namespace usher::redis
