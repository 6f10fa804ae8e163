#include "proxy/server/keyd_link.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "proxy/base/log.h"

namespace usher::server {

KeydLink::KeydLink(uv::Loop& loop, const ConnectChannel& connect, push::Endpoint endpoint,
                   const KeydTimes& times, Client& client)
    : loop_(loop),
      connect_(connect),
      endpoint_(std::move(endpoint)),
      times_(times),
      client_(client),
      retry_(times.retry_min),
      jitter_(std::random_device{}()) {
  timer_.open<&KeydLink::on_timer>(loop_, *this);
}

KeydLink::~KeydLink() {
  timer_.close();
}

void KeydLink::configure(std::shared_ptr<const push::ChannelTls> tls, std::set<uid_t> users) {
  tls_ = std::move(tls);
  users_ = std::move(users);
}

void KeydLink::start() {
  timer_.start(std::chrono::milliseconds(0));
}

void KeydLink::send(const push::Frame& frame) {
  if (connected()) {
    channel_->send(frame);
  }
}

void KeydLink::leave() {
  if (state_ == State::kLeaving) {
    return;
  }
  if (connected()) {
    channel_->send(push::Bye{});
    channel_->finish();
  } else {
    channel_.reset();
    timer_.start(std::chrono::milliseconds(0));
  }
  state_ = State::kLeaving;
}

KeydEndpointState KeydLink::state() const {
  return {endpoint_.text, connected(), connected() ? peer_ : std::string(), last_pushed_,
          connected() ? std::string() : error_};
}

void KeydLink::on_timer() {
  if (state_ == State::kLeaving) {
    client_.on_left(*this);  // destroys this
    return;
  }
  refused_.clear();
  state_ = State::kConnecting;
  channel_ = connect_(endpoint_, tls_,
                      {[this](const push::PeerIdentity& peer) { on_open(peer); },
                       [this](const push::Frame& frame) { on_frame(frame); },
                       [this](std::string why) { on_closed(std::move(why)); }});
}

// Over TLS the channel has verified the name.
void KeydLink::on_open(const push::PeerIdentity& peer) {
  if (!peer.tls && peer.uid != 0 && peer.uid != ::geteuid() && !users_.contains(peer.uid)) {
    disconnect("the peer's uid is " + std::to_string(peer.uid) +
               "; expected root's, ours or that of tickets.keyd_user");
    return;
  }
  state_ = State::kOpen;
  peer_ = peer.text;
  error_.clear();
  client_.on_linked(*this);
}

void KeydLink::on_frame(const push::Frame& frame) {
  if (const auto* ring = std::get_if<push::Ring>(&frame)) {
    // It takes us: only now, or a keyd that refuses us would hear from us ten times a second.
    retry_ = times_.retry_min;
    if (!told_.empty() || !was_linked_) {
      log::info("linked to keyd", {{"endpoint", endpoint_.text}, {"peer", peer_}});
      told_.clear();
      was_linked_ = true;
    }
    client_.on_ring(*this, ring->bytes);
  } else if (const auto* refused = std::get_if<push::Refused>(&frame)) {
    refused_ = "keyd refuses us: " + refused->why;
  } else if (std::holds_alternative<push::Bye>(frame)) {
    refused_ = "keyd said BYE";
  } else {
    client_.on_malformed(*this);
    disconnect("keyd sent a frame that only proxies send");
  }
}

// `why` is a copy: the channel dies here.
void KeydLink::on_closed(std::string why) {
  const bool malformed = channel_->cause() == push::CloseCause::kMalformed;
  if (state_ == State::kLeaving) {
    channel_.reset();
    client_.on_left(*this);  // destroys this
    return;
  }
  if (malformed) {
    client_.on_malformed(*this);
  }
  disconnect(refused_.empty() ? std::move(why) : refused_);
}

void KeydLink::disconnect(const std::string& why) {
  channel_.reset();
  state_ = State::kWaiting;
  error_ = why;
  if (why != told_) {  // the same trouble is told once
    told_ = why;
    log::warning("no link to keyd; trying again", {{"endpoint", endpoint_.text}, {"error", why}});
  }
  // Half of it is chance: a fleet must not come back in step.
  std::uniform_int_distribution<std::int64_t> wait(retry_.count() / 2, retry_.count());
  timer_.start(std::chrono::milliseconds(wait(jitter_)));
  retry_ = std::min(retry_ * 2, times_.retry_max);
}

}  // namespace usher::server
