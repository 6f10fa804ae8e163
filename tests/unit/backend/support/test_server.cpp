#include "tests/unit/backend/support/test_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <csignal>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/uv/listener.h"

namespace usher::backend::test {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

BioPtr pem_reader(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

int choose_http11(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* in,
                  unsigned in_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, size, kOurs, sizeof kOurs - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

SslCtxPtr server_context(const usher::test::IssuedCertificate& certificate, int max_version) {
  SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  const X509Ptr x509(
      PEM_read_bio_X509(pem_reader(certificate.certificate_pem).get(), nullptr, nullptr, nullptr));
  const PkeyPtr key(
      PEM_read_bio_PrivateKey(pem_reader(certificate.key_pem).get(), nullptr, nullptr, nullptr));
  CHECK(SSL_CTX_use_certificate(context.get(), x509.get()) == 1);
  CHECK(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
  CHECK(SSL_CTX_set_max_proto_version(context.get(), max_version) == 1);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_http11, nullptr);
  return context;
}

}  // namespace

Peer::Peer(UniqueFd fd, SSL_CTX* context) : fd_(std::move(fd)) {
  const timeval limit{10, 0};
  CHECK(::setsockopt(fd_.value(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  if (context != nullptr) {
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd_.value());
    ready_ = SSL_accept(ssl_.get()) == 1;
    ERR_clear_error();
  }
}

std::string Peer::sni() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

std::string Peer::alpn() const {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  return std::string(text_of(std::as_bytes(std::span(protocol, size))));
}

bool Peer::ended_cleanly() const {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

std::string Peer::read_some(std::size_t most) {
  std::string bytes(most, '\0');
  if (ssl_) {
    std::size_t got = 0;
    const bool read = SSL_read_ex(ssl_.get(), bytes.data(), most, &got) == 1;
    ERR_clear_error();
    bytes.resize(read ? got : 0);
    return bytes;
  }
  const ssize_t got = ::recv(fd_.value(), bytes.data(), most, 0);
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return bytes;
}

std::string Peer::read(std::size_t count) {
  std::string bytes;
  while (bytes.size() < count) {
    const std::string more = read_some(std::min(count - bytes.size(), kBlock));
    if (more.empty()) {
      break;
    }
    bytes += more;
  }
  return bytes;
}

std::string Peer::read_head() {
  std::string bytes;
  while (!bytes.ends_with("\r\n\r\n")) {
    const std::string more = read_some(1);
    if (more.empty()) {
      break;
    }
    bytes += more;
  }
  return bytes;
}

std::string Peer::read_to_end() {
  return read(static_cast<std::size_t>(1) << 30);
}

void Peer::write(std::string_view text) {
  if (ssl_) {
    std::size_t written = 0;
    (void)SSL_write_ex(ssl_.get(), text.data(), text.size(), &written);
    ERR_clear_error();
    return;
  }
  while (!text.empty()) {
    const ssize_t count = ::send(fd_.value(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void Peer::close_notify() {
  (void)SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void Peer::fin() {
  (void)::shutdown(fd_.value(), SHUT_WR);
}

void Peer::reset() {
  const linger abort{1, 0};
  CHECK(::setsockopt(fd_.value(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort) == 0);
  fd_.reset();
}

TestServer::TestServer(Script script, const usher::test::IssuedCertificate* certificate,
                       int max_version)
    : script_(std::move(script)), listener_(listening_socket(64, address_)) {
  if (certificate != nullptr) {
    context_ = server_context(*certificate, max_version);
  }
  (void)std::signal(SIGPIPE, SIG_IGN);  // as every program of ours; OpenSSL's socket BIO raises it
  acceptor_ = std::thread([this] { run(); });
}

TestServer::~TestServer() {
  (void)::shutdown(listener_.value(), SHUT_RDWR);  // accept() returns
  acceptor_.join();
  for (std::thread& connection : connections_) {
    connection.join();
  }
}

int TestServer::accepted() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(connections_.size());
}

void TestServer::run() {
  for (;;) {
    UniqueFd accepted(::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted) {
      return;
    }
    const std::lock_guard lock(mutex_);
    connections_.emplace_back([this, fd = accepted.release()] {
      Peer peer(UniqueFd(fd), context_.get());
      if (peer.ready()) {
        script_(peer);
      }
    });
  }
}

SocketAddress refusing_address() {
  SocketAddress address;
  const UniqueFd closed = listening_socket(1, address);
  return address;
}

UniqueFd listening_socket(int backlog, SocketAddress& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto any = *SocketAddress::parse("127.0.0.1:0");
  CHECK(::bind(fd.value(), any.raw(), any.raw_size()) == 0);
  CHECK(::listen(fd.value(), backlog) == 0);
  address = uv::bound_address(fd.value());
  return fd;
}

}  // namespace usher::backend::test
