#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/base/unique_fd.h"

namespace usher::ctl::test {

// An HTTP response as our daemons make them.
inline std::string http(int status, const std::string& type, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " Words\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
inline std::string http(int status, const nlohmann::json& body) {
  return http(status, "application/json", body.dump());
}

// Answers on a control socket, one connection after the other, on its own thread; the test decides
// with what bytes.
class FakeDaemon {
 public:
  struct Request {
    std::string line;  // "GET /keys"
    std::string body;
  };
  using Answer = std::function<std::string(const Request&)>;

  FakeDaemon(const std::string& path, Answer answer)
      : answer_(std::move(answer)), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    CHECK(::bind(socket_.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CHECK(::listen(socket_.value(), 8) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  FakeDaemon(const FakeDaemon&) = delete;
  ~FakeDaemon() {
    ::shutdown(socket_.value(), SHUT_RDWR);  // accept(2) returns
    thread_.join();
  }

  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (;;) {
      const UniqueFd client(::accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) {
        return;
      }
      const Request request = receive(client.value());
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const std::string bytes = answer_(request);
      (void)::send(client.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

  static Request receive(int client) {
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
      const std::size_t head = text.find("\r\n\r\n");
      if (head != text.npos) {
        const std::size_t field = text.find("Content-Length: ");
        const std::size_t size = field < head ? std::stoul(text.substr(field + 16)) : 0;
        if (text.size() >= head + 4 + size) {
          return {text.substr(0, text.find(" HTTP/1.1")), text.substr(head + 4)};
        }
      }
      const ssize_t count = ::recv(client, part.data(), part.size(), 0);
      if (count <= 0) {
        return {"cut off", text};
      }
      text.append(part.data(), static_cast<std::size_t>(count));
    }
  }

  const Answer answer_;
  const UniqueFd socket_;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::thread thread_;
};

}  // namespace usher::ctl::test
