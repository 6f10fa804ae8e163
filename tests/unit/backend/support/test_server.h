#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/socket_address.h"
#include "proxy/base/unique_fd.h"
#include "tests/support/test_ca.h"

namespace usher::backend::test {

// A server's end of one connection: blocking, ten seconds at most.
class Peer {
 public:
  Peer(UniqueFd fd, SSL_CTX* context);  // context null: plain

  bool ready() const { return ready_; }  // the handshake, if any, went well
  bool resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }
  std::string sni() const;
  std::string alpn() const;
  bool ended_cleanly() const;           // close_notify has come
  std::string read(std::size_t count);  // less at the end
  std::string read_head();              // up to an empty line
  std::string read_to_end();
  void write(std::string_view text);
  void close_notify();
  void fin();
  void reset();

 private:
  std::string read_some(std::size_t most);

  UniqueFd fd_;
  SslPtr ssl_;
  bool ready_ = true;
};

// Listens on 127.0.0.1 and runs a script for every connection, each on a thread of its own.
class TestServer {
 public:
  using Script = std::function<void(Peer&)>;
  explicit TestServer(Script script, const usher::test::IssuedCertificate* certificate = nullptr,
                      int max_version = 0);
  ~TestServer();
  TestServer(const TestServer&) = delete;

  SocketAddress address() const { return address_; }
  int accepted() const;

 private:
  void run();

  Script script_;
  SslCtxPtr context_;
  SocketAddress address_;
  UniqueFd listener_;
  mutable std::mutex mutex_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

// A port on which nobody listens.
SocketAddress refusing_address();
// Takes connections into its kernel queue, never more.
UniqueFd listening_socket(int backlog, SocketAddress& address);

}  // namespace usher::backend::test
