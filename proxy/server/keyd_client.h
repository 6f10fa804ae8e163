#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proxy/metrics/cell.h"
#include "proxy/server/keyd_link.h"
#include "proxy/server/ring_in_force.h"

namespace usher::server {

// usher_ring_refused_total. Written on main.
struct RingRefusals {
  metrics::Cell lower;
  metrics::Cell digest;
  metrics::Cell malformed;
};

// tickets.source = "keyd": a link to every endpoint; the highest (term, version) that any of them
// pushes is adopted and, when every worker reads it, acknowledged on all (keyd/PROTOCOL.md). It
// refuses lower pairs and an equal pair with another digest. Thread: main's loop. Owner: the key
// source; after leave() until on_left.
class KeydClient final : private KeydLink::Client {
 public:
  struct Surroundings {
    uv::Loop& loop;
    ConnectChannel connect;
    KeydTimes times;
    // Puts the ring in force; KeydClient hears of its publication by on_applied().
    std::function<RingInForce::Publication(keyring::KeyRing)> adopt;
    // How many future key names clients have shown to this process so far.
    std::function<std::uint64_t()> future_names;
    RingRefusals& refusals;  // outlives this
  };

  KeydClient(Surroundings surroundings, push::Hello hello);
  ~KeydClient();

  // At start and after each reload: links of endpoints that stay are not touched. `endpoints`: each
  // once. `users` as of KeydLink.
  void configure(const std::vector<push::Endpoint>& endpoints,
                 const std::shared_ptr<const push::ChannelTls>& tls, const std::set<uid_t>& users);
  // Every worker reads that publication.
  void on_applied(RingInForce::Publication publication);
  // BYE on every link; then `on_left`, from the loop.
  void leave(std::function<void()> on_left);

  std::vector<KeydEndpointState> states() const;
  bool connected(const std::string& endpoint) const;  // as configured
  // Of the ring that keyd pushed last and that was adopted.
  std::optional<keyring::RingDigest> digest() const;
  bool applied() const { return applied_.has_value(); }  // some ring of keyd's, by every worker

 private:
  struct Pending {
    RingInForce::Publication publication = 0;
    push::Applied pair;
  };

  void on_linked(KeydLink& link) override;
  void on_ring(KeydLink& link, const SecretBuffer& bytes) override;
  void on_malformed(KeydLink& link) override;
  void on_left(KeydLink& link) override;
  bool adopt_if_higher(const KeydLink& link, keyring::KeyRing ring);
  void on_pull_timer();
  void say_left();

  Surroundings around_;
  const push::Hello hello_;
  std::vector<std::unique_ptr<KeydLink>> links_;
  std::optional<push::Applied> held_;     // the highest pair so far
  std::optional<push::Applied> applied_;  // the highest that every worker reads
  std::deque<Pending> pending_;           // adopted, not yet applied
  std::function<void()> when_left_;
  uv::Timer pull_timer_;
  uv::Timer left_timer_;
  std::uint64_t future_names_seen_;
  std::optional<uv::LoopTime> last_pull_;
};

}  // namespace usher::server
