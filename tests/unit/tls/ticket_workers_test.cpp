#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "proxy/keyring/rotation.h"
#include "tests/unit/tls/support/joined.h"
#include "tests/unit/tls/support/ticket_forge.h"

// A client resumes on any worker, before and after a rotation: two workers, each with its own
// library context, share one ring that a third thread rotates meanwhile. Under TSan this also holds
// the threads to "share nothing but the ring".
namespace usher::tls::test {
namespace {

using namespace std::chrono_literals;

constexpr int kRotations = 40;
constexpr int kConnectionsMin = 60;  // of each worker

// Sessions that clients carry from one worker to the other, as bytes: no object crosses over.
class Clients {
 public:
  void leave(std::string session) {
    const std::lock_guard lock(mutex_);
    sessions_.push_back(std::move(session));
  }
  std::string next() {
    const std::lock_guard lock(mutex_);
    if (sessions_.empty()) {
      return {};
    }
    std::string session = std::move(sessions_.back());
    sessions_.pop_back();
    return session;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> sessions_;
};

struct Count {
  int connections = 0;
  int offered = 0;
  int resumed = 0;
};

class TicketWorkers : public testing::TestWithParam<int> {
 protected:
  static std::shared_ptr<const keyring::KeyRing> first_ring() {
    auto ring = keyring::first_ring(BootClock::now(), {3h, 9h}, keyring::private_random());
    CHECK(ring);
    return std::make_shared<const keyring::KeyRing>(*std::move(ring));
  }

  void rotate() {
    auto ring =
        keyring::rotate_embedded(*rings_.latest(), BootClock::now(), keyring::private_random());
    CHECK(ring);
    rings_.publish(std::make_shared<const keyring::KeyRing>(*std::move(ring)));
  }

  // Serves clients of the other worker until the ring is done rotating.
  Count work(const LibraryContext& library, Clients& from, Clients& to) {
    const LibraryContext::ThreadDefault own(library);
    const auto context =
        build_server_context(library, std::make_shared<const ListenerTls>(settings_));
    CHECK(context);
    const auto keys = TicketKeys::create(library.raw(), rings_);
    CHECK(keys);
    Count count;
    while (!rotated_.load() || count.connections < kConnectionsMin) {
      const std::string brought = from.next();
      const SslSessionPtr session = brought.empty() ? nullptr : session_from(brought);
      Joined joined(
          *context,
          {.min_version = GetParam(), .max_version = GetParam(), .session = session.get()},
          keys->get());
      CHECK(joined.handshake());
      ++count.connections;
      count.offered += joined.server().facts().offer != OfferKind::kNone ? 1 : 0;
      count.resumed += SSL_session_reused(joined.client()) != 0 ? 1 : 0;
      to.leave(der_of(joined.session().get()));
      served_.fetch_add(1);
    }
    return count;
  }

  ListenerTls settings_ = simple_listener();
  Snapshot<keyring::KeyRing> rings_{first_ring()};
  std::atomic<bool> rotated_{false};
  std::atomic<int> served_{0};
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketWorkers, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(TicketWorkers, clients_that_change_workers_resume_across_rotations) {
  std::array<std::unique_ptr<LibraryContext>, 2> libraries;
  for (auto& library : libraries) {  // on this thread, before the others (DESIGN §3)
    auto made = LibraryContext::create();
    ASSERT_TRUE(made);
    library = *std::move(made);
  }
  std::array<Clients, 2> clients;
  std::array<Count, 2> counts;
  {
    std::jthread first([&] { counts[0] = work(*libraries[0], clients[0], clients[1]); });
    std::jthread second([&] { counts[1] = work(*libraries[1], clients[1], clients[0]); });
    for (int i = 0; i < kRotations; ++i) {
      for (const int before = served_.load(); served_.load() < before + 2;) {
        std::this_thread::yield();  // every key seals something
      }
      rotate();
    }
    rotated_ = true;
  }
  EXPECT_EQ(rings_.latest()->highest_epoch(), 1U + kRotations);
  // A worker that the scheduler lets go first meets few clients of the other; the other meets all
  // of its.
  EXPECT_GE(counts[0].offered + counts[1].offered, kConnectionsMin / 2);
  for (const Count& count : counts) {
    EXPECT_EQ(count.resumed, count.offered);
  }
}

}  // namespace
}  // namespace usher::tls::test
