#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keyd/fleet.h"
#include "keyd/journal.h"
#include "keyd/publisher.h"
#include "keyd/store.h"
#include "proxy/uv/timer.h"

namespace usher::keyd {

// Ties the fleet, the store and the subscribers together. While the store says that this keyd
// leads, it runs the fleet's rotation and pushes each ring once it is durable; while another leads
// it pushes that one's rings to its own subscribers and reports them; without a store it pushes
// nothing. Thread: the loop's. Owner: the server.
class Daemon final : private Publisher::Client {
 public:
  enum class Role : std::uint8_t { kStarting, kLost, kFollowing, kLeading, kStopped };

  // A command that was not carried out, as the control socket answers it.
  struct CommandRefusal {
    int status = 409;  // HTTP: 400 bad file, 404 no such key or node, 409 not here, 503 try again
    std::string why;   // for a person
  };
  struct Changed {
    keyring::KeyRing::Version version;  // of the durable ring that has the change
    std::size_t count = 0;              // keys imported, instances forgotten
  };
  // Called once, when the change is durable or refused; perhaps at once.
  using Done = std::function<void(Result<Changed, CommandRefusal>)>;

  Daemon(uv::Loop& loop, std::unique_ptr<Store> store, FleetPolicy policy, Journal& journal);
  ~Daemon();

  Publisher& publisher() { return publisher_; }
  void start();
  void set_policy(FleetPolicy policy);
  // BYE to the subscribers, the lease back; then `on_stopped`, from the loop.
  void stop(std::function<void()> on_stopped);

  // The operator's hand; refused where this keyd does not lead.
  void rotate(bool at_once, const Done& done);
  void revoke(const keyring::KeyName& name, const Done& done);
  void import_keys(keyring::KeyFileFormat format, SecretBuffer bytes, bool replace,
                   const Done& done);
  void forget(const std::string& node, const Done& done);

  // What operators may see.
  struct Seen {
    Member member;
    bool current = false;
    bool connected = false;  // to this keyd
  };
  Role role() const { return role_; }
  const std::string& leader() const { return leader_; }    // while following
  const std::string& trouble() const { return trouble_; }  // why nothing is pushed; "" when it is
  bool store_up() const { return store_->up() && save_error_.empty(); }
  // The durable ring; null before there is one.
  const keyring::KeyRing* ring() const { return ring_ ? &*ring_ : nullptr; }
  std::optional<Fleet::Held> held() const;
  std::vector<Seen> members() const;  // by node, then instance

 private:
  struct Waiter {
    std::uint64_t revision = 0;
    std::size_t count = 0;
    Done done;
  };

  // From the store.
  void on_leading(std::optional<FleetState> state, std::uint64_t term);
  void on_following(std::optional<FleetState> state, const std::string& leader);
  void on_lost(const std::string& why);
  void on_reports(const std::vector<Report>& reports);

  // From subscribers.
  void on_hello(const MemberId& id) override;
  void on_applied(const MemberId& id, const push::Applied& applied) override;
  void on_pushed(const MemberId& id) override;
  void on_bye(const MemberId& id) override;
  void on_closed(const MemberId& id) override;
  bool may_push() override;

  void change_role(Role role, const std::string& trouble);
  void on_timer();
  void step();
  void carry_out(const Effect& effect);
  std::chrono::milliseconds hear_every() const;
  void arm();
  void save();
  void on_saved(std::uint64_t revision, const FleetState& state, const Result<void>& result);
  void take_ring(const keyring::KeyRing& ring);
  void take_applied(const MemberId& id, const push::Applied& applied);
  void report(const MemberId& id);
  void report_gone(const MemberId& id);
  std::optional<CommandRefusal> refusal() const;
  void when_durable(std::size_t count, const Done& done);
  void settle();
  void fail_waiters(const CommandRefusal& refusal);

  uv::Loop& loop_;
  std::unique_ptr<Store> store_;
  FleetPolicy policy_;
  Journal& journal_;
  Publisher publisher_;
  Role role_ = Role::kStarting;
  std::string leader_;
  std::string trouble_ = "starting";
  std::optional<keyring::KeyRing> ring_;

  std::optional<Fleet> fleet_;   // while leading
  std::uint64_t reign_ = 0;      // answers of the store to an earlier role are not for this one
  std::set<MemberId> recorded_;  // members of the durable state: a ring may go to them
  bool saving_ = false;
  std::uint64_t saved_revision_ = 0;
  std::string save_error_;  // "" when the last save went well
  BootClock::time_point save_again_at_;
  std::vector<Waiter> waiters_;

  std::optional<FleetState> followed_;  // while following
  // When the ring with the present `next` first left for a subscriber of ours.
  std::map<MemberId, BootClock::time_point> next_pushed_;

  std::set<MemberId> untold_byes_;  // said while there was neither fleet nor leader

  uv::Timer timer_;
  BootClock::time_point ticked_;
  BootClock::time_point judges_at_;  // nothing falls due before
  unsigned stopping_ = 0;            // parts that have not ended yet
  std::function<void()> when_stopped_;
};

}  // namespace usher::keyd
