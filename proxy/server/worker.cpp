#include "proxy/server/worker.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "proxy/base/log.h"

namespace usher::server {
namespace {

// How long building contexts may keep connections waiting in one turn (DESIGN §4, "Reload").
constexpr std::chrono::milliseconds kBuildSlice(2);
// Contexts freed between two looks at the clock.
constexpr std::size_t kFadeStep = 8;
// When to look again whether the handshakes that still hold an old context have ended.
constexpr std::chrono::milliseconds kFadeRetry = std::chrono::seconds(1);
// TLS output of one callback: a full receive buffer, its records' overhead, and what a handshake
// adds.
constexpr std::size_t kOutputSize = relay::WorkerServices::kReceiveSize + 64 * 1024;

}  // namespace

Result<std::unique_ptr<Worker>> Worker::create(unsigned index, const Shared& shared) {
  auto library = tls::LibraryContext::create();
  if (!library) {
    return Unexpected(std::move(library).error());
  }
  auto keys = tls::TicketKeys::create((*library)->raw(), shared.rings);
  if (!keys) {
    return Unexpected(std::move(keys).error());
  }
  std::unique_ptr<Worker> worker(new Worker(index, shared, *std::move(library), *std::move(keys)));
  auto cache =
      session::WorkerCache::create(worker->library_->raw(), worker->own_loop_, shared.session_rings,
                                   shared.memory, shared.cache_metrics);
  if (!cache) {
    return Unexpected(std::move(cache).error());
  }
  worker->own_sessions_ = *std::move(cache);
  worker->sessions = worker->own_sessions_.get();
  return worker;
}

Worker::Worker(unsigned index, const Shared& shared, std::unique_ptr<tls::LibraryContext> library,
               std::unique_ptr<tls::TicketKeys> own_keys)
    : WorkerServices(own_loop_, own_keys.get(), own_access_log_, shared.issued, {}, {},
                     own_output_),
      index_(index),
      library_(std::move(library)),
      ticket_keys_(std::move(own_keys)),
      limit_(shared.limit),
      cache_metrics_(shared.cache_metrics),
      own_access_log_(shared.access),
      buffers_(new std::byte[2 * kReceiveSize]),
      own_output_(kOutputSize),
      mailbox_(own_loop_) {
  receive = {buffers_.get(), kReceiveSize};
  plain = {buffers_.get() + kReceiveSize, kReceiveSize};
  fade_timer_.open<&Worker::fade_slice>(own_loop_, *this);
  drain_timer_.open<&Worker::on_drain_timeout>(own_loop_, *this);
  own_loop_.at_turn_start([this] { at_turn_start(); });
}

Worker::~Worker() {
  CHECK(!thread_.joinable());
}

void Worker::start(std::function<void()> on_stopped) {
  thread_ = std::thread([this, on_stopped = std::move(on_stopped)] { run(on_stopped); });
}

void Worker::join() {
  thread_.join();
}

void Worker::run(const std::function<void()>& on_stopped) {
  ::pthread_setname_np(::pthread_self(), ("usher-w" + std::to_string(index_)).c_str());
  {
    const tls::LibraryContext::ThreadDefault thread_default(*library_);
    own_loop_.run();
    listeners_.clear();
    retired_.clear();
    retired.clear();
    own_access_log_.flush();
    current_.reset();
    prepared_.reset();
    fading_.clear();
    own_sessions_->close();
    drain_timer_.close();
    fade_timer_.close();
    mailbox_.close();
  }
  on_stopped();
}

void Worker::prepare(WorkerPlan plan, std::function<void(Result<void>)> on_prepared) {
  auto shared_plan = std::make_shared<WorkerPlan>(std::move(plan));
  mailbox_.post([this, shared_plan, on_prepared = std::move(on_prepared)] {
    prepared_ = std::make_unique<WorkerGeneration>(*library_, *this, std::move(*shared_plan),
                                                   current_.get());
    on_prepared_ = on_prepared;
    build_slice();
  });
}

void Worker::commit(Sockets new_sockets) {
  auto sockets = std::make_shared<Sockets>(std::move(new_sockets));
  mailbox_.post([this, sockets] { switch_to_prepared(std::move(*sockets)); });
}

void Worker::discard() {
  mailbox_.post([this] { prepared_.reset(); });
}

void Worker::drain(std::chrono::milliseconds timeout) {
  mailbox_.post([this, timeout] { begin_drain(timeout); });
}

void Worker::stop() {
  mailbox_.post([this] {
    listeners_.clear();
    ends_when_empty_ = true;
    close_all(relay::CloseReason::kStopped);
    own_loop_.stop();
  });
}

void Worker::take_ring(std::function<void(keyring::KeyRing::Version)> on_taken) {
  mailbox_.post([this, on_taken = std::move(on_taken)] {
    own_sessions_->take_ring();
    on_taken(ticket_keys_->ring().version());
  });
}

void Worker::retire(relay::Connection& connection) {
  const std::size_t slot = connection.slot;
  retired_.push_back(std::move(connections_[slot]));
  connections_[slot] = std::move(connections_.back());
  connections_.pop_back();
  if (slot < connections_.size()) {
    connections_[slot]->slot = slot;
  }
  limit_.closed();
  for (auto& [key, active] : listeners_) {
    active->listener->resume();
  }
  end_if_drained();
}

void Worker::at_turn_start() {
  retired_.clear();
  retired.clear();
  own_access_log_.flush();
  if (const std::uint64_t lost = own_access_log_.lost_lines(); lost >= lost_report_) {
    log::warning("access lines were lost: the file cannot be written",
                 {{"worker", index_}, {"lines", lost}});
    lost_report_ = lost * 2;  // a full disk is told in few words
  }
}

void Worker::build_slice() {
  if (!prepared_) {
    return;  // discarded meanwhile
  }
  const auto end = std::chrono::steady_clock::now() + kBuildSlice;
  Result<bool> done = false;
  do {
    done = prepared_->step();
  } while (done && !*done && std::chrono::steady_clock::now() < end);
  if (done && !*done) {
    own_loop_.defer([this] { build_slice(); });
    return;
  }
  on_prepared_(done ? Result<void>() : Result<void>(Unexpected(std::move(done).error())));
}

void Worker::switch_to_prepared(Sockets new_sockets) {
  if (ends_when_empty_) {
    return;  // SIGTERM came while the generation was made: no listener opens again
  }
  std::map<std::string, std::unique_ptr<ActiveListener>> before = std::move(listeners_);
  listeners_.clear();
  for (const WorkerGeneration::Entry& entry : prepared_->entries()) {
    if (const auto known = before.find(entry.socket_key); known != before.end()) {
      known->second->listener->resume();  // a starved one says so again, under its new name
      known->second->state = entry.state;
      listeners_.emplace(entry.socket_key, std::move(known->second));
      before.erase(known);
    } else {
      add_listener(entry.socket_key, entry.state, std::move(new_sockets.at(entry.socket_key)));
    }
  }
  for (auto& [key, removed] : before) {
    removed->listener->drain_and_close();
  }
  switch_redis();
  if (current_) {
    std::ranges::move(current_->take_contexts(), std::back_inserter(fading_));
  }
  current_ = std::move(prepared_);
  fade_slice();
}

// A generation that has Redis as the one before keeps the connections.
void Worker::switch_redis() {
  const Generation::Redis& next = prepared_->generation().redis;
  if (current_ ? current_->generation().redis == next : next.servers.empty()) {
    return;
  }
  std::unique_ptr<session::RedisTier> tier;
  if (!next.servers.empty()) {
    session::RedisTier::Options options;
    options.servers = next.servers;
    options.cluster = next.cluster;
    options.timeout = next.timeout;
    options.logs = index_ == 0;  // all workers see the same
    tier = std::make_unique<session::RedisTier>(own_loop_, std::move(options), *prepared_->redis(),
                                                cache_metrics_);
  }
  own_sessions_->use_redis(std::move(tier));
}

// Frees the old contexts in slices, as the new ones were made.
void Worker::fade_slice() {
  const auto end = std::chrono::steady_clock::now() + kBuildSlice;
  std::size_t held = 0;
  while (held < fading_.size()) {
    if (std::chrono::steady_clock::now() >= end) {
      own_loop_.defer([this] { fade_slice(); });
      return;
    }
    auto& context = fading_[held];
    if (context.use_count() > 1) {
      ++held;  // a handshake under way, a few seconds at most
      continue;
    }
    tls::ServerContext::dismantle(context, kFadeStep);
    if (!context) {
      fading_.erase(fading_.begin() + static_cast<std::ptrdiff_t>(held));
    }
  }
  if (!fading_.empty()) {
    fade_timer_.start(kFadeRetry);
  }
}

void Worker::add_listener(const std::string& key, std::shared_ptr<const relay::ListenerState> state,
                          UniqueFd socket) {
  auto active = std::make_unique<ActiveListener>();
  ActiveListener& listener = *active;
  listener.state = std::move(state);
  listener.listener = std::make_unique<uv::Listener>(
      own_loop_, std::move(socket),
      [this, &listener](UniqueFd accepted, const SocketAddress& peer) {
        on_accept(listener, std::move(accepted), peer);
      },
      [&listener](bool starved) { listener.state->metrics->accept_paused.set(starved ? 1 : 0); });
  listener.listener->admit_while([this] { return !limit_.reached(); });
  listeners_.emplace(key, std::move(active));
}

void Worker::on_accept(ActiveListener& listener, UniqueFd socket, const SocketAddress& peer) {
  limit_.opened();
  auto connection = relay::Connection::accept(*this, listener.state, std::move(socket), peer);
  connection->slot = connections_.size();
  connections_.push_back(std::move(connection));
  connections_.back()->start();
}

void Worker::begin_drain(std::chrono::milliseconds timeout) {
  draining = true;  // those that are accepted from here on know it from the start
  for (auto& [key, active] : listeners_) {
    active->listener->drain_and_close();
  }
  std::vector<relay::Connection*> open;  // the table changes while they end
  for (const auto& connection : connections_) {
    open.push_back(connection.get());
  }
  for (relay::Connection* connection : open) {
    connection->drain();  // may retire it, which frees it at the next turn's start only
  }
  ends_when_empty_ = true;  // not before: one that ends meanwhile must not end the loop
  drain_timer_.start(timeout);
  end_if_drained();
}

void Worker::on_drain_timeout() {
  close_all(relay::CloseReason::kDrain);
}

void Worker::close_all(relay::CloseReason reason) {
  while (!connections_.empty()) {
    connections_.back()->close(reason);  // retires it: the table shrinks
  }
}

void Worker::end_if_drained() {
  if (ends_when_empty_ && connections_.empty()) {
    own_loop_.stop();
  }
}

}  // namespace usher::server
