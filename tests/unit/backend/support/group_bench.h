#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/backend/group.h"
#include "proxy/base/bytes.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::backend::test {

// What a user of links sees, in order; stops the loop at each.
struct TestUser final : Link::User {
  explicit TestUser(uv::Loop& own_loop) : loop(own_loop) {}

  void on_link_open() override { note("open"); }
  void on_link_failed(LinkFailure why) override {
    failure = why;
    detail = link->failure_detail();
    link.reset();
    note("failed");
  }
  void on_link_readable() override {
    ByteView got;
    last = link->receive(SIZE_MAX, got);
    received += text_of(got);
    if (last.status == uv::IoStatus::kEnded || last.status == uv::IoStatus::kFailed) {
      note("end");
    } else if (received.size() >= wanted) {
      note("bytes");
    }
  }
  void on_link_writable() override { note("writable"); }
  void note(const std::string& event) {
    events.push_back(event);
    loop.stop();
  }

  uv::Loop& loop;
  std::unique_ptr<Link> link;
  std::vector<std::string> events;
  std::string received;
  std::size_t wanted = 1;  // bytes until "bytes"
  uv::IoResult last;
  LinkFailure failure = LinkFailure::kNoResources;
  std::string detail;
};

// A group of a worker, on the test's own loop.
class GroupTest : public uv::LoopTest {
 protected:
  using Kind = Group::Acquired::Kind;

  // One server per address list.
  Group& make(Endpoints servers) {
    settings_.name = "web";
    while (settings_.servers.size() < servers.size()) {
      settings_.servers.push_back({"localhost", 80, 1});
    }
    metrics_ = std::make_shared<BackendMetrics>(servers.size());
    endpoints_ = std::make_shared<Snapshot<Endpoints>>(
        std::make_shared<const Endpoints>(std::move(servers)));
    health_ = std::make_shared<Snapshot<Health>>(
        std::make_shared<const Health>(settings_.servers.size(), true));
    buffers_.resize(2 * kBuffer);
    group_ = std::make_unique<Group>(
        settings_, Group::Surroundings{.loop = loop_,
                                       .buffers = {std::span(buffers_).first(kBuffer),
                                                   std::span(buffers_).last(kBuffer)},
                                       .endpoints = endpoints_,
                                       .health = health_,
                                       .metrics = metrics_,
                                       .tls = tls_,
                                       .workers = 1});
    return *group_;
  }

  Kind acquire(TestUser& user) { return acquire(user, user_wish_ = {}); }
  Kind acquire(TestUser& user, Group::Wish& wish) {
    Group::Acquired acquired = group_->acquire(wish, user);
    user.link = std::move(acquired.link);
    return acquired.kind;
  }
  // As an exchange does it: on to the next server, over however many turns. kOpen, or what
  // acquire() says at the end.
  Kind dial(TestUser& user, Group::Wish& wish) {
    Kind kind = acquire(user, wish);
    while (kind == Kind::kConnecting) {
      run();
      kind = user.events.back() == "open" ? Kind::kOpen : acquire(user, wish);
    }
    user.events.clear();
    return kind;
  }
  bool open(TestUser& user) { return dial(user, user_wish_ = {}) == Kind::kOpen; }
  // A request and the first bytes of its answer.
  std::string exchange(TestUser& user, std::string_view request = "GET / HTTP/1.1\r\n\r\n") {
    user.received.clear();
    (void)user.link->send(bytes_of(request));
    run();
    return user.received;
  }
  std::uint64_t connections(std::size_t server = 0) const {
    return metrics_->per_server[server].connections.value();
  }
  std::uint64_t failures(BackendMetrics::Failure failure, std::size_t server = 0) const {
    return metrics_->per_server[server].failures[failure].value();
  }
  // Until `condition` holds, with turns of a millisecond.
  template <class Condition>
  bool eventually(Condition condition) {
    uv::Timer timer;
    struct Tick {
      uv::Loop& loop;
      void stop() { loop.stop(); }
    } tick{loop_};
    timer.open<&Tick::stop>(loop_, tick);
    for (int i = 0; i < 5'000 && !condition(); ++i) {
      timer.start(std::chrono::milliseconds(1));
      loop_.run();
    }
    return condition();
  }

  static constexpr std::size_t kBuffer = 256 * 1024;

  config::Backend settings_;
  std::shared_ptr<tls::BackendTls> tls_;
  std::shared_ptr<BackendMetrics> metrics_;
  std::shared_ptr<Snapshot<Endpoints>> endpoints_;
  std::shared_ptr<Snapshot<Health>> health_;
  std::vector<std::byte> buffers_;
  std::unique_ptr<Group> group_;
  Group::Wish user_wish_;
};

}  // namespace usher::backend::test
