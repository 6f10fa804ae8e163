#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/backend_metrics.h"
#include "proxy/backend/balancer.h"
#include "proxy/backend/directory.h"
#include "proxy/backend/health.h"
#include "proxy/backend/idle_list.h"
#include "proxy/backend/link.h"
#include "proxy/config/config.h"
#include "proxy/tls/backend_tls.h"
#include "proxy/uv/timer.h"

namespace usher::backend {

// A worker's view of one backend: chooses servers, opens links to them and keeps idle ones, lets
// requests wait for their turn. Thread: the worker's. Owner: shared by generations (one whose
// backend is unchanged keeps it) and their connections; outlives its links and waiters.
class Group {
 public:
  // What is around it; all of it outlives the group.
  struct Surroundings {
    uv::Loop& loop;
    Buffers buffers;  // the worker's
    SharedEndpoints endpoints;
    SharedHealth health;  // null: no active checks
    std::shared_ptr<BackendMetrics> metrics;
    std::shared_ptr<tls::BackendTls> tls;  // this worker's; null: plain TCP
    unsigned workers = 1;                  // which share max_connections
  };
  Group(const config::Backend& settings, Surroundings around);
  ~Group();
  Group(const Group&) = delete;

  using Choice = Balancer::Choice;
  using Tried = Balancer::Tried;
  using Found = Balancer::Found;

  // What a request has tried and wants; default constructed per exchange.
  struct Wish {
    std::uint64_t key = 0;  // of hash balancing: hash_of(what the balance names)
    bool fresh = false;     // no pooled link: one was stale
    // The link that acquire() opened has failed its user: another address next.
    void leave_opened() { is_opening = true; }

    Tried tried;     // Group's, as all that follows
    Choice opening;  // the attempt under way: tried once acquire() is called again
    bool is_opening = false;
  };
  struct Acquired {
    enum class Kind : std::uint8_t {
      kOpen,        // pooled or connected at once: send now; no on_link_open() comes
      kConnecting,  // user.on_link_open() or on_link_failed() follows
      kBusy,        // all usable servers are at max_connections, or others wait already and this is
                    // the wish's first attempt
      kNone,        // nothing (more) to try
      kNoResources  // no descriptor or memory here: no other server would do better
    };
    Kind kind = Kind::kNone;
    std::unique_ptr<Link> link;  // of kOpen and kConnecting
  };
  // After on_link_failed(): drop the link; acquire() again, with the same wish, tries the next.
  Acquired acquire(Wish& wish, Link::User& user);
  // The user is through with it and the response allows reuse: idle until used again, expired, or
  // closed by the server. Nothing of the server's may be unread.
  void give_back(std::unique_ptr<Link> link);

  // Outcomes for passive ejection: a response's head came; a reset, timeout or malformed response
  // before. Failed attempts to connect are counted by the links themselves. `detail`: for the log.
  void note_success(std::size_t server) { balancer_.note_success(server); }
  void note_failure(std::size_t server, BackendMetrics::Failure failure, std::string_view detail);

  // Who waits for a server after kBusy. Owner: itself; calls stop_waiting() before it dies.
  class Waiter {
   public:
    virtual void on_server_free() = 0;  // from the loop, no longer waiting: acquire() again

   protected:
    virtual ~Waiter() = default;

   private:
    friend class Group;
    Waiter* next_ = nullptr;
    Waiter* previous_ = nullptr;
    bool waits_ = false;
  };
  bool wait(Waiter& waiter);          // false: the queue is full
  void stop_waiting(Waiter& waiter);  // a no-op for one that does not wait
  std::size_t waiting() const { return waiting_; }

  // TCP mode, whose connections are not links: they count them, from the attempt to the end, and
  // tell how attempts went.
  Found choose(const Tried& tried, std::uint64_t key, Choice& to);
  void connected(std::size_t server) { balancer_.connected(server); }
  void disconnected(std::size_t server);
  void note_connect_failed(const Choice& choice, BackendMetrics::Failure failure,
                           const std::string& detail);
  void note_connected(const Choice& choice, std::chrono::nanoseconds took);

  const config::Backend& settings() const { return settings_; }
  std::size_t idle_links(std::size_t server) const { return idle_[server].size(); }

 private:
  friend class Link;

  Balancer::View view() { return {endpoints_.current(), around_.loop.now()}; }
  void look_around();
  void tell_of_failure(std::size_t server, BackendMetrics::Failure failure,
                       std::string_view detail);
  void take_health(const Health& health);
  void drop_lost_addresses(const Endpoints& endpoints);
  Acquired open_link(Wish& wish, Link::User& user);
  bool keeps(const Link& link);
  std::unique_ptr<Link> take_idle(Link& link);
  void close_idle(std::size_t server);
  void close_oldest(std::size_t server);
  void note_link_failed(const Choice& choice, LinkFailure failure, const std::string& detail);
  void count_failure(std::size_t server, BackendMetrics::Failure failure, std::string_view detail);
  void wake_soon();
  bool wake_first();
  void on_timer();
  void arm_timer();

  config::Backend settings_;
  Surroundings around_;
  Snapshot<Endpoints>::Reader endpoints_;
  Snapshot<Health>::Reader health_;
  const Endpoints* endpoints_seen_ = nullptr;  // compared only
  const Health* health_seen_ = nullptr;
  std::vector<std::uint32_t> returns_seen_;
  std::vector<uv::LoopTime> silent_until_;  // per server: no log line about a failure
  Balancer balancer_;
  std::vector<IdleList> idle_;  // per server
  ByteQueue tls_output_;        // of the current send()
  uv::Timer timer_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  std::size_t waiting_ = 0;
  bool serving_ = false;  // a waiter's on_server_free() is on the stack
  bool wake_pending_ = false;
  std::shared_ptr<Group*> self_;  // of deferred calls: null once it is gone
};

}  // namespace usher::backend
