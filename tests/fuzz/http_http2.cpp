#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "proxy/base/check.h"
#include "proxy/http/http2_connection.h"
#include "proxy/relay/services.h"

// An HTTP/2 connection in front of a site that answers everything itself (redirects), given any
// bytes in pieces of any size while its output is taken or not: it does not crash, writes
// whole frames only and, ended, leaves nothing behind.
namespace {

using namespace usher;

struct Worker final : relay::WorkerServices {
  Worker() : WorkerServices(own_loop, nullptr, log, issued, {}, {}, queue) {}
  void retire(relay::Connection&) override { CHECK(false && "there is no relay::Connection"); }

  uv::Loop own_loop;
  relay::AccessLog log{nullptr};
  metrics::Cell issued;
  ByteQueue queue;
};

class Port final : public relay::ClientPort {
 public:
  explicit Port(Worker& worker)
      : ClientPort(worker, std::make_shared<relay::ListenerState>(),
                   *SocketAddress::parse("127.0.0.1:40000")) {}

  void write(ByteView plain) override {
    CHECK(!over_);
    written.append(plain);
  }
  std::size_t output_room() const override { return room; }
  void commit() override {
    if (!over_) {
      application->before_commit();
    }
  }
  void end(relay::CloseReason) override {
    if (!over_) {
      over_ = true;
      application->stop();
    }
  }
  void end_output() override {}
  void cut_off(relay::CloseReason reason) override { end(reason); }
  void note_request_logged() override {}
  SocketAddress local() const override { return {}; }
  bool over() const { return over_; }

  relay::Application* application = nullptr;
  std::size_t room = 1 << 18;
  ByteQueue written;

 private:
  bool over_ = false;
};

// What was written are frames that a client must take (RFC 9113 §4.2), all of them whole.
void take_frames(Port& port) {
  constexpr std::size_t kHeader = 9;
  while (!port.written.empty()) {
    const ByteView bytes = port.written.view();
    CHECK(bytes.size() >= kHeader);
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(bytes[i]); };
    const std::size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
    CHECK(length <= 16'384 && bytes.size() >= kHeader + length);
    port.written.consume(kHeader + length);
  }
}

std::shared_ptr<const http::Site> redirecting_site() {
  static http::HttpMetrics metrics;
  http::Site::Settings settings;
  settings.redirect = true;
  settings.limits = {4096, 20};
  settings.metrics = &metrics;
  return std::make_shared<const http::Site>(std::move(settings));
}

}  // namespace

// A piece: a byte that says how long it is (its lower five bits, times 16) and what happens around
// it, then its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint8_t kBlocked = 0x80;
  constexpr std::uint8_t kDrain = 0x40;
  constexpr std::uint8_t kDeadline = 0x20;
  static Worker worker;
  static const auto site = redirecting_site();
  Port port(worker);
  http::Http2Connection connection(port, site);
  port.application = &connection;
  const auto turn = [&] {
    worker.retired.clear();
    worker.loop.run();  // what was deferred
    take_frames(port);
  };
  port.commit();
  turn();
  ByteView rest(reinterpret_cast<const std::byte*>(data), size);
  while (!rest.empty() && !port.over()) {
    const auto control = static_cast<std::uint8_t>(rest[0]);
    const std::size_t piece = std::min<std::size_t>(rest.size() - 1, (control & 0x1f) * 16 + 1);
    port.room = (control & kBlocked) != 0 ? 0 : 1 << 18;
    if ((control & kDrain) != 0) {
      connection.drain();
    }
    if (connection.room() > 0) {
      connection.on_bytes(rest.subspan(1, piece));
    }
    port.commit();
    turn();
    if ((control & kDeadline) != 0 && !port.over()) {
      connection.on_deadline();
      port.commit();
      turn();
    }
    rest = rest.subspan(1 + piece);
  }
  if (!port.over()) {
    connection.on_client_ended(true);
  }
  CHECK(port.over());
  turn();
  worker.retired.clear();
  return 0;
}
