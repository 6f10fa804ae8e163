#include "client/modes.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "client/crowd.h"
#include "socket.h"

namespace usher::bench {
namespace {

constexpr const char* kSmall = "/";
constexpr const char* kBig = "/big";

// Per slot, before the first barrier: page faults, lazy set-up, and the first ticket.
constexpr size_t kWarmupOperations = 8;

// Connections opened at once by the idle mode: below the smallest accept queue (hitch: 100).
constexpr size_t kOpeningAtOnce = 50;

struct Tally {
  size_t started = 0;
  size_t full = 0;
  size_t resumed = 0;
  size_t resets = 0;
};

/// Says `line` to the harness and waits until it answers.
void barrier(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
  std::string answer;
  if (!std::getline(std::cin, answer)) {
    die("the harness is gone");
  }
}

void ready() {
  barrier(R"({"state": "ready"})");
}

/// The second barrier, with what was done since the first.
class Report {
 public:
  void done(size_t operations, const Tally& tally) const {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start_;
    barrier(fmt::format(
        R"({{"state": "done", "operations": {}, "seconds": {:.6f}, "full": {}, "resumed": {}, "resets": {}}})",
        operations, wall.count(), tally.full, tally.resumed, tally.resets));
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

enum class Offer { kNothing, kNewestSession };

void check_handshake(Slot& slot, Tally& tally) {
  const bool offered = slot.session != nullptr;
  const bool resumed = slot.connection->was_resumed();
  if (resumed != offered) {
    die(offered ? "the proxy did not resume a session" : "resumed without an offer");
  }
  slot.connection->check_pinned();
  (resumed ? tally.resumed : tally.full) += 1;
}

/// With a ticket, or with an id where the client offers none.
void keep_session(Slot& slot, ComesBackWith wanted) {
  SslSessionPtr newest = slot.connection->take_session();
  const bool has_ticket = newest && SSL_SESSION_has_ticket(newest.get()) == 1;
  const bool has_id = newest && SSL_SESSION_is_resumable(newest.get()) == 1;
  if (wanted == ComesBackWith::kTicket ? has_ticket : has_id && !has_ticket) {
    slot.session = std::move(newest);
  }
  if (!slot.session) {
    die("the proxy sent no ticket, or no session id where none was asked for");
  }
}

/// `count` connections one after another in each of all slots, each with one request for `target`.
Tally churn(Crowd& crowd, size_t count, const char* target, Offer offer,
            ComesBackWith comes_back_with = ComesBackWith::kTicket) {
  Tally tally;
  crowd.run(crowd.slots(), [&](Slot& slot) {
    const Phase phase = slot.connection ? slot.connection->phase() : Phase::kEnded;
    if (phase == Phase::kHandshaken) {
      check_handshake(slot, tally);
      slot.connection->request(target);
      return true;
    }
    if (phase == Phase::kAnswered) {
      if (offer == Offer::kNewestSession) {
        keep_session(slot, comes_back_with);
      }
      slot.connection->end();
      return true;
    }
    if (slot.connection) {
      tally.resets += slot.connection->ended_by_reset() ? 1 : 0;
      slot.connection.reset();
    }
    if (tally.started == count) {
      return false;
    }
    ++tally.started;
    crowd.connect(slot, slot.session.get());
    return true;
  });
  return tally;
}

/// Connects `slots`, asks each once for the small response (so that the backend's side is open,
/// too), and leaves them open.
void open_all(Crowd& crowd, std::span<Slot> slots, Tally& tally) {
  crowd.run(slots, [&](Slot& slot) {
    if (!slot.connection) {
      crowd.connect(slot, nullptr);
      return true;
    }
    if (slot.connection->phase() == Phase::kHandshaken) {
      check_handshake(slot, tally);
      slot.connection->request(kSmall);
      return true;
    }
    return false;
  });
}

void exchange(Crowd& crowd, size_t count, const std::string& target) {
  size_t started = 0;
  crowd.run(crowd.slots(), [&](Slot& slot) {
    if (started == count) {
      return false;
    }
    ++started;
    slot.connection->request(target);
    return true;
  });
}

void end_all(Crowd& crowd) {
  crowd.run(crowd.slots(), [](Slot& slot) {
    if (slot.connection->phase() == Phase::kEnded) {
      return false;
    }
    slot.connection->end();
    return true;
  });
}

void run_handshakes(const Load& load, Offer offer) {
  const TlsClient tls(load.version, load.comes_back_with);
  Crowd crowd(tls, load.port, load.concurrency);
  churn(crowd, load.concurrency * kWarmupOperations, kSmall, offer, load.comes_back_with);
  if (offer == Offer::kNewestSession &&
      std::ranges::any_of(crowd.slots(), [](const Slot& slot) { return !slot.session; })) {
    die("a slot had no connection in the warm-up, so it has no session");
  }
  ready();
  const Report report;
  report.done(load.count, churn(crowd, load.count, kSmall, offer, load.comes_back_with));
}

}  // namespace

void run_full_handshakes(const Load& load) {
  run_handshakes(load, Offer::kNothing);
}

void run_resumed_handshakes(const Load& load) {
  run_handshakes(load, Offer::kNewestSession);
}

void run_downloads(const Load& load) {
  const TlsClient tls(load.version);
  Crowd crowd(tls, load.port, load.concurrency);
  churn(crowd, load.concurrency, kBig, Offer::kNothing);
  ready();
  const Report report;
  report.done(load.count, churn(crowd, load.count, kBig, Offer::kNothing));
}

void run_keepalive(const Load& load) {
  const TlsClient tls(load.version);
  Crowd crowd(tls, load.port, load.concurrency);
  Tally tally;
  open_all(crowd, crowd.slots(), tally);
  exchange(crowd, load.concurrency * kWarmupOperations, load.target);
  ready();
  const Report report;
  exchange(crowd, load.count, load.target);
  report.done(load.count, tally);
  end_all(crowd);
}

void run_idle(const Load& load) {
  const TlsClient tls(load.version);
  Crowd warmup(tls, load.port, load.concurrency);
  churn(warmup, load.concurrency * kWarmupOperations, kSmall, Offer::kNothing);
  ready();
  const Report report;
  Crowd crowd(tls, load.port, load.count);
  Tally tally;
  for (size_t first = 0; first < load.count; first += kOpeningAtOnce) {
    const size_t batch = std::min(kOpeningAtOnce, load.count - first);
    open_all(crowd, crowd.slots().subspan(first, batch), tally);
  }
  report.done(load.count, tally);
  end_all(crowd);
}

}  // namespace usher::bench
