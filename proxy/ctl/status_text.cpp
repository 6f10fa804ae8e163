#include "proxy/ctl/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "proxy/ctl/session_text.h"
#include "proxy/ctl/table.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

using nlohmann::json;

std::string tickets_text(const json& tickets) {
  const std::size_t keys = tickets.at("keys").size();
  if (keys == 0) {
    return "no keys";
  }
  return fmt::format("ring term {}, version {}: {}, {}", member_text(tickets, "term"),
                     member_text(tickets, "version"), count_text(keys, "key"),
                     tickets.value("seals", false) ? "sealing" : "NOT sealing");
}

std::string reloads_text(const json& reloads) {
  std::string text =
      fmt::format("{} ok, {} failed", member_text(reloads, "ok"), member_text(reloads, "failed"));
  if (const std::string error = member_text(reloads, "last_error"); !error.empty()) {
    text += "; the last failed: " + error;
  }
  return text;
}

// "2, the first expires in 61d 4h"
std::string certificates_text(const json& certificates, std::int64_t now) {
  std::optional<std::int64_t> first;
  for (const json& certificate : certificates) {
    const std::int64_t end = certificate.at("not_after");
    first = std::min(first.value_or(end), end);
  }
  if (!first) {
    return "0";
  }
  const std::string when = *first > now
                               ? "expires in " + age_text(static_cast<double>(*first - now))
                               : "EXPIRED " + age_text(static_cast<double>(now - *first)) + " ago";
  return fmt::format("{}{}{}", certificates.size(),
                     certificates.size() == 1 ? ", " : ", the first ", when);
}

std::string listeners_table(const json& listeners, std::int64_t now) {
  Table table({{"LISTENER"}, {"ADDRESS"}, {"MODE"}, {"BACKEND"}, {"CERTIFICATES"}});
  for (const json& listener : listeners) {
    table.add({member_text(listener, "name"), member_text(listener, "address"),
               member_text(listener, "mode"), member_text(listener, "backend"),
               certificates_text(listener.at("certificates"), now)});
  }
  return table.to_string();
}

// "127.0.0.1:8080 (down)"
std::string server_text(const json& server) {
  std::string text = member_text(server, "address");
  if (!server.value("up", true)) {
    text += " (down)";
  } else if (const auto workers = server.value("ejected_by_workers", 0U); workers > 0) {
    text += " (ejected by " + count_text(workers, "worker") + ")";
  }
  return text;
}

std::string backends_table(const json& backends) {
  Table table({{"BACKEND"}, {"SERVERS"}});
  for (const json& backend : backends) {
    std::string servers;
    for (const json& server : backend.at("servers")) {
      servers += (servers.empty() ? "" : ", ") + server_text(server);
    }
    table.add({member_text(backend, "name"), servers});
  }
  return table.to_string();
}

// A member that tables have not shown: a text, a number, yes or no.
bool is_plain(const json& value) {
  return !value.is_null() && !value.is_structured();
}

// The names of the members: what people look for first, then the rest.
std::vector<std::string> in_order(const json& status) {
  std::vector<std::string> names = {"state",       "node",    "version",    "openssl",
                                    "started",     "config",  "generation", "workers",
                                    "connections", "tickets", "sessions",   "reloads"};
  std::erase_if(names, [&](const std::string& name) { return !status.contains(name); });
  const std::size_t first = names.size();
  for (const auto& [name, value] : status.items()) {
    const auto end = names.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::find(names.begin(), end, name) == end) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace

std::string status_text(const json& status, std::int64_t now) {
  Table facts;
  for (const std::string& name : in_order(status)) {
    const json& value = status.at(name);
    if (name == "started") {
      facts.add({"up", age_text(static_cast<double>(now - value.get<std::int64_t>()))});
    } else if (name == "connections") {
      facts.add({name, member_text(value, "open") + " open of " + member_text(value, "max")});
    } else if (name == "tickets") {
      facts.add({name, tickets_text(value)});
    } else if (name == "sessions") {
      facts.add({name, sessions_line(value)});
    } else if (name == "reloads") {
      facts.add({name, reloads_text(value)});
    } else if (is_plain(value)) {
      facts.add({printable(name), member_text(status, name.c_str())});
    }
  }
  std::string text = facts.to_string();
  if (status.contains("listeners")) {
    text += "\n" + listeners_table(status.at("listeners"), now);
  }
  if (status.contains("backends")) {
    text += "\n" + backends_table(status.at("backends"));
  }
  return text;
}

}  // namespace usher::ctl
