#include "proxy/ctl/key_commands.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "proxy/ctl/key_text.h"
#include "proxy/ctl/secret_file.h"
#include "proxy/ctl/text.h"
#include "proxy/keyring/key_file.h"

namespace usher::ctl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

std::string ring_text(const json& outcome) {
  return "ring term " + member_text(outcome, "term") + ", version " +
         member_text(outcome, "version");
}

// Whether the key of that epoch is past `next`: it seals, or did.
bool is_promoted(const json& keys, const json& epoch) {
  for (const json& key : keys.at("keys")) {
    if (key.at("epoch") == epoch && key.at("state") != "next") {
      return true;
    }
  }
  return false;
}

// From the 202 of a rotation to its end, or to whom it waits for.
Result<json> await_promotion(const Daemon& daemon, json outcome,
                             std::chrono::milliseconds patience) {
  const json epoch = outcome.at("next_epoch");
  json waiting_for = outcome.at("waiting_for");
  for (const auto deadline = Clock::now() + patience; Clock::now() < deadline;) {
    const auto keys = daemon.get("/keys");
    if (!keys) {
      return Unexpected(keys.error());
    }
    if (is_promoted(*keys, epoch)) {
      return json{{"promoted", true}, {"term", keys->at("term")}, {"version", keys->at("version")}};
    }
    if (const auto held = keys->find("held"); held != keys->end() && held->is_object()) {
      waiting_for = held->at("waiting_for");
    }
    std::this_thread::sleep_for(kLook);
  }
  return fail(
      fmt::format("the key of epoch {} opens, but does not seal yet: waiting for {}\n"
                  "it seals as soon as they have applied it (keys show), at once with "
                  "`keys rotate --now`",
                  epoch.dump(), joined(waiting_for)));
}

// The outcome of a rotation or revocation, shown after `done`.
Result<void> end_change(const Daemon& daemon, const Console& console, Result<json> outcome,
                        const std::string& done,
                        std::chrono::milliseconds patience = kPromotionPatience) {
  if (outcome && !outcome->at("promoted").get<bool>()) {
    outcome = await_promotion(daemon, *std::move(outcome), patience);
  }
  if (!outcome) {
    return Unexpected(std::move(outcome).error());
  }
  console.show(*outcome, [&] { return done + ": " + ring_text(*outcome) + "\n"; });
  return {};
}

}  // namespace

Result<void> show_keys(const Daemon& daemon, const Console& console) {
  const auto keys = daemon.get("/keys");
  if (!keys) {
    return Unexpected(keys.error());
  }
  console.show(*keys, [&] { return keys_text(*keys); });
  return {};
}

Result<void> rotate_keys(const Daemon& daemon, const Console& console, bool now,
                         std::chrono::milliseconds patience) {
  return end_change(daemon, console, daemon.post(now ? "/keys/rotate?now=1" : "/keys/rotate"),
                    "a new key seals", patience);
}

Result<void> revoke_key(const Daemon& daemon, const Console& console, const std::string& name) {
  const auto keys = daemon.get("/keys");
  if (!keys) {
    return Unexpected(keys.error());
  }
  const auto whole = whole_name(name, *keys);
  if (!whole) {
    return Unexpected(whole.error());
  }
  return end_change(daemon, console, daemon.post("/keys/revoke", json{{"name", *whole}}),
                    "revoked " + *whole + ", and every session that began before");
}

Result<void> export_keys(const Daemon& daemon, const Console& console,
                         const ExportOptions& options) {
  if (auto free = check_target(options.out, options.replace); !free) {
    return free;  // before keys leave the daemon
  }
  const auto file = daemon.post_for_secret("/keys/export", json{{"format", options.format}});
  if (!file) {
    return Unexpected(file.error());
  }
  if (auto written = write_secret_file(options.out, file->bytes(), options.replace); !written) {
    return written;
  }
  console.show({{"file", options.out}, {"bytes", file->size()}, {"format", options.format}}, [&] {
    return fmt::format("{}: {} written, mode 0600; who reads them can read every session\n",
                       printable(options.out), count_text(file->size(), "byte"));
  });
  return {};
}

Result<void> import_keys(const Daemon& daemon, const Console& console,
                         const ImportOptions& options) {
  const auto file = read_secret_file(options.file, keyring::kKeyFileBytesMax);
  if (!file) {
    return Unexpected(file.error());
  }
  const auto outcome = daemon.post_secret(
      "/keys/import?format=" + options.format + (options.replace ? "&replace=1" : ""), *file);
  if (!outcome) {
    return Unexpected(outcome.error());
  }
  console.show(*outcome, [&] {
    return fmt::format("{} imported: {}\n",
                       count_text(outcome->at("imported").get<std::uint64_t>(), "key"),
                       ring_text(*outcome));
  });
  return {};
}

}  // namespace usher::ctl
