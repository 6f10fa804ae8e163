#include "proxy/tls/session_bio.h"

#include <algorithm>
#include <cstring>

namespace usher::tls {

namespace {

SessionIo& io_of(BIO* bio) {
  return *static_cast<SessionIo*>(BIO_get_data(bio));
}

// As memory BIOs return it: "ask again" with a retry flag, an error without.
constexpr int kNothing = -1;

// An error (no retry flag) ends the session: OpenSSL then reports SSL_ERROR_SYSCALL with an empty
// queue.
int read_input(BIO* bio, char* into, std::size_t size, std::size_t* count) {
  SessionIo& io = io_of(bio);
  BIO_clear_retry_flags(bio);
  *count = 0;
  if (io.env != nullptr && io.env->failure != TlsFailure::kNone) {
    return kNothing;
  }
  if (io.input.empty()) {
    BIO_set_retry_read(bio);
    return kNothing;
  }
  const std::size_t taken = std::min(size, io.input.size());
  if (io.env != nullptr && !io.env->hello_seen) {
    if (io.hello_bytes == 0) {
      const auto type = std::to_integer<int>(io.input.front());
      io.first_byte_is_tls = type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT;
    }
    io.hello_bytes += static_cast<std::uint32_t>(taken);  // ≤ kHelloBytesMax + one record
    if (io.hello_bytes > SessionIo::kHelloBytesMax) {
      io.env->failure = TlsFailure::kHelloTooLarge;
      return kNothing;
    }
  }
  std::memcpy(into, io.input.data(), taken);
  io.input = io.input.subspan(taken);
  *count = taken;
  return 1;
}

int append_output(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
  SessionIo& io = io_of(bio);
  BIO_clear_retry_flags(bio);
  *count = 0;
  if (io.output == nullptr || io.output->size() >= SessionIo::kOutputMax) {
    BIO_set_retry_write(bio);
    return kNothing;
  }
  io.output->append(std::as_bytes(std::span(from, size)));
  *count = size;
  return 1;
}

long control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BioMethodPtr make_method() {
  BioMethodPtr method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "usher session"));
  CHECK(method != nullptr);
  BIO_meth_set_read_ex(method.get(), read_input);
  BIO_meth_set_write_ex(method.get(), append_output);
  BIO_meth_set_ctrl(method.get(), control);
  return method;
}

}  // namespace

BioPtr make_session_bio(SessionIo& io) {
  static const BioMethodPtr method = make_method();
  BioPtr bio(BIO_new(method.get()));
  if (bio != nullptr) {
    BIO_set_data(bio.get(), &io);
    BIO_set_init(bio.get(), 1);
  }
  return bio;
}

bool nothing_to_read(const SSL* ssl, const SessionIo& io) {
  return io.input.empty() && SSL_pending(ssl) == 0 &&
         (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) == 0;
}

}  // namespace usher::tls
