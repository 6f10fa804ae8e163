#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <thread>

#include "proxy/admin/control_socket.h"
#include "proxy/admin/http_server.h"
#include "proxy/uv/mailbox.h"

namespace usher::admin {

// A directory that goes with the object.
class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "usher_admin_XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// A blocking client of a Unix socket. Reads give up after 10 s, so a silent server fails the test.
class TestClient {
 public:
  explicit TestClient(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ =
        ::connect(fd_.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_.value(); }
  bool send(std::string_view bytes) {
    return ::send(fd_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  // One response with its body; what came of it when the connection ends first.
  std::string response(bool head_only = false) {
    while (received_.find("\r\n\r\n") == std::string::npos && receive()) {
    }
    const std::size_t head = received_.find("\r\n\r\n");
    if (head == std::string::npos) {
      return std::exchange(received_, {});
    }
    const std::size_t field = received_.find("Content-Length: ");
    const std::size_t body =
        head_only || field > head ? 0 : std::strtoul(received_.c_str() + field + 16, nullptr, 10);
    while (received_.size() < head + 4 + body && receive()) {
    }
    const std::string whole = received_.substr(0, head + 4 + body);
    received_.erase(0, whole.size());
    return whole;
  }

  // Whether the server ends the connection (and sends nothing before).
  bool ended() { return received_.empty() && !receive() && !timed_out_; }
  bool readable_within(std::chrono::milliseconds time) {
    pollfd wait{fd_.value(), POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(time.count())) == 1;
  }

  // Whether the server closes while nothing is read.
  bool hung_up_within(std::chrono::milliseconds time) {
    pollfd wait{fd_.value(), 0, 0};
    return ::poll(&wait, 1, static_cast<int>(time.count())) == 1 && (wait.revents & POLLHUP) != 0;
  }

 private:
  bool receive() {
    if (!readable_within(std::chrono::seconds(10))) {
      timed_out_ = true;
      return false;
    }
    char buffer[65536];
    const ssize_t size = ::recv(fd_.value(), buffer, sizeof buffer, 0);
    received_.append(buffer, size > 0 ? static_cast<std::size_t>(size) : 0);
    return size > 0;
  }

  UniqueFd fd_;
  bool connected_ = false;
  bool timed_out_ = false;
  std::string received_;
};

// An HttpServer on a control socket, its loop on a thread of its own.
class TestServer {
 public:
  template <class Handler>
  TestServer(HttpServer::Admit admit, Handler handler, HttpServer::Limits limits = {})
      : socket_(ControlSocket::listen(path()).value()),
        server_(loop_, socket_.take_fd(), std::move(admit), std::move(handler), limits),
        mailbox_(loop_),
        thread_([this] { loop_.run(); }) {}
  ~TestServer() {
    mailbox_.post([this] {
      server_.close();
      mailbox_.close();
    });
    thread_.join();
  }

  std::string path() const { return directory_ / "http.sock"; }
  HttpServer& server() { return server_; }
  // Runs on the loop and waits for it.
  void on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    mailbox_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  TestDirectory directory_;
  uv::Loop loop_;
  ControlSocket socket_;
  HttpServer server_;
  uv::Mailbox mailbox_;
  std::thread thread_;
};

}  // namespace usher::admin
