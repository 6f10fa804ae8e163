#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/redis/connection.h"
#include "proxy/uv/listener.h"
#include "proxy/uv/stream.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::redis {

inline constexpr Expected kText = Expected::one_of(Reply::Type::kString, Reply::Type::kNil);

// A server on the test's own loop that answers whatever a test wants, also what no Redis would.
class FakeRedis {
 public:
  // Called with all bytes of one connection that were not taken yet; takes what it answers.
  using OnBytes = std::function<void(FakeRedis&, std::string& bytes)>;

  FakeRedis(uv::Loop& loop, OnBytes on_bytes) : loop_(loop), on_bytes_(std::move(on_bytes)) {
    auto socket = uv::listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 16);
    CHECK(socket);
    server_.host = "127.0.0.1";
    server_.port = uv::bound_address(socket->value()).port();
    listener_.emplace(
        loop, *std::move(socket),
        [this](UniqueFd fd, const SocketAddress&) { accept(std::move(fd)); }, [](bool) {});
  }

  Server server() const { return server_; }
  int accepted() const { return accepted_; }

  // To the connection that came last.
  void send(std::string_view bytes) { (void)stream_->write(bytes_of(bytes)); }
  void send_slowly(std::string bytes) {  // one byte a turn
    if (!bytes.empty() && stream_->is_open()) {
      send(bytes.substr(0, 1));
      loop_.defer([this, rest = bytes.substr(1)] { send_slowly(rest); });
    }
  }
  void end() { stream_->close(); }
  void reset() { stream_->reset(); }

 private:
  void accept(UniqueFd fd) {
    ++accepted_;
    received_.clear();
    stream_ = std::make_unique<uv::Stream>();
    CHECK(stream_->adopt<&FakeRedis::on_ready>(loop_, std::move(fd), *this));
    stream_->watch(true, false);
  }

  void on_ready(uv::Ready) {
    std::array<std::byte, 4096> bytes;
    const uv::IoResult result = stream_->read(bytes);
    if (result.status == uv::IoStatus::kProgress) {
      received_ += text_of(std::span<const std::byte>(bytes).first(result.count));
      on_bytes_(*this, received_);
    } else if (result.status != uv::IoStatus::kBlocked) {
      stream_->watch(false, false);
    }
  }

  uv::Loop& loop_;
  OnBytes on_bytes_;
  Server server_;
  std::optional<uv::Listener> listener_;
  std::unique_ptr<uv::Stream> stream_;
  std::string received_;
  int accepted_ = 0;
};

inline const std::string kPing = "*1\r\n$4\r\nPING\r\n";

// Answers PING, then `answer` to whatever comes.
inline FakeRedis::OnBytes answering(std::string answer) {
  return [answer = std::move(answer)](FakeRedis& server, std::string& bytes) {
    if (bytes.starts_with(kPing)) {
      bytes.erase(0, kPing.size());
      server.send("+PONG\r\n");
    }
    if (!std::exchange(bytes, "").empty()) {
      server.send(answer);
    }
  };
}

// A connection under test, what it told and how its commands ended.
class ConnectionTest : public uv::LoopTest {
 protected:
  ~ConnectionTest() override { connection_.reset(); }

  // Patient with a busy machine; `hasty` where silence is waited for.
  static constexpr Connection::Options kPatient{std::chrono::seconds(30), std::chrono::seconds(30),
                                                std::chrono::milliseconds(5),
                                                std::chrono::milliseconds(40)};
  static constexpr Connection::Options kHasty{
      std::chrono::milliseconds(500), std::chrono::milliseconds(500), std::chrono::milliseconds(5),
      std::chrono::milliseconds(40)};

  void connect(const Server& server, Connection::Options options = kPatient) {
    connection_ = std::make_unique<Connection>(loop_, server, options,
                                               [this](bool ready, const std::string& why) {
                                                 states_.push_back(ready ? "ready" : why);
                                                 if (on_state_) {
                                                   on_state_(ready);
                                                 }
                                               });
    connection_->open();
  }

  // Runs until the connection is ready (or, told so, is not).
  void until_ready(bool wanted = true) {
    on_state_ = [this, wanted](bool ready) {
      if (ready == wanted) {
        loop_.stop();
      }
    };
    run();
    on_state_ = nullptr;
  }

  struct Ended {
    Outcome outcome = Outcome::kNotConnected;
    Reply reply;
  };

  // Sends one command and runs until it has ended.
  Ended ask(std::vector<std::string_view> arguments, Expected expected,
            std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    std::optional<Ended> ended;
    connection_->command(arguments, expected, timeout, [&](Outcome outcome, Reply reply) {
      ended = Ended{outcome, std::move(reply)};
      loop_.stop();
    });
    EXPECT_FALSE(ended.has_value()) << "inside command()";
    run();
    return ended.value_or(Ended{});
  }

  std::vector<std::string> states_;
  std::function<void(bool)> on_state_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace usher::redis
