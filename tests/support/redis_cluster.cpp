#include "tests/support/redis_cluster.h"

#include <chrono>
#include <functional>
#include <thread>

#include "proxy/base/check.h"

namespace usher {
namespace {

constexpr std::size_t kSlots = 16384;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void wait_until(const std::function<bool()>& so) {
  for (int i = 0; i < 3000; ++i) {
    if (so()) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(!"the Redis cluster does not become what it should");
}

}  // namespace

RedisCluster::RedisCluster(std::size_t masters) : masters_(masters) {
  for (std::size_t i = 0; i < 2 * masters; ++i) {
    nodes_.push_back(std::make_unique<RedisServer>(std::vector<std::string>{
        "--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--cluster-port",
        std::to_string(free_port()), "--repl-diskless-sync-delay", "0",
        "--repl-ping-replica-period", "1"}));
  }
  join();
}

std::string RedisCluster::url(std::size_t index) const {
  return "redis://127.0.0.1:" + std::to_string(nodes_[index]->port());
}

std::string RedisCluster::id_of(std::size_t index) const {
  return nodes_[index]->cli({"CLUSTER", "MYID"});
}

// As redis-cli --cluster create does, without its pauses.
void RedisCluster::join() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    CHECK(nodes_[i]->cli({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}) == "OK");
    if (i < masters_) {
      CHECK(nodes_[i]->cli({"CLUSTER", "ADDSLOTSRANGE", std::to_string(kSlots * i / masters_),
                            std::to_string(kSlots * (i + 1) / masters_ - 1)}) == "OK");
    }
    const std::string bus = nodes_[i]->cli({"CONFIG", "GET", "cluster-port"});
    CHECK(nodes_[0]->cli({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[i]->port()),
                          bus.substr(bus.find('\n') + 1)}) == "OK");
  }
  for (std::size_t i = masters_; i < nodes_.size(); ++i) {
    const std::string master = id_of(i - masters_);
    wait_until([&] { return nodes_[i]->cli({"CLUSTER", "REPLICATE", master}) == "OK"; });
  }
  wait_until([&] { return well(); });
}

bool RedisCluster::well() const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const std::string info = nodes_[i]->cli({"CLUSTER", "INFO"});
    const std::string links = nodes_[i]->cli({"INFO", "replication"});
    if (!contains(info, "cluster_state:ok") ||
        !contains(info, "cluster_known_nodes:" + std::to_string(nodes_.size())) ||
        !contains(links, i < masters_ ? "state=online" : "master_link_status:up")) {
      return false;
    }
  }
  return true;
}

std::string RedisCluster::slot_of(const std::string& key) const {
  return nodes_.back()->cli({"CLUSTER", "KEYSLOT", key});
}

std::size_t RedisCluster::owner_of(const std::string& key) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const std::string answer = nodes_[i]->cli({"EXISTS", key});
    if (answer == "0" || answer == "1") {
      return i;
    }
  }
  CHECK(!"nobody owns the slot");
}

void RedisCluster::begin_to_move_slot_of(const std::string& key, std::size_t to) {
  const std::string slot = slot_of(key);
  const std::size_t from = owner_of(key);
  const std::string port = std::to_string(nodes_[to]->port());
  CHECK(nodes_[to]->cli({"CLUSTER", "SETSLOT", slot, "IMPORTING", id_of(from)}) == "OK");
  CHECK(nodes_[from]->cli({"CLUSTER", "SETSLOT", slot, "MIGRATING", id_of(to)}) == "OK");
  (void)nodes_[from]->cli({"MIGRATE", "127.0.0.1", port, key, "0", "1000"});
}

void RedisCluster::finish_moving_slot_of(const std::string& key, std::size_t to) {
  const std::string slot = slot_of(key);
  const std::string id = id_of(to);
  CHECK(nodes_[to]->cli({"CLUSTER", "SETSLOT", slot, "NODE", id}) == "OK");
  for (std::size_t i = 0; i < masters_; ++i) {
    (void)nodes_[i]->cli({"CLUSTER", "SETSLOT", slot, "NODE", id});
  }
}

void RedisCluster::move_slot_of(const std::string& key, std::size_t to) {
  begin_to_move_slot_of(key, to);
  finish_moving_slot_of(key, to);
}

}  // namespace usher
