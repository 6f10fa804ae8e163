#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/metrics/registry.h"
#include "proxy/server/key_control.h"
#include "proxy/server/key_files.h"
#include "proxy/server/key_inputs.h"
#include "proxy/server/keyd_client.h"
#include "proxy/server/ring_in_force.h"
#include "proxy/server/ticket_rotation.h"

namespace usher::server {

// Where the ticket keys of all workers come from (tickets.source), across reloads that change it,
// and what operators may do to them. Thread: main's loop; the snapshot is read by any. Owner: the
// server; outlives the workers and the admin pages.
class KeySource final : public KeyControl {
 public:
  struct Surroundings {
    uv::Loop& loop;
    uv::Mailbox& mailbox;  // main's
    metrics::Registry& registry;
    std::string node;
    std::uint16_t workers = 1;
    ConnectChannel connect;
    KeydTimes times;
    std::function<std::uint64_t()> future_names;  // as of KeydClient
    std::function<void()> on_ready;               // ready() has become true; from the loop
  };

  explicit KeySource(Surroundings surroundings);
  ~KeySource() override;

  // At start and after each reload; the ring in memory goes on opening whatever changes.
  Result<void> configure(const config::Config& config, const KeyInputs& inputs);
  // The workers run: from now on they take each ring.
  void start(std::vector<TakeRing> workers);
  // False while source = "keyd" waits for its first ring, at most tickets.wait.
  bool ready() const { return ready_; }
  // Drain or stop: keyd hears BYE at once, and the keys stay as they are.
  void leave();
  // Calls back, perhaps at once, when every BYE is out (or a second has passed).
  void when_left(std::function<void()> on_left);
  void close();

  const Snapshot<keyring::KeyRing>& rings() const { return ring_.rings(); }  // of tickets
  // Of session caches; with source = "off" keys of this process alone, which seal no ticket.
  const Snapshot<keyring::KeyRing>& session_rings() const { return ring_.session_rings(); }

  KeyStatus key_status() const override;
  Result<Changed, KeyRefusal> rotate() override;
  Result<Changed, KeyRefusal> revoke(const keyring::KeyName& name) override;
  Result<Changed, KeyRefusal> import_keys(keyring::KeyFileFormat format, SecretBuffer bytes,
                                          bool replace) override;
  Result<SecretBuffer, KeyRefusal> export_keys(keyring::KeyFileFormat format) override;

 private:
  void change_source(config::TicketSource next);
  Result<void> configure_source(const config::Tickets& tickets, const KeyInputs& inputs);
  void configure_keyd(const KeyInputs& inputs);
  void retire_client();
  void forget(const KeydClient* client);
  RingInForce::Publication adopt(keyring::KeyRing ring);
  void on_applied(RingInForce::Publication publication);
  void on_waited();
  void become_ready();
  void register_rows();
  std::optional<KeyRefusal> refusal() const;  // of changes, by the source
  Changed changed(std::size_t keys = 0) const;

  Surroundings around_;
  RingRefusals refusals_;
  RingInForce ring_;
  TicketRotation rotation_;
  KeyFiles files_;
  std::unique_ptr<KeydClient> client_;              // source = "keyd"
  std::list<std::unique_ptr<KeydClient>> leaving_;  // until their BYE is out
  std::optional<config::TicketSource> source_;      // none before the first configure()
  std::chrono::milliseconds session_lifetime_{0};
  keyring::AgePolicy warned_policy_;  // of keyd's, that does not fit session_lifetime
  std::chrono::milliseconds wait_{0};
  bool ready_ = false;
  bool left_ = false;
  std::function<void()> when_left_;
  uv::Timer wait_timer_;
  metrics::Registry::Group rows_;
  metrics::Registry::Group endpoint_rows_;
};

}  // namespace usher::server
