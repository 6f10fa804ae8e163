#include "proxy/ctl/key_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "proxy/ctl/table.h"
#include "proxy/ctl/text.h"
#include "proxy/keyring/ticket_key.h"

namespace usher::ctl {
namespace {

using nlohmann::json;
using Align = Table::Align;

constexpr std::size_t kShortNameMin = 8;
constexpr std::size_t kPrefixMin = 4;  // fewer would revoke by a slip of the fingers

std::vector<std::string> names_of(const json& keys) {
  std::vector<std::string> names;
  for (const json& key : keys.at("keys")) {
    names.push_back(key.at("name"));
  }
  return names;
}

std::string yes_no(const json& object, const char* name) {
  return object.at(name).get<bool>() ? "yes" : "no";
}

// "1/7": term and version; "-" for none.
std::string pair_text(const json& pair) {
  if (pair.is_null() || (pair.at("term") == 0 && pair.at("version") == 0)) {
    return "-";
  }
  return pair.at("term").dump() + "/" + pair.at("version").dump();
}

std::string limit_text(const json& keys, const char* name) {
  const json& limit = keys.at(name);
  return limit.is_null() ? "without limit" : "until " + age_text(limit) + " old";
}

std::string leader_text(const json& keys) {
  if (keys.at("leading").get<bool>()) {
    return "this keyd";
  }
  const std::string leader = member_text(keys, "leader");
  return leader.empty() ? "nobody known" : leader + "; this keyd stands by";
}

std::string workers_text(const json& keys) {
  const json& workers = keys.at("workers");
  const std::string ring = pair_text(keys);
  std::string behind;
  for (const json& worker : workers) {
    if (pair_text(worker) != ring) {
      behind += fmt::format("{}worker {} reads {}", behind.empty() ? "" : ", ",
                            worker.at("worker").dump(), pair_text(worker));
    }
  }
  return behind.empty() ? fmt::format("all {} read {}", workers.size(), ring) : behind;
}

std::string facts_text(const json& keys) {
  Table facts;
  facts.add({"source", member_text(keys, "source")});
  facts.add(
      {"ring",
       fmt::format("term {}, version {}{}", member_text(keys, "term"), member_text(keys, "version"),
                   keys.at("fleet").is_null() ? "" : ", fleet " + member_text(keys, "fleet"))});
  facts.add({"keys seal", limit_text(keys, "seal_max_age_seconds")});
  facts.add({"keys open", limit_text(keys, "open_max_age_seconds")});
  if (!keys.at("lineage_not_before").is_null()) {
    facts.add({"revoked", "what began until " + time_text(keys.at("lineage_not_before"))});
  }
  if (keys.contains("files")) {
    facts.add({"files", joined(keys.at("files"))});
  }
  if (keys.contains("workers")) {
    facts.add({"workers", workers_text(keys)});
  }
  if (keys.contains("leading")) {
    facts.add({"leader", leader_text(keys)});
  }
  if (keys.contains("store_up")) {
    facts.add({"store", keys.at("store_up").get<bool>() ? "up" : "DOWN"});
  }
  if (keys.contains("held") && !keys.at("held").is_null()) {
    const json& held = keys.at("held");
    facts.add({"promotion", fmt::format("held for {}, waiting for {}", age_text(held.at("seconds")),
                                        joined(held.at("waiting_for")))});
  }
  return facts.to_string();
}

std::string keys_table(const json& keys) {
  if (keys.at("keys").empty()) {
    return "no keys\n";
  }
  const std::size_t digits = short_name_size(names_of(keys));
  Table table({{"NAME"},
               {"EPOCH", Align::kRight},
               {"STATE"},
               {"AGE", Align::kRight},
               {"SEALS"},
               {"OPENS"}});
  for (const json& key : keys.at("keys")) {
    table.add({member_text(key, "name").substr(0, digits), member_text(key, "epoch"),
               member_text(key, "state"), age_text(key.at("age_seconds")), yes_no(key, "seals"),
               yes_no(key, "opens")});
  }
  return table.to_string();
}

std::string endpoints_table(const json& endpoints) {
  Table table({{"KEYD"}, {"RING"}, {"CONNECTION"}});
  for (const json& endpoint : endpoints) {
    const bool connected = endpoint.at("connected");
    const std::string error = member_text(endpoint, "error");
    table.add({member_text(endpoint, "endpoint"), pair_text(endpoint),
               connected       ? member_text(endpoint, "peer")
               : error.empty() ? "connecting"
                               : error});
  }
  return table.to_string();
}

}  // namespace

std::string keys_text(const json& keys) {
  std::string text = facts_text(keys) + "\n" + keys_table(keys);
  if (keys.contains("endpoints")) {
    text += "\n" + endpoints_table(keys.at("endpoints"));
  }
  if (keys.contains("members")) {
    text += "\n" + members_table(keys.at("members"));
  }
  return text;
}

std::string members_table(const json& members) {
  if (members.empty()) {
    return "no nodes\n";
  }
  Table table(
      {{"NODE"}, {"INSTANCE"}, {"APPLIED"}, {"CURRENT"}, {"CONNECTED"}, {"HEARD", Align::kRight}});
  for (const json& member : members) {
    table.add({member_text(member, "node"),
               member_text(member, "instance").substr(0, kShortNameMin),
               pair_text(member.at("applied")), yes_no(member, "current"),
               yes_no(member, "connected"), age_text(member.at("last_heard_seconds")) + " ago"});
  }
  return table.to_string();
}

std::size_t short_name_size(const std::vector<std::string>& names) {
  std::vector<std::string> sorted = names;
  std::ranges::sort(sorted);
  std::size_t digits = kShortNameMin;
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const auto [one, other] = std::ranges::mismatch(sorted[i - 1], sorted[i]);
    digits = std::max(digits, static_cast<std::size_t>(one - sorted[i - 1].begin()) + 1);
  }
  return digits;
}

bool is_name_prefix(std::string_view text) {
  return text.size() >= kPrefixMin && text.size() <= 2 * keyring::kNameSize &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

Result<std::string> whole_name(std::string_view prefix, const json& keys) {
  if (!is_name_prefix(prefix)) {
    return fail("\"" + printable(prefix) + "\" is no key name: give at least " +
                std::to_string(kPrefixMin) + " of its hex digits, as `keys show` tells them");
  }
  std::string wanted(prefix);
  std::ranges::transform(wanted, wanted.begin(), [](unsigned char c) { return std::tolower(c); });
  std::vector<std::string> found;
  for (const std::string& name : names_of(keys)) {
    if (name.starts_with(wanted)) {
      found.push_back(name);
    }
  }
  if (found.size() == 1) {
    return found.front();
  }
  if (found.empty()) {
    return fail("no key's name begins with " + wanted + "; see `keys show`");
  }
  std::string candidates;
  for (const std::string& name : found) {
    candidates += "\n  " + name;
  }
  return fail(wanted + " is the beginning of several names; give more digits:" + candidates);
}

}  // namespace usher::ctl
