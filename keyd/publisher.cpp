#include "keyd/publisher.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "keyd/fleet.h"
#include "proxy/base/log.h"

namespace usher::keyd {
namespace {

using namespace std::chrono_literals;

constexpr int kBacklog = 1024;  // hundreds of proxies that come back at once
// Every member, and as many again whose old connection has not been missed yet.
constexpr std::size_t kConnectionsMax = 2 * kMembersMax;
// Who has not said HELLO: many more than are amid a handshake when a fleet comes back at once, and
// few enough that a flood of silent strangers costs little memory and keeps nobody out.
constexpr std::size_t kStrangersMax = 1024;
constexpr auto kHelloMax = 10s;
// A proxy asks once in 10 s; making a ring's frame thousands of times a second would stop all else.
constexpr auto kPullEvery = 1s;
constexpr auto kRefusalIsToldEvery = 1s;

}  // namespace

Publisher::Publisher(uv::Loop& loop, Client& client) : loop_(loop), client_(client) {}

Publisher::~Publisher() = default;

Result<void> Publisher::open(const std::vector<ListenAddress>& addresses) {
  for (const ListenAddress& address : addresses) {
    Door door;
    door.tls = address.path.empty();
    if (door.tls) {
      auto socket = uv::listen_tcp(address.address, kBacklog, uv::Port::kExclusive);
      if (!socket) {
        return Unexpected(std::move(socket).error());
      }
      door.socket = *std::move(socket);
      door.text = "tls:" + uv::bound_address(door.socket.value()).to_string();
    } else {
      auto file = admin::ControlSocket::listen(address.path);
      if (!file) {
        return Unexpected(std::move(file).error());
      }
      door.socket = file->take_fd();
      (void)::listen(door.socket.value(), kBacklog);  // control sockets have a shorter queue
      door.file = *std::move(file);
      door.text = address.text;
    }
    doors_.push_back(std::move(door));
  }
  return {};
}

std::vector<std::string> Publisher::addresses() const {
  std::vector<std::string> texts;
  for (const Door& door : doors_) {
    texts.push_back(door.text);
  }
  return texts;
}

void Publisher::serve() {
  for (Door& door : doors_) {
    log::info("listening", {{"address", door.text}});
    door.listener = std::make_unique<uv::Listener>(
        loop_, std::move(door.socket),
        [this, tls = door.tls](UniqueFd socket, const SocketAddress&) {
          accept(std::move(socket), tls);
        },
        [](bool) {});
    door.listener->admit_while([this] { return connections_.size() < kConnectionsMax; });
  }
}

void Publisher::configure(Admission admission, std::shared_ptr<const push::ChannelTls> tls) {
  admission_ = std::move(admission);
  if (tls != nullptr) {
    tls_ = std::move(tls);
  }
  for (std::list<Connection>* list : {&strangers_, &connections_}) {
    for (Connection& connection : *list) {
      judge_again(connection);
    }
  }
}

void Publisher::judge_again(Connection& connection) {
  if (!connection.opened || connection.ending) {
    return;
  }
  auto refused = admission_.refuse(connection.peer);
  if (!refused && connection.id) {
    push::Hello hello;
    hello.node = connection.id->node;
    refused = admission_.refuse(connection.peer, hello);
  }
  if (refused) {
    refuse(connection, *refused);
  }
}

void Publisher::hear_every(std::chrono::milliseconds period) {
  limits_.ping_after = std::min(period, push::ChannelLimits{}.ping_after);
}

void Publisher::accept(UniqueFd socket, bool tls) {
  if (tls && tls_ == nullptr) {
    return;  // never in the plain
  }
  make_room_for_a_stranger();
  Connection& connection = strangers_.emplace_back();
  connection.since = BootClock::now();
  connection.channel = push::Channel::accept(
      loop_, std::move(socket), tls ? tls_ : nullptr,
      {[this, &connection](const push::PeerIdentity& peer) { on_open(connection, peer); },
       [this, &connection](push::Frame frame) { on_frame(connection, std::move(frame)); },
       [this, &connection](const std::string& why) { on_channel_closed(connection, why); }},
      limits_);
}

// The oldest goes: a proxy says HELLO at once. No channel's callback is running.
void Publisher::make_room_for_a_stranger() {
  if (strangers_.size() >= kStrangersMax) {
    count({Refusal::kFull, "too many connections without HELLO; the oldest is closed"},
          strangers_.front().peer.text);
    strangers_.pop_front();
  }
}

void Publisher::on_open(Connection& connection, const push::PeerIdentity& peer) {
  connection.opened = true;
  connection.peer = peer;
  if (const auto refused = admission_.refuse(peer)) {
    refuse(connection, *refused);
  }
}

void Publisher::on_frame(Connection& connection, push::Frame frame) {
  if (connection.ending) {
    return;
  }
  if (const auto* hello = std::get_if<push::Hello>(&frame)) {
    on_hello(connection, *hello);
  } else if (!connection.id) {
    refuse(connection, {Refusal::kMalformed, "a frame before HELLO"});
  } else if (const auto* applied = std::get_if<push::Applied>(&frame)) {
    connection.applied = *applied;
    if (connection.pushed_at && connection.pushed == applied->digest) {
      apply_seconds_.observe(BootClock::now() - *std::exchange(connection.pushed_at, std::nullopt));
    }
    client_.on_applied(MemberId(*connection.id), *applied);
  } else if (std::holds_alternative<push::Pull>(frame)) {
    on_pull(connection);
  } else if (std::holds_alternative<push::Bye>(frame)) {
    const MemberId id = *connection.id;
    end(connection, push::Bye{});
    client_.on_bye(id);
  } else {
    refuse(connection, {Refusal::kMalformed, "a frame that only usher-keyd sends"});
  }
}

void Publisher::on_hello(Connection& connection, const push::Hello& hello) {
  if (connection.id) {
    refuse(connection, {Refusal::kMalformed, "a second HELLO"});
    return;
  }
  if (const auto refused = admission_.refuse(connection.peer, hello)) {
    refuse(connection, *refused);
    return;
  }
  const MemberId id{hello.node, hello.instance};
  if (const auto older = members_.find(id); older != members_.end()) {
    Connection& dead = *older->second;  // the process knows of one only
    end(dead, push::Bye{});
  }
  const auto self =
      std::ranges::find(strangers_, &connection, [](const Connection& one) { return &one; });
  connections_.splice(connections_.end(), strangers_, self);
  connection.id = id;
  members_[id] = &connection;
  if (lines_.spend(BootClock::now())) {
    log::info("subscriber", {{"node", id.node},
                             {"peer", connection.peer.text},
                             {"workers", static_cast<unsigned>(hello.workers)}});
  }
  client_.on_hello(id);
}

void Publisher::on_pull(Connection& connection) {
  const auto now = BootClock::now();
  if (connection.pulled_at && now - *connection.pulled_at < kPullEvery) {
    return;
  }
  connection.pulled_at = now;
  connection.pushed.reset();
  push_to(connection);
}

void Publisher::on_channel_closed(Connection& connection, const std::string& why) {
  switch (connection.channel->cause()) {
    case push::CloseCause::kMalformed:
      count({Refusal::kMalformed, why}, connection.peer.text);
      break;
    case push::CloseCause::kTls:
      count({Refusal::kTls, why}, connection.peer.text);
      break;
    case push::CloseCause::kSlow:
      count({Refusal::kSilent, why}, connection.peer.text);
      break;
    default:
      if (connection.id && !connection.ending && lines_.spend(BootClock::now())) {
        log::info("subscriber disconnected", {{"node", connection.id->node}, {"why", why}});
      }
  }
  const auto id = std::exchange(connection.id, std::nullopt);
  const bool was_member = id && members_.contains(*id) && members_.at(*id) == &connection;
  if (was_member) {
    members_.erase(*id);
  }
  const auto is_it = [&](const Connection& other) { return &other == &connection; };
  if (strangers_.remove_if(is_it) == 0) {
    connections_.remove_if(is_it);
  }
  if (was_member) {
    client_.on_closed(*id);
  }
  end_if_empty();
}

void Publisher::admit(const MemberId& id) {
  const auto member = members_.find(id);
  if (member == members_.end() || member->second->admitted) {
    return;
  }
  member->second->admitted = true;
  push_to(*member->second);
}

void Publisher::publish(const keyring::KeyRing& ring) {
  ring_ = ring;
  digest_ = keyring::digest_of(ring);
  for (const auto& [id, connection] : members_) {
    push_to(*connection);
  }
}

void Publisher::withhold() {
  ring_.reset();
  withheld_ = false;
  for (Connection& connection : connections_) {
    connection.admitted = false;
  }
}

void Publisher::push_to(Connection& connection) {
  if (!ring_ || !connection.admitted || connection.ending || connection.pushed == digest_ ||
      // It has a newer one, of the leader whose state this keyd has not read yet.
      (connection.applied && connection.applied->version > ring_->version())) {
    return;
  }
  if (!client_.may_push()) {
    withheld_ = true;
    return;
  }
  connection.pushed = digest_;
  connection.pushed_at = BootClock::now();
  connection.channel->send(push::Ring{keyring::encode_ring(*ring_, BootClock::now())});
  client_.on_pushed(*connection.id);
}

void Publisher::refuse(const MemberId& id, const Refused& refused) {
  if (const auto member = members_.find(id); member != members_.end()) {
    refuse(*member->second, refused);
  }
}

void Publisher::refuse(Connection& connection, const Refused& refused) {
  count(refused, connection.peer.text);
  const auto id = connection.id;
  end(connection, push::Refused{refused.why});
  if (id) {
    // Not from inside whatever made us refuse it.
    loop_.defer([this, id = *id] {
      if (!members_.contains(id)) {
        client_.on_closed(id);
      }
    });
  }
}

void Publisher::drop(const MemberId& id) {
  if (const auto member = members_.find(id); member != members_.end()) {
    end(*member->second, push::Bye{});
  }
}

// The client hears no more of it.
void Publisher::end(Connection& connection, const push::Frame& last) {
  if (connection.ending) {
    return;
  }
  connection.ending = true;
  if (connection.id) {
    members_.erase(*connection.id);
    connection.id.reset();
  }
  connection.channel->send(last);
  connection.channel->finish();
}

void Publisher::probe(const MemberId& id) {
  if (const auto member = members_.find(id); member != members_.end()) {
    member->second->channel->send(push::Ping{});
  }
}

void Publisher::tick() {
  const auto now = BootClock::now();
  for (Connection& connection : strangers_) {
    if (connection.opened && !connection.ending && now - connection.since >= kHelloMax) {
      refuse(connection, {Refusal::kSilent, "no HELLO within 10 s"});
    }
  }
  if (std::exchange(withheld_, false)) {
    for (const auto& [id, connection] : members_) {
      push_to(*connection);
    }
  }
}

std::map<MemberId, Publisher::Subscriber> Publisher::subscribers() const {
  std::map<MemberId, Subscriber> all;
  for (const auto& [id, connection] : members_) {
    all.emplace(id, seen(*connection));
  }
  return all;
}

std::optional<Publisher::Subscriber> Publisher::subscriber(const MemberId& id) const {
  const auto member = members_.find(id);
  return member == members_.end() ? std::nullopt : std::optional(seen(*member->second));
}

Publisher::Subscriber Publisher::seen(const Connection& connection) const {
  return {BootClock::now() - (loop_.now() - connection.channel->last_heard()), connection.applied,
          connection.admitted};
}

// Anybody can be refused as often as he likes: the log tells one a second.
void Publisher::count(const Refused& refused, const std::string& peer) {
  refusals_[static_cast<std::size_t>(refused.reason)].add();
  const auto now = BootClock::now();
  if (refusal_told_ && now - *refusal_told_ < kRefusalIsToldEvery) {
    ++refusals_untold_;
    return;
  }
  refusal_told_ = now;
  log::warning("subscriber refused", {{"peer", peer.empty() ? "unknown" : peer},
                                      {"reason", name_of(refused.reason)},
                                      {"why", refused.why},
                                      {"untold", std::exchange(refusals_untold_, 0)}});
}

void Publisher::close(std::function<void()> on_closed) {
  closing_ = true;
  when_closed_ = std::move(on_closed);
  doors_.clear();
  for (std::list<Connection>* list : {&strangers_, &connections_}) {
    for (Connection& connection : *list) {
      end(connection, push::Bye{});
    }
  }
  loop_.defer([this] { end_if_empty(); });
}

void Publisher::end_if_empty() {
  if (closing_ && strangers_.empty() && connections_.empty() && when_closed_) {
    std::exchange(when_closed_, nullptr)();
  }
}

}  // namespace usher::keyd
