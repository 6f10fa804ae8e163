#include "proxy/redis/node.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proxy/base/log.h"

namespace usher::redis {
namespace {

using std::chrono::milliseconds;

// Silence: a frozen server is left when its breaker is long open; what it owes is bounded by that.
// No command ends by it before its own time.
constexpr milliseconds kSilence{1000};
// A replica answers look-ups; it is left for a master this often.
constexpr milliseconds kReplaceEvery{5000};

Connection::Options patient(milliseconds timeout) {
  return {milliseconds(1000), std::max(kSilence, 2 * timeout), milliseconds(50),
          milliseconds(2000)};
}

}  // namespace

Node::Node(uv::Loop& loop, Server server, Options options, OnChange on_change)
    : loop_(loop),
      logs_(options.logs),
      on_change_(std::move(on_change)),
      connection_(loop, std::move(server), patient(options.timeout),
                  [this](bool ready, const std::string& why) { on_state(ready, why); }) {}

Breaker::Token Node::admit() {
  return up() ? breaker_.admit(loop_.now()) : 0;
}

void Node::ended(Breaker::Token token, bool answered) {
  const bool before = asked();
  breaker_.ended(token, answered, loop_.now(), random_);
  if (asked() != before) {
    on_change_();
  }
}

void Node::refused(Refusal refusal) {
  const bool elsewhere = refusal == Refusal::kReplica || refusal == Refusal::kSignedOut;
  if (elsewhere && loop_.now() >= replace_from_) {
    replace_from_ = loop_.now() + kReplaceEvery;
    connection_.reconnect(refusal == Refusal::kReplica ? "the server is a replica"
                                                       : "the server asks for a password");
  }
}

void Node::on_state(bool ready, const std::string& why) {
  if (ready) {
    knows_getdel = true;  // it may be another server
  }
  const bool changed = told_ != ready;
  if (!changed && (ready || why == told_why_)) {
    return;
  }
  told_ = ready;
  told_why_ = why;
  if (logs_) {
    ready ? log::info("redis connected", {{"node", server().label}})
          : log::warning("redis lost", {{"node", server().label}, {"error", why}});
  }
  if (changed) {
    on_change_();
  }
}

}  // namespace usher::redis
