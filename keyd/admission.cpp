#include "keyd/admission.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "proxy/admin/peer_access.h"
#include "proxy/push/channel_tls.h"

namespace usher::keyd {
namespace {

bool same_name(std::string_view one, std::string_view other) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(one, other, {}, lower, lower);
}

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::to_string(fmt::join(names, ", "));
}

}  // namespace

std::string_view name_of(Refusal refusal) {
  static constexpr std::array<std::string_view, kRefusals> kNames{
      "user", "certificate", "node", "protocol", "malformed", "tls", "silent", "full", "ahead"};
  return kNames[static_cast<std::size_t>(refusal)];
}

Result<Admission> Admission::of(const KeydSettings& keyd, const TlsSettings& tls) {
  Admission admission;
  const auto users = admin::user_ids(keyd.allow_users);
  if (!users) {
    return Unexpected(Error(users.error()).within(keyd.place.to_string() + ": allow_users"));
  }
  const auto groups = admin::group_ids(keyd.allow_groups);
  if (!groups) {
    return Unexpected(Error(groups.error()).within(keyd.place.to_string() + ": allow_groups"));
  }
  admission.users_ = {users->begin(), users->end()};
  admission.users_.insert({0, ::geteuid()});
  admission.groups_ = {groups->begin(), groups->end()};
  admission.names_ = tls.allow;
  return admission;
}

std::optional<Refused> Admission::refuse(const push::PeerIdentity& peer) const {
  if (peer.tls) {
    const bool allowed = std::ranges::any_of(
        peer.dns_names, [this](const std::string& name) { return allows(name); });
    return allowed
               ? std::nullopt
               : std::optional(Refused{Refusal::kCertificate,
                                       "the certificate's DNS names (" + listed(peer.dns_names) +
                                           ") match nothing in usher-keyd's [tls] allow"});
  }
  const bool allowed =
      users_.contains(peer.uid) ||
      std::ranges::any_of(peer.groups, [this](gid_t group) { return groups_.contains(group); });
  return allowed ? std::nullopt
                 : std::optional(
                       Refused{Refusal::kUser, "uid " + std::to_string(peer.uid) +
                                                   " is neither root, usher-keyd's own, nor in its "
                                                   "allow_users or allow_groups"});
}

std::optional<Refused> Admission::refuse(const push::PeerIdentity& peer,
                                         const push::Hello& hello) const {
  if (hello.protocol != push::kProtocol) {
    return Refused{Refusal::kProtocol, "protocol " + std::to_string(hello.protocol) +
                                           "; this usher-keyd speaks " +
                                           std::to_string(push::kProtocol)};
  }
  if (!peer.tls) {
    return std::nullopt;
  }
  const auto is_node = [&](const std::string& name) { return same_name(name, hello.node); };
  if (std::ranges::none_of(peer.dns_names, is_node)) {
    return Refused{Refusal::kNode, "node \"" + hello.node +
                                       "\" is no DNS name of the certificate (" +
                                       listed(peer.dns_names) + ")"};
  }
  return allows(hello.node)
             ? std::nullopt
             : std::optional(Refused{Refusal::kNode, "node \"" + hello.node +
                                                         "\" matches nothing in usher-keyd's [tls] "
                                                         "allow"});
}

bool Admission::allows(std::string_view dns_name) const {
  return std::ranges::any_of(
      names_, [&](const std::string& glob) { return push::glob_matches(glob, dns_name); });
}

}  // namespace usher::keyd
