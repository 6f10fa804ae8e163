#include <algorithm>
#include <utility>

#include "proxy/backend/connect_error.h"
#include "proxy/backend/group.h"
#include "proxy/base/check.h"

// Group's links, used and idle, and who waits for one.
namespace usher::backend {
namespace {

using Kind = Group::Acquired::Kind;

// How long a change of health or addresses may go unseen by idle links when no request comes.
constexpr std::chrono::milliseconds kLook(1'000);

}  // namespace

Group::Acquired Group::acquire(Wish& wish, Link::User& user) {
  if (wish.is_opening) {
    wish.tried.choices.push_back(wish.opening);
    wish.is_opening = false;
  }
  look_around();
  // Who has had a connection already (a stale one, one that failed) need not stand in line again.
  const bool newcomer = !wish.fresh && wish.tried.choices.empty();
  if (first_ != nullptr && newcomer && !serving_) {
    wake_soon();  // a server may have come back since
    return {Kind::kBusy, nullptr};
  }
  for (;;) {
    std::size_t server = 0;
    switch (balancer_.choose(view(), wish.tried, wish.key, !wish.fresh, server)) {
      case Found::kBusy:
        return {Kind::kBusy, nullptr};
      case Found::kNone:
        return {Kind::kNone, nullptr};
      case Found::kServer:
        break;
    }
    if (Link* link = idle_[server].newest(); link != nullptr && !wish.fresh) {
      std::unique_ptr<Link> taken = take_idle(*link);
      // What the server has said unasked would answer this request; what has ended would lose it.
      if (!taken->is_quiet()) {
        continue;
      }
      taken->leave_idle(user);
      return {Kind::kOpen, std::move(taken)};
    }
    if (balancer_.full(server)) {
      close_oldest(server);  // makes room for a fresh one
    }
    wish.opening = {server, *balancer_.next_address(view(), server, wish.tried)};
    if (Acquired opened = open_link(wish, user); opened.kind != Kind::kNone) {
      return opened;
    }
  }
}

// kNone: this attempt has failed at once.
Group::Acquired Group::open_link(Wish& wish, Link::User& user) {
  std::unique_ptr<Link> link(new Link(*this, wish.opening, user));
  const int error = link->connect();
  if (error == 0) {
    wish.is_opening = !link->is_open();
    return {link->is_open() ? Kind::kOpen : Kind::kConnecting, std::move(link)};
  }
  if (lacks_resources(error)) {
    return {Kind::kNoResources, nullptr};
  }
  note_connect_failed(wish.opening, failure_of(error), link->failure_detail());
  wish.tried.choices.push_back(wish.opening);
  return {};
}

void Group::give_back(std::unique_ptr<Link> link) {
  look_around();
  if (!keeps(*link)) {
    link.reset();
    return;
  }
  const std::size_t server = link->server();
  if (idle_[server].size() >= settings_.pool_idle) {
    close_oldest(server);
  }
  link->become_idle();
  idle_[server].add(std::move(link));
  balancer_.set_idle(server, idle_[server].size());
  if (!timer_.active()) {
    arm_timer();
  }
  wake_soon();
}

bool Group::keeps(const Link& link) {
  const std::vector<SocketAddress>& addresses = endpoints_.current()[link.server()];
  return settings_.pool_idle > 0 && settings_.proxy_protocol == config::ProxyProtocol::kOff &&
         link.reusable() && balancer_.in_use(link.server()) &&
         std::ranges::find(addresses, link.choice_.address) != addresses.end();
}

std::unique_ptr<Link> Group::take_idle(Link& link) {
  const std::size_t server = link.server();
  std::unique_ptr<Link> taken = idle_[server].take(link);
  balancer_.set_idle(server, idle_[server].size());
  return taken;
}

void Group::close_idle(std::size_t server) {
  while (idle_[server].size() > 0) {
    close_oldest(server);
  }
}

void Group::close_oldest(std::size_t server) {
  take_idle(*idle_[server].oldest()).reset();
}

bool Group::wait(Waiter& waiter) {
  CHECK(!waiter.waits_);
  if (waiting_ >= settings_.queue) {
    return false;
  }
  waiter.previous_ = last_;
  waiter.next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
  waiter.waits_ = true;
  ++waiting_;
  return true;
}

void Group::stop_waiting(Waiter& waiter) {
  if (!waiter.waits_) {
    return;
  }
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : last_) = waiter.previous_;
  waiter.waits_ = false;
  --waiting_;
}

// Never from inside another's callback, with which a waiter's would share the worker's buffers.
void Group::wake_soon() {
  if (first_ == nullptr || wake_pending_) {
    return;
  }
  wake_pending_ = true;
  around_.loop.defer([self = self_] {
    if (*self == nullptr) {
      return;
    }
    (*self)->wake_pending_ = false;
    // No more than wait now: one that waits again is not woken twice.
    for (std::size_t left = (*self)->waiting_; left > 0 && *self != nullptr; --left) {
      if (!(*self)->wake_first()) {
        return;
      }
    }
  });
}

bool Group::wake_first() {
  look_around();
  if (first_ == nullptr || !balancer_.has_room(view())) {
    return false;
  }
  Waiter& waiter = *first_;
  stop_waiting(waiter);
  const std::shared_ptr<Group*> self = self_;  // a waiter may let go of the group
  serving_ = true;
  waiter.on_server_free();
  if (*self != nullptr) {
    serving_ = false;
  }
  return true;
}

void Group::on_timer() {
  look_around();
  const uv::LoopTime now = around_.loop.now();
  for (std::size_t server = 0; server < idle_.size(); ++server) {
    const Link* link = nullptr;
    while ((link = idle_[server].oldest()) != nullptr &&
           link->idle_since_ + settings_.pool_idle_timeout <= now) {
      close_oldest(server);
    }
  }
  arm_timer();
}

// Runs while there are idle links or a server is ejected; lazily: links that leave do not move it.
void Group::arm_timer() {
  const uv::LoopTime now = around_.loop.now();
  uv::LoopTime next = balancer_.next_readmission();
  for (const IdleList& list : idle_) {
    if (const Link* link = list.oldest()) {
      next = std::min({next, link->idle_since_ + settings_.pool_idle_timeout, now + kLook});
    }
  }
  if (next != uv::LoopTime::max()) {
    timer_.start(next - now);
  }
}

}  // namespace usher::backend
