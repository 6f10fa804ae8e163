#include "proxy/server/keyd_client.h"

#include <algorithm>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/log.h"

namespace usher::server {

KeydClient::KeydClient(Surroundings surroundings, push::Hello hello)
    : around_(std::move(surroundings)),
      hello_(std::move(hello)),
      future_names_seen_(around_.future_names()) {
  pull_timer_.open<&KeydClient::on_pull_timer>(around_.loop, *this);
  left_timer_.open<&KeydClient::say_left>(around_.loop, *this);
  pull_timer_.start(around_.times.pull_look);
}

KeydClient::~KeydClient() {
  pull_timer_.close();
  left_timer_.close();
}

void KeydClient::configure(const std::vector<push::Endpoint>& endpoints,
                           const std::shared_ptr<const push::ChannelTls>& tls,
                           const std::set<uid_t>& users) {
  std::vector<std::unique_ptr<KeydLink>> before = std::exchange(links_, {});
  for (const push::Endpoint& endpoint : endpoints) {
    const auto known = std::ranges::find_if(
        before, [&](const auto& link) { return link && link->endpoint().text == endpoint.text; });
    const bool is_new = known == before.end();
    links_.push_back(is_new ? std::make_unique<KeydLink>(around_.loop, around_.connect, endpoint,
                                                         around_.times,
                                                         static_cast<KeydLink::Client&>(*this))
                            : std::move(*known));
    links_.back()->configure(tls, users);
    if (is_new) {
      links_.back()->start();
    }
  }
  // The others close without BYE: another keyd of the fleet may go on counting us as a member.
}

void KeydClient::on_applied(RingInForce::Publication publication) {
  bool is_new = false;
  for (; !pending_.empty() && pending_.front().publication <= publication; pending_.pop_front()) {
    applied_ = pending_.front().pair;
    is_new = true;
  }
  if (is_new) {
    for (const auto& link : links_) {
      link->send(*applied_);
    }
  }
}

void KeydClient::leave(std::function<void()> on_left) {
  CHECK(!when_left_);
  when_left_ = std::move(on_left);
  pull_timer_.stop();
  for (const auto& link : links_) {
    link->leave();
  }
  if (links_.empty()) {
    left_timer_.start(std::chrono::milliseconds(0));
  }
}

std::vector<KeydEndpointState> KeydClient::states() const {
  std::vector<KeydEndpointState> states;
  for (const auto& link : links_) {
    states.push_back(link->state());
  }
  return states;
}

bool KeydClient::connected(const std::string& endpoint) const {
  return std::ranges::any_of(links_, [&](const auto& link) {
    return link->endpoint().text == endpoint && link->connected();
  });
}

std::optional<keyring::RingDigest> KeydClient::digest() const {
  return held_ ? std::optional(held_->digest) : std::nullopt;
}

void KeydClient::on_linked(KeydLink& link) {
  link.send(hello_);
  if (applied_) {
    link.send(*applied_);
  }
}

// A ring that is adopted is acknowledged when every worker reads it; one that is not, at once with
// what they read: so keyd hears of a higher pair.
void KeydClient::on_ring(KeydLink& link, const SecretBuffer& bytes) {
  auto ring = keyring::decode_ring(bytes.bytes(), BootClock::now());
  if (!ring) {
    around_.refusals.malformed.add();
    log::warning("refused a ring of keyd",
                 {{"endpoint", link.endpoint().text}, {"error", ring.error().message}});
  } else {
    link.note_pushed(ring->version());
  }
  const bool adopted = ring && adopt_if_higher(link, *std::move(ring));
  if (!adopted && applied_) {
    link.send(*applied_);
  }
}

bool KeydClient::adopt_if_higher(const KeydLink& link, keyring::KeyRing ring) {
  const push::Applied pair{ring.version(), keyring::digest_of(ring)};
  const log::Fields fields = {{"endpoint", link.endpoint().text},
                              {"term", pair.version.term},
                              {"version", pair.version.version}};
  if (held_ && pair.version < held_->version) {
    around_.refusals.lower.add();
    log::warning("refused a ring of keyd: a higher one is in force", fields);
    return false;
  }
  if (held_ && pair.version == held_->version) {
    if (pair.digest != held_->digest) {
      around_.refusals.digest.add();
      log::warning("refused a ring of keyd: another with the same version is in force", fields);
    }
    return false;
  }
  held_ = pair;
  log::info("took a ring of keyd", fields);
  pending_.push_back({around_.adopt(std::move(ring)), pair});
  return true;
}

void KeydClient::on_malformed(KeydLink&) {
  around_.refusals.malformed.add();
}

void KeydClient::on_left(KeydLink& link) {
  std::erase_if(links_, [&](const auto& one) { return one.get() == &link; });
  if (links_.empty()) {
    say_left();
  }
}

void KeydClient::say_left() {
  const auto when_left = std::exchange(when_left_, nullptr);
  when_left();  // may destroy this
}

void KeydClient::on_pull_timer() {
  const std::uint64_t seen = around_.future_names();
  const uv::LoopTime now = around_.loop.now();
  if (seen != future_names_seen_ &&
      (!last_pull_ || now - *last_pull_ >= around_.times.pull_every)) {
    future_names_seen_ = seen;
    last_pull_ = now;
    for (const auto& link : links_) {
      link->send(push::Pull{});
    }
  }
  pull_timer_.start(around_.times.pull_look);
}

}  // namespace usher::server
