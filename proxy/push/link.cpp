#include "proxy/push/link.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cerrno>

#include "proxy/base/check.h"
#include "proxy/base/socket_address.h"
#include "proxy/base/unix_errors.h"
#include "proxy/tls/pem.h"

namespace usher::push {

// Between OpenSSL and the stream: OpenSSL's own socket BIO writes with write(2), whose SIGPIPE
// would end the process.
struct SocketBio {
  static Link& link_of(BIO* bio) { return *static_cast<Link*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    const auto room = std::as_writable_bytes(std::span(into, size));
    const uv::IoResult result = link_of(bio).stream_.read(room);
    if (result.status == uv::IoStatus::kBlocked) {
      BIO_set_retry_read(bio);
    }
    return finished(bio, result, count);
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    const uv::IoResult result = link_of(bio).stream_.write(std::as_bytes(std::span(from, size)));
    if (result.status == uv::IoStatus::kBlocked) {
      BIO_set_retry_write(bio);
    }
    return finished(bio, result, count);
  }

  static int finished(BIO* bio, const uv::IoResult& result, std::size_t* count) {
    *count = result.count;
    if (result.status == uv::IoStatus::kEnded) {
      BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
      return 0;
    }
    if (result.status == uv::IoStatus::kFailed) {
      link_of(bio).socket_error_ = result.error;
    }
    return result.status == uv::IoStatus::kProgress ? 1 : -1;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) {
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    }
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BioMethodPtr make_method() {
    BioMethodPtr method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "usher push"));
    CHECK(method != nullptr);
    BIO_meth_set_read_ex(method.get(), read);
    BIO_meth_set_write_ex(method.get(), write);
    BIO_meth_set_ctrl(method.get(), control);
    return method;
  }

  static BioPtr make(Link& link) {
    static const BioMethodPtr method = make_method();
    BioPtr bio(BIO_new(method.get()));
    if (bio != nullptr) {
      BIO_set_data(bio.get(), &link);
      BIO_set_init(bio.get(), 1);
    }
    return bio;
  }
};

namespace {

// RFC 6125 without its exceptions: no CN, and a wildcard only as a whole label.
bool expect_name(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (SocketAddress::parse(host + ":0") || SocketAddress::parse("[" + host + "]:0")) {
    return X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1;  // SNI is for names only
  }
  return X509_VERIFY_PARAM_set1_host(rules, host.c_str(), 0) == 1 &&
         SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
}

}  // namespace

bool Link::secure(SSL_CTX* context, Role role, const std::string& host) {
  ERR_clear_error();
  ssl_.reset(SSL_new(context));
  BioPtr bio = SocketBio::make(*this);
  if (ssl_ == nullptr || bio == nullptr) {
    ERR_clear_error();
    return false;
  }
  BIO* both = bio.release();
  SSL_set_bio(ssl_.get(), both, both);  // takes the one reference for both directions
  if (role == Role::kServer) {
    SSL_set_accept_state(ssl_.get());
    return true;
  }
  SSL_set_connect_state(ssl_.get());
  host_ = host;
  const bool expected = expect_name(ssl_.get(), host);
  ERR_clear_error();
  return expected;
}

LinkResult Link::handshake() {
  if (ssl_ == nullptr) {
    return {LinkStatus::kProgress, 0};
  }
  ERR_clear_error();
  const LinkResult result = outcome_of(SSL_do_handshake(ssl_.get()));
  handshaken_ = result.status == LinkStatus::kProgress;
  return result;
}

LinkResult Link::read(std::span<std::byte> into) {
  if (ssl_ == nullptr) {
    return plain(stream_.read(into));
  }
  ERR_clear_error();
  std::size_t count = 0;
  LinkResult result = outcome_of(SSL_read_ex(ssl_.get(), into.data(), into.size(), &count));
  result.count = count;
  return result;
}

LinkResult Link::write(ByteView bytes) {
  if (ssl_ == nullptr) {
    return plain(stream_.write(bytes));
  }
  ERR_clear_error();
  std::size_t count = 0;
  LinkResult result = outcome_of(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count));
  result.count = count;
  return result;
}

void Link::end() {
  if (handshaken_ && failure_.empty()) {  // OpenSSL forbids it after an error
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  stream_.shutdown_write();
}

LinkResult Link::plain(uv::IoResult result) {
  wants_write_ = false;
  switch (result.status) {
    case uv::IoStatus::kProgress:
      return {LinkStatus::kProgress, result.count};
    case uv::IoStatus::kBlocked:
      return {LinkStatus::kBlocked, 0};
    case uv::IoStatus::kEnded:
      return {LinkStatus::kEnded, 0};
    case uv::IoStatus::kFailed:
      failure_ = errno_text(result.error);
      peer_left_ = true;
      return {LinkStatus::kFailed, 0};
  }
  CHECK(false);
}

// The one place that turns OpenSSL results into outcomes.
LinkResult Link::outcome_of(int result) {
  wants_write_ = false;
  if (result == 1) {
    return {LinkStatus::kProgress, 0};
  }
  const int error = SSL_get_error(ssl_.get(), result);
  switch (error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = error == SSL_ERROR_WANT_WRITE;
      ERR_clear_error();
      return {LinkStatus::kBlocked, 0};
    case SSL_ERROR_ZERO_RETURN:
      ERR_clear_error();
      return {LinkStatus::kEnded, 0};
    default:
      note_tls_failure();
      ERR_clear_error();
      return {LinkStatus::kFailed, 0};
  }
}

void Link::note_tls_failure() {
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  const bool cut_off = reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  peer_left_ = cut_off || socket_error_ != 0;
  if (socket_error_ != 0) {
    failure_ = errno_text(socket_error_);
  } else if (cut_off) {
    failure_ = handshaken_ ? "the peer closed without a close_notify"
                           : "the peer closed during the TLS handshake";
  } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const long verdict = SSL_get_verify_result(ssl_.get());
    const std::string why = X509_verify_cert_error_string(verdict);
    const bool other_name =
        verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
    failure_ = other_name ? "TLS: the peer's certificate is not for " + host_ + " (" + why + ")"
                          : "TLS: the peer's certificate was refused (" + why + ")";
  } else {
    failure_ = "TLS: " + tls::take_openssl_reason();
  }
}

}  // namespace usher::push
