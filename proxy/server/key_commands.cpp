// What operators ask of the ticket keys: KeySource as KeyControl.
#include <fmt/format.h>

#include <utility>

#include "proxy/base/check.h"
#include "proxy/server/key_source.h"

namespace usher::server {
namespace {

using config::TicketSource;

std::string_view word_of(TicketSource source) {
  switch (source) {
    case TicketSource::kEmbedded:
      return "embedded";
    case TicketSource::kKeyd:
      return "keyd";
    case TicketSource::kFile:
      return "file";
    case TicketSource::kOff:
      return "off";
  }
  return "off";
}

}  // namespace

KeyStatus KeySource::key_status() const {
  KeyStatus status;
  status.source = word_of(source_.value_or(TicketSource::kOff));
  status.ring = ring_.rings().latest();
  status.workers = ring_.read_by_workers();
  if (client_) {
    status.pushed_digest = client_->digest();
    status.endpoints = client_->states();
  }
  if (source_ == TicketSource::kFile) {
    status.files = files_.paths();
  }
  return status;
}

Result<KeyControl::Changed, KeyRefusal> KeySource::rotate() {
  if (auto refused = refusal()) {
    return Unexpected(*std::move(refused));
  }
  auto done = rotation_.rotate_now();
  return done ? Result<Changed, KeyRefusal>(changed()) : Unexpected(std::move(done).error());
}

Result<KeyControl::Changed, KeyRefusal> KeySource::revoke(const keyring::KeyName& name) {
  if (auto refused = refusal()) {
    return Unexpected(*std::move(refused));
  }
  auto done = rotation_.revoke(name);
  return done ? Result<Changed, KeyRefusal>(changed()) : Unexpected(std::move(done).error());
}

Result<KeyControl::Changed, KeyRefusal> KeySource::import_keys(keyring::KeyFileFormat format,
                                                               SecretBuffer bytes, bool replace) {
  if (auto refused = refusal()) {
    return Unexpected(*std::move(refused));
  }
  auto done = rotation_.import_keys(format, std::move(bytes), replace);
  return done ? Result<Changed, KeyRefusal>(changed(*done)) : Unexpected(std::move(done).error());
}

Result<SecretBuffer, KeyRefusal> KeySource::export_keys(keyring::KeyFileFormat format) {
  if (source_ == TicketSource::kEmbedded && format == keyring::KeyFileFormat::kHaproxy) {
    if (auto made = rotation_.make_next(); !made) {
      return Unexpected(KeyRefusal{503, made.error().message});
    }
  }
  const auto ring = ring_.rings().latest();
  if (ring->entries().empty()) {
    return Unexpected(KeyRefusal{409, "there are no ticket keys"});
  }
  auto file = keyring::format_keys(*ring, format, BootClock::now(), unix_now());
  return file ? Result<SecretBuffer, KeyRefusal>(*std::move(file))
              : Unexpected(KeyRefusal{409, file.error().message});
}

std::optional<KeyRefusal> KeySource::refusal() const {
  if (left_) {
    return KeyRefusal{503, "the proxy is draining"};
  }
  switch (source_.value_or(TicketSource::kOff)) {
    case TicketSource::kEmbedded:
      return std::nullopt;
    case TicketSource::kKeyd: {
      std::vector<std::string> names;
      for (const KeydEndpointState& endpoint : client_->states()) {
        names.push_back(endpoint.endpoint);
      }
      return KeyRefusal{409, "the keys come from usher-keyd (" +
                                 fmt::to_string(fmt::join(names, ", ")) +
                                 "); change them there: usherctl --socket with its control socket"};
    }
    case TicketSource::kFile:
      return KeyRefusal{409, "the keys come from files (" +
                                 fmt::to_string(fmt::join(files_.paths(), ", ")) +
                                 "); replace those, the change is noticed"};
    case TicketSource::kOff:
      return KeyRefusal{409, "tickets.source is \"off\": there are no keys"};
  }
  return std::nullopt;
}

KeyControl::Changed KeySource::changed(std::size_t keys) const {
  return {ring_.rings().latest()->version(), keys};
}

}  // namespace usher::server
