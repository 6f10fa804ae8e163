#include "proxy/server/key_source.h"

#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/base/log.h"
#include "proxy/base/units.h"

namespace usher::server {
namespace {

using config::TicketSource;

// While tickets are off, what keys the ids of cached sessions: no key is lost before its sessions
// have ended, and the ring stays small whatever session_lifetime is.
config::Tickets private_rotation(std::chrono::milliseconds session_lifetime) {
  config::Tickets tickets;
  tickets.rotate_every = std::max<config::Milliseconds>(std::chrono::hours(1), session_lifetime);
  tickets.seal_max_age = 3 * tickets.rotate_every;  // a late rotation makes nothing stale
  tickets.open_max_age = *tickets.seal_max_age + session_lifetime;
  return tickets;
}

// One for each time that this process joins a fleet: after a BYE it is another subscriber.
push::Instance new_instance() {
  push::Instance instance{};
  CHECK(RAND_bytes(writable_uchars(instance), static_cast<int>(instance.size())) == 1);
  return instance;
}

}  // namespace

KeySource::KeySource(Surroundings surroundings)
    : around_(std::move(surroundings)),
      ring_(around_.loop, around_.mailbox,
            [this](RingInForce::Publication publication) { on_applied(publication); }),
      rotation_(around_.loop, ring_),
      files_(around_.loop, ring_),
      rows_(around_.registry.group()),
      endpoint_rows_(around_.registry.group()) {
  wait_timer_.open<&KeySource::on_waited>(around_.loop, *this);
  register_rows();
}

KeySource::~KeySource() {
  close();
}

void KeySource::close() {
  client_.reset();
  leaving_.clear();
  rotation_.close();
  files_.close();
  ring_.close();
  wait_timer_.close();
}

Result<void> KeySource::configure(const config::Config& config, const KeyInputs& inputs) {
  if (source_ != config.tickets.source) {
    change_source(config.tickets.source);
  }
  session_lifetime_ = config.tls.session_lifetime;
  wait_ = config.tickets.wait;
  return configure_source(config.tickets, inputs);
}

void KeySource::change_source(TicketSource next) {
  const bool first = !source_.has_value();
  if (source_ == TicketSource::kEmbedded || source_ == TicketSource::kOff) {
    rotation_.stop();
  } else if (source_ == TicketSource::kFile) {
    files_.stop();
  } else if (source_ == TicketSource::kKeyd) {
    retire_client();
  }
  ring_.set_sessions_only(next == TicketSource::kOff);
  if (next == TicketSource::kOff) {
    ring_.clear();
  } else if (!first) {
    ring_.carry_over(session_lifetime_);
  }
  if (next == TicketSource::kKeyd && first) {
    // From the loop: its clock stands still while the start reads files.
    around_.loop.defer([this] { wait_timer_.start(wait_); });
  } else {
    become_ready();
  }
  source_ = next;
}

Result<void> KeySource::configure_source(const config::Tickets& tickets, const KeyInputs& inputs) {
  switch (tickets.source) {
    case TicketSource::kEmbedded:
      return rotation_.configure(tickets);
    case TicketSource::kKeyd:
      configure_keyd(inputs);
      return {};
    case TicketSource::kFile:
      return files_.configure(tickets.file, {tickets.seal_max_age, tickets.open_max_age},
                              inputs.files);
    case TicketSource::kOff:
      return rotation_.configure(private_rotation(session_lifetime_));
  }
  return {};
}

void KeySource::configure_keyd(const KeyInputs& inputs) {
  if (!client_) {
    push::Hello hello;
    hello.instance = new_instance();
    hello.workers = around_.workers;
    hello.node = around_.node;
    client_ = std::make_unique<KeydClient>(
        KeydClient::Surroundings{around_.loop, around_.connect, around_.times,
                                 [this](keyring::KeyRing ring) { return adopt(std::move(ring)); },
                                 around_.future_names, refusals_},
        std::move(hello));
  }
  client_->configure(inputs.endpoints, inputs.channel_tls, inputs.keyd_users);
  endpoint_rows_ = around_.registry.group();
  for (const push::Endpoint& endpoint : inputs.endpoints) {
    endpoint_rows_.add(metrics::kKeydConnected, {endpoint.text}, [this, name = endpoint.text] {
      return client_ && client_->connected(name) ? 1.0 : 0.0;
    });
  }
}

// The fleet goes on without us; it would wait for our acknowledgements otherwise.
void KeySource::retire_client() {
  endpoint_rows_ = around_.registry.group();
  const KeydClient* client = client_.get();
  leaving_.push_back(std::move(client_));
  leaving_.back()->leave([this, client] { forget(client); });
}

void KeySource::forget(const KeydClient* client) {
  std::erase_if(leaving_, [&](const auto& one) { return one.get() == client; });
  if (leaving_.empty() && when_left_) {
    std::exchange(when_left_, nullptr)();
  }
}

void KeySource::start(std::vector<TakeRing> workers) {
  ring_.set_workers(std::move(workers));
}

void KeySource::leave() {
  if (!std::exchange(left_, true) && client_) {
    retire_client();
  }
}

void KeySource::when_left(std::function<void()> on_left) {
  if (leaving_.empty()) {
    on_left();
  } else {
    when_left_ = std::move(on_left);
  }
}

RingInForce::Publication KeySource::adopt(keyring::KeyRing ring) {
  const keyring::AgePolicy policy = ring.policy();
  if (policy.seal_max_age && policy.open_max_age && policy != warned_policy_ &&
      *policy.open_max_age < *policy.seal_max_age + session_lifetime_) {
    warned_policy_ = policy;
    log::warning(
        "tickets outlive their keys: keyd's rotation.keep is less than its seal_max_age "
        "and our tls.session_lifetime together",
        {{"keep", format_duration(*policy.open_max_age)},
         {"seal_max_age", format_duration(*policy.seal_max_age)},
         {"session_lifetime", format_duration(session_lifetime_)}});
  }
  return ring_.publish(std::move(ring));
}

void KeySource::on_applied(RingInForce::Publication publication) {
  if (client_) {
    client_->on_applied(publication);
    if (client_->applied()) {
      become_ready();
    }
  }
}

void KeySource::on_waited() {
  if (!ready_) {
    log::warning(
        "no ticket keys from keyd within tickets.wait; serving without tickets until "
        "they come",
        {{"wait", format_duration(wait_)}});
    become_ready();
  }
}

void KeySource::become_ready() {
  wait_timer_.stop();
  if (!std::exchange(ready_, true)) {
    around_.loop.defer([this] { around_.on_ready(); });
  }
}

void KeySource::register_rows() {
  rows_.add(metrics::kRingApplySeconds, {}, ring_.apply_seconds());
  rows_.add(metrics::kRingRefused, {"lower"}, refusals_.lower);
  rows_.add(metrics::kRingRefused, {"digest"}, refusals_.digest);
  rows_.add(metrics::kRingRefused, {"malformed"}, refusals_.malformed);
}

}  // namespace usher::server
