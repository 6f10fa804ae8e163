#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/redis_server.h"

namespace usher {

// A real Redis cluster of one test: masters with one replica each, slots shared out evenly; a dead
// master is replaced within two seconds. Each member returns when what it asks for is so.
// Thread: one. Owner: a test.
class RedisCluster {
 public:
  explicit RedisCluster(std::size_t masters = 3);
  RedisCluster(const RedisCluster&) = delete;

  // Masters first, then their replicas in the same order.
  RedisServer& node(std::size_t index) { return *nodes_[index]; }
  std::size_t size() const { return nodes_.size(); }
  std::string url(std::size_t index) const;

  std::size_t owner_of(const std::string& key) const;  // the index of the node that serves it
  // The key's slot, with the key in it if there is one, from its master to another.
  void move_slot_of(const std::string& key, std::size_t to);
  // Begins to: the slot is migrating and importing, its keys have been moved.
  void begin_to_move_slot_of(const std::string& key, std::size_t to);
  void finish_moving_slot_of(const std::string& key, std::size_t to);

 private:
  std::string id_of(std::size_t index) const;
  std::string slot_of(const std::string& key) const;
  void join();
  bool well() const;

  std::size_t masters_;
  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

}  // namespace usher
