#include "proxy/ctl/session_text.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "proxy/ctl/table.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

using nlohmann::json;

constexpr std::array kResults{"hit", "miss", "timeout", "error", "unsealable", "liar", "skipped"};

std::string memory_text(const json& memory) {
  return fmt::format("{} of {}, {} bytes, {} evicted", member_text(memory, "entries"),
                     member_text(memory, "max"), member_text(memory, "bytes"),
                     member_text(memory, "evictions"));
}

bool has_redis(const json& sessions) {
  return sessions.at("redis").is_object();
}

void add_counts(Table& table, const json& tier, const char* name) {
  for (const char* what : {"lookups", "stores"}) {
    std::vector<std::string> row{name, what};
    for (const char* result : kResults) {
      row.push_back(member_text(tier.at(what), result));
    }
    table.add(std::move(row));
  }
}

std::string counts_table(const json& sessions) {
  std::vector<Table::Column> columns{{"TIER"}, {"WHAT"}};
  for (const char* result : {"HIT", "MISS", "TIMEOUT", "ERROR", "UNSEALABLE", "LIAR", "SKIPPED"}) {
    columns.push_back({result, Table::Align::kRight});
  }
  Table table(std::move(columns));
  add_counts(table, sessions.at("memory"), "memory");
  if (has_redis(sessions)) {
    add_counts(table, sessions.at("redis"), "redis");
  }
  return table.to_string();
}

std::string nodes_table(const json& redis) {
  Table table({{"REDIS"}, {"UP"}, {"BREAKER"}});
  for (const json& node : redis.at("nodes")) {
    table.add({member_text(node, "node"), node.value("up", false) ? "yes" : "no",
               node.value("breaker_open", false) ? "open" : "closed"});
  }
  return table.to_string();
}

std::string redis_text(const json& redis) {
  std::size_t up = 0;
  for (const json& node : redis.at("nodes")) {
    up += node.value("up", false) && !node.value("breaker_open", false) ? 1 : 0;
  }
  return fmt::format("; Redis: {} of {} usable", up, count_text(redis.at("nodes").size(), "node"));
}

}  // namespace

std::string sessions_line(const json& sessions) {
  const json& memory = sessions.at("memory");
  return fmt::format("{} of {} in memory", member_text(memory, "entries"),
                     member_text(memory, "max")) +
         (has_redis(sessions) ? redis_text(sessions.at("redis")) : "");
}

std::string sessions_text(const json& sessions) {
  Table facts;
  facts.add({"memory", memory_text(sessions.at("memory"))});
  facts.add({"stateful TLS 1.3", sessions.value("stateful_tls13", false) ? "yes" : "no"});
  std::string text = facts.to_string() + "\n" + counts_table(sessions);
  if (has_redis(sessions)) {
    text += "\n" + nodes_table(sessions.at("redis"));
  }
  return text;
}

}  // namespace usher::ctl
