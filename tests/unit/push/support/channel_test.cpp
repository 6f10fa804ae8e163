#include "tests/unit/push/support/channel_test.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>

namespace usher::push::test {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  return address;
}

}  // namespace

Channel::Events Side::events() {
  return {[this](const PeerIdentity& peer) {
            opened.push_back(peer);
            then_opened();
          },
          [this](Frame frame) {
            EXPECT_FALSE(opened.empty()) << "a frame before on_open";
            EXPECT_TRUE(closed.empty()) << "a frame after on_closed";
            frames.push_back(std::move(frame));
            then_frame();
          },
          [this](const std::string& why) {
            closed.push_back(why);
            cause = channel->cause();
            EXPECT_NE(cause, CloseCause::kNone);
            EXPECT_EQ(closed.size(), 1U) << "on_closed twice";
            then_closed();
          }};
}

std::string Side::frames_hex() const {
  std::string all;
  for (const Frame& frame : frames) {
    all += hex_of(frame);
  }
  return all;
}

std::size_t RawPeer::write_some(std::string_view bytes) {
  const ssize_t count = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool RawPeer::write(std::string_view bytes) {
  return write_some(bytes) == bytes.size();
}

bool RawPeer::write(const Frame& frame) {
  return write(text_of(encode(frame).bytes()));
}

std::string RawPeer::read() {
  std::string all;
  std::array<char, 4096> piece{};
  ssize_t count = 0;
  while ((count = ::recv(fd(), piece.data(), piece.size(), MSG_DONTWAIT)) > 0) {
    all.append(piece.data(), static_cast<std::size_t>(count));
  }
  return all;
}

bool RawPeer::ended() {
  char byte = 0;
  const ssize_t count = ::recv(fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return count == 0 || (count < 0 && errno == ECONNRESET);
}

void RawPeer::reset() {
  const linger abort{1, 0};
  (void)::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  socket_.reset();
}

ChannelTest::ChannelTest() = default;

void ChannelTest::until(const std::function<bool()>& done) {
  struct Ticker {
    void on_tick() { timer.start(1ms); }
    uv::Timer timer;
  } ticker;
  ticker.timer.open<&Ticker::on_tick>(loop_, ticker);
  ticker.timer.start(0ms);
  loop_.at_turn_start([&] {
    if (done()) {
      loop_.stop();
    }
  });
  run();
  loop_.at_turn_start(nullptr);
}

void ChannelTest::pass(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  until([&] { return std::chrono::steady_clock::now() >= end; });
}

UniqueFd ChannelTest::listen_unix(int backlog) const {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(socket_path());
  EXPECT_EQ(::bind(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(socket.value(), backlog), 0);
  return socket;
}

std::unique_ptr<Channel> ChannelTest::accepted(UniqueFd& listening, Side& side,
                                               std::shared_ptr<const ChannelTls> tls,
                                               const ChannelLimits& limits) {
  UniqueFd socket;
  until([&] {
    socket.reset(::accept4(listening.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return static_cast<bool>(socket);
  });
  return Channel::accept(loop_, std::move(socket), std::move(tls), side.events(), limits);
}

void ChannelTest::join_unix(Side& proxy, Side& keyd, const ChannelLimits& limits) {
  UniqueFd listening = listen_unix();
  const auto endpoint = parse_endpoint("unix:" + socket_path());
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  catch_up();
  proxy.channel = Channel::connect(loop_, *endpoint, nullptr, proxy.events(), limits);
  EXPECT_TRUE(proxy.opened.empty()) << "on_open inside connect()";
  keyd.channel = accepted(listening, keyd, nullptr, limits);
}

RawPeer ChannelTest::join_raw(Side& side, const ChannelLimits& limits) {
  uv::SocketPair pair;
  catch_up();
  side.channel = Channel::accept(loop_, std::move(pair.ours), nullptr, side.events(), limits);
  return RawPeer(std::move(pair.theirs));
}

Result<std::shared_ptr<const ChannelTls>> try_load(const std::string& ca_pem,
                                                   const IssuedCertificate& own) {
  const usher::test::TemporaryDirectory directory;
  return ChannelTls::load({directory.write("ca.pem", ca_pem),
                           directory.write("cert.pem", own.certificate_pem),
                           directory.write("key.pem", own.key_pem)});
}

std::shared_ptr<const ChannelTls> tls_of(const TestCa& ca, const IssuedCertificate& own) {
  auto loaded = try_load(ca.certificate_pem(), own);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return *loaded;
}

}  // namespace usher::push::test
