#include "tests/unit/relay/support/test_worker.h"

#include <future>

#include "proxy/base/check.h"
#include "proxy/keyring/rotation.h"
#include "tests/support/test_ca.h"

namespace usher::relay::test {
namespace {

using namespace std::chrono_literals;

tls::CredentialPtr credential_for_localhost() {
  static const tls::CredentialPtr credential = [] {
    const usher::test::TemporaryDirectory directory;
    const auto issued = usher::test::TestCa::root("Test CA").issue({.common_name = "localhost"});
    auto loaded = tls::load_credential(directory.write("chain.pem", issued.certificate_pem),
                                       directory.write("key.pem", issued.key_pem), {}, unix_now());
    CHECK(loaded.has_value());
    return loaded->credential;
  }();
  return credential;
}

std::unique_ptr<tls::LibraryContext> make_library() {
  auto made = tls::LibraryContext::create();
  CHECK(made.has_value());
  return *std::move(made);
}

std::shared_ptr<const keyring::KeyRing> make_ring() {
  auto ring = keyring::first_ring(BootClock::now(), {}, keyring::private_random());
  CHECK(ring.has_value());
  return std::make_shared<const keyring::KeyRing>(*std::move(ring));
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

TestWorker::TestWorker(backend::Endpoints servers, const std::function<void(Settings&)>& change)
    : WorkerServices(own_loop_, nullptr, own_log_, issued_, {}, {}, own_output_),
      library_(make_library()),
      own_log_(nullptr),
      buffers_(2 * kReceiveSize),
      rings_(make_ring()),
      backend_metrics_(std::make_shared<backend::BackendMetrics>(servers.size())),
      mailbox_(own_loop_) {
  receive = std::span(buffers_).first(kReceiveSize);
  plain = std::span(buffers_).last(kReceiveSize);
  Settings settings;
  settings.tls.credentials = {credential_for_localhost()};
  settings.backend.name = "web";
  settings.backend.servers.resize(servers.size());
  change(settings);

  auto own_keys = tls::TicketKeys::create(library_->raw(), rings_);
  CHECK(own_keys.has_value());
  own_keys_ = *std::move(own_keys);
  keys = settings.tickets ? own_keys_.get() : nullptr;
  settings.tls.tickets.enabled = settings.tickets;
  sessions = settings.sessions;
  settings.tls.tickets.session_ids = sessions != nullptr;
  auto context = tls::build_server_context(
      *library_, std::make_shared<const tls::ListenerTls>(std::move(settings.tls)));
  CHECK(context.has_value());

  auto state = std::make_shared<ListenerState>(std::move(settings.listener));
  state->name = "front";
  state->tls = *context;
  state->backend = std::make_shared<backend::Group>(
      settings.backend, backend::Group::Surroundings{
                            .loop = own_loop_,
                            .buffers = {receive, plain},
                            .endpoints = std::make_shared<Snapshot<backend::Endpoints>>(
                                std::make_shared<const backend::Endpoints>(std::move(servers))),
                            .health = nullptr,
                            .metrics = backend_metrics_,
                            .tls = nullptr,
                            .workers = 1,
                        });
  state->backend_metrics = backend_metrics_;
  state->metrics = &metrics_;
  state_ = std::move(state);
  client_send_buffer_ = settings.client_send_buffer;

  auto socket = uv::listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 64);
  CHECK(socket.has_value());
  address_ = uv::bound_address(socket->value());
  listener_ = std::make_unique<uv::Listener>(
      own_loop_, *std::move(socket),
      [this](UniqueFd accepted, const SocketAddress& peer) {
        on_accept(std::move(accepted), peer);
      },
      [](bool) {});
  own_loop_.at_turn_start([this] { retired_.clear(); });
  thread_ = std::thread([this] {
    const tls::LibraryContext::ThreadDefault thread_default(*library_);
    own_loop_.run();
  });
}

TestWorker::~TestWorker() {
  mailbox_.post([this] { on_stop(); });
  thread_.join();
  retired_.clear();
}

void TestWorker::on_accept(UniqueFd socket, const SocketAddress& peer) {
  if (client_send_buffer_ > 0) {
    CHECK(::setsockopt(socket.value(), SOL_SOCKET, SO_SNDBUF, &client_send_buffer_,
                       sizeof client_send_buffer_) == 0);
  }
  auto connection = Connection::accept(*this, state_, std::move(socket), peer);
  connection->slot = connections_.size();
  connections_.push_back(std::move(connection));
  connections_.back()->start();
  CHECK(output.empty());
}

void TestWorker::on_stop() {
  listener_.reset();
  while (!connections_.empty()) {
    connections_.back()->close(CloseReason::kStopped);
  }
  mailbox_.close();
  own_loop_.stop();
}

void TestWorker::retire(Connection& connection) {
  const std::size_t slot = connection.slot;
  retired_.push_back(std::move(connections_[slot]));
  connections_[slot] = std::move(connections_.back());
  connections_.pop_back();
  if (slot < connections_.size()) {
    connections_[slot]->slot = slot;
  }
}

bool TestWorker::closed_once_with(CloseReason reason) const {
  const auto closed = [this] {
    std::uint64_t all = 0;
    for (const metrics::Cell& cell : metrics_.closes) {
      all += cell.value();
    }
    return all;
  };
  const auto left = [this] {
    std::uint64_t all = 0;
    for (const metrics::Cell& phase : metrics_.phases) {
      all += phase.value();
    }
    for (const backend::BackendMetrics::Server& server : backend_metrics_->per_server) {
      all += server.connections.value();
    }
    return all;
  };
  if (!eventually([&] { return closed() > 0 && left() == 0; })) {
    return false;
  }
  for (std::size_t i = 0; i < kCloseReasons; ++i) {
    if (metrics_.closes[i].value() > 0 && i != static_cast<std::size_t>(reason)) {
      std::fprintf(stderr, "closed as %s\n", name_of(static_cast<CloseReason>(i)).data());
    }
  }
  return closed() == 1 && metrics_.closes[static_cast<std::size_t>(reason)].value() == 1;
}

bool TestWorker::in_phase(Phase phase) const {
  return eventually([&] { return metrics_.phases[static_cast<std::size_t>(phase)].value() > 0; });
}

void TestWorker::call(const std::function<void()>& what) {
  std::promise<void> done;
  mailbox_.post([&] {
    what();
    done.set_value();
  });
  done.get_future().wait();
}

void TestWorker::close_all(CloseReason reason) {
  mailbox_.post([this, reason] {
    while (!connections_.empty()) {
      connections_.back()->close(reason);
    }
  });
}

}  // namespace usher::relay::test
