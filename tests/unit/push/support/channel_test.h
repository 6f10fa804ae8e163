#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/push/channel.h"
#include "tests/support/test_ca.h"
#include "tests/unit/push/support/frames.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::push::test {

using namespace std::chrono_literals;
using usher::test::CertificateRequest;
using usher::test::IssuedCertificate;
using usher::test::TestCa;

// One end of a channel: what its callbacks told, and what they are to do.
struct Side {
  std::unique_ptr<Channel> channel;
  std::vector<PeerIdentity> opened;
  std::vector<Frame> frames;
  std::vector<std::string> closed;  // the reasons; more than one is a defect
  CloseCause cause = CloseCause::kNone;

  std::function<void()> then_opened = [] {};
  std::function<void()> then_frame = [] {};
  std::function<void()> then_closed = [] {};

  Channel::Events events();  // this Side must outlive them
  bool is_open() const { return !opened.empty() && closed.empty(); }
  std::string why() const { return closed.empty() ? "not closed" : closed.front(); }
  std::string frames_hex() const;  // all that came, encoded again
};

// A bare socket on the other end: non-blocking, driven by hand.
class RawPeer {
 public:
  explicit RawPeer(UniqueFd socket) : socket_(std::move(socket)) {}

  std::size_t write_some(std::string_view bytes);  // as many as the socket takes
  bool write(std::string_view bytes);              // all of them went into the socket
  bool write(const Frame& frame);
  std::string read();  // what is there; "" also at the end
  bool ended();        // nothing is left to read and the peer has closed
  void close() { socket_.reset(); }
  void reset();  // RST on TCP
  int fd() const { return socket_.value(); }

 private:
  UniqueFd socket_;
};

// Times that tests can wait for, in the proportions of the real ones.
inline constexpr ChannelLimits kShort{100ms, 400ms, 200ms, 64 * 1024};

class ChannelTest : public uv::LoopTest {
 protected:
  ChannelTest();

  // Runs the loop until `done`, looking at least every millisecond; fails after a minute.
  void until(const std::function<bool()>& done);
  void pass(std::chrono::milliseconds time);  // runs the loop that long
  // Timers count from the time that the loop knows: not from before the test made its certificates.
  void catch_up() { turn(1); }

  // A listening Unix socket; connected and accepted.
  std::string socket_path() const { return directory_.path() + "/keyd.sock"; }
  UniqueFd listen_unix(int backlog = 16) const;
  void join_unix(Side& proxy, Side& keyd, const ChannelLimits& limits = {});
  // `side` at one end of a socket pair, the returned peer at the other.
  RawPeer join_raw(Side& side, const ChannelLimits& limits = {});

  std::unique_ptr<Channel> accepted(UniqueFd& listening, Side& side,
                                    std::shared_ptr<const ChannelTls> tls = nullptr,
                                    const ChannelLimits& limits = {});

  usher::test::TemporaryDirectory directory_;
};

// Certificates as files, and what ChannelTls makes of them.
Result<std::shared_ptr<const ChannelTls>> try_load(const std::string& ca_pem,
                                                   const IssuedCertificate& own);
std::shared_ptr<const ChannelTls> tls_of(const TestCa& ca, const IssuedCertificate& own);

}  // namespace usher::push::test
