#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/socket_address.h"
#include "proxy/base/unique_fd.h"

// The other ends of a connection, with blocking calls that give up after ten seconds.
namespace usher::relay::test {

// How a stream of bytes came to its end.
enum class End { kNone, kCloseNotify, kFin, kReset, kAlert, kTimeout };

struct Stream {
  std::string bytes;
  End end = End::kNone;
};

// A plain TCP socket.
class Socket {
 public:
  static Socket connect(const SocketAddress& to, int receive_buffer = 0);
  explicit Socket(UniqueFd fd);

  bool write(std::string_view bytes);  // all; false when the peer is gone
  // As much as the other side takes within `idle_ms` of silence; the count.
  std::size_t write_until_blocked(std::size_t most, int idle_ms);
  std::string read(std::size_t count);  // exactly; shorter when it ended
  Stream read_to_end();
  void fin();
  void reset();
  void close() { fd_.reset(); }
  int fd() const { return fd_.value(); }
  SocketAddress local() const;

 private:
  UniqueFd fd_;
};

// A listening socket on 127.0.0.1 that plays a backend server.
class TestBackend {
 public:
  TestBackend();
  SocketAddress address() const { return address_; }
  Socket accept();

 private:
  UniqueFd fd_;
  SocketAddress address_;
};

// A listening socket whose queue is full: connects to it hang.
class BlackHole {
 public:
  BlackHole();
  SocketAddress address() const { return address_; }

 private:
  UniqueFd fd_;
  std::vector<UniqueFd> fillers_;
  SocketAddress address_;
};

// A port where nobody listens.
SocketAddress refusing_address();

// An OpenSSL client on a Socket.
class TestClient {
 public:
  explicit TestClient(Socket socket, int version = TLS1_3_VERSION, SSL_SESSION* session = nullptr);
  static TestClient to(const SocketAddress& address, int version = TLS1_3_VERSION) {
    return TestClient(Socket::connect(address), version);
  }

  bool handshake();
  bool write(std::string_view text);
  std::string read(std::size_t count);
  Stream read_to_end();  // decrypted
  void close_notify();   // ours; reading goes on
  Socket& socket() { return socket_; }
  SSL* ssl() { return ssl_.get(); }
  // Plaintext and framing of each application record received, in order.
  const std::vector<std::size_t>& record_sizes() const { return *record_sizes_; }

 private:
  End end_of(int result);

  Socket socket_;
  std::unique_ptr<std::vector<std::size_t>> record_sizes_;
  SslCtxPtr context_;
  SslPtr ssl_;
};

}  // namespace usher::relay::test
