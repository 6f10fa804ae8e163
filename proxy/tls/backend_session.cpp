#include "proxy/tls/backend_session.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <utility>

#include "proxy/base/check.h"
#include "proxy/tls/backend_tls.h"
#include "proxy/tls/failure.h"

namespace usher::tls {

std::unique_ptr<BackendSession> BackendSession::create(BackendTls& tls, std::size_t server) {
  SslPtr ssl = tls.make_ssl(server);
  if (ssl == nullptr) {
    return nullptr;
  }
  std::unique_ptr<BackendSession> session(new BackendSession(tls, server, std::move(ssl)));
  BioPtr bio = make_session_bio(session->io_);
  if (bio == nullptr) {
    clear_error_queue();
    return nullptr;
  }
  BIO* both = bio.release();
  SSL_set_bio(session->ssl_.get(), both, both);  // takes the one reference for both directions
  return session;
}

BackendSession::BackendSession(BackendTls& tls, std::size_t server, SslPtr ssl)
    : tls_(tls), server_(server), ssl_(std::move(ssl)) {
  SSL_set_app_data(ssl_.get(), this);
}

BackendSession::~BackendSession() {
  // Else OpenSSL takes a missing close_notify for an error, and the session for unusable.
  if (!failed_) {
    SSL_set_shutdown(ssl_.get(), SSL_get_shutdown(ssl_.get()) | SSL_SENT_SHUTDOWN);
  }
}

void BackendSession::attach(ByteView input, ByteQueue& output) {
  io_.input = input;
  io_.output = &output;
}

IoOutcome BackendSession::handshake() {
  if (failed_) {
    return IoOutcome::kFailed;
  }
  clear_error_queue();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    const IoOutcome outcome = outcome_of(result);
    if (outcome == IoOutcome::kFailed) {
      tls_.forget(server_);  // perhaps what was offered is to blame
    }
    return outcome;
  }
  handshake_done_ = true;
  return IoOutcome::kProgress;
}

IoOutcome BackendSession::read(std::span<std::byte> into, std::size_t& count) {
  count = 0;
  if (failed_) {
    return IoOutcome::kFailed;
  }
  // One SSL_read gives one record at most.
  while (count < into.size() && !nothing_to_read(ssl_.get(), io_)) {
    clear_error_queue();
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data() + count, into.size() - count, &got);
    if (result != 1) {
      const IoOutcome outcome = outcome_of(result);
      // What was read first goes first; an end is repeated at the next call.
      return count > 0 ? IoOutcome::kProgress : outcome;
    }
    count += got;
  }
  return count > 0 ? IoOutcome::kProgress : IoOutcome::kBlocked;
}

IoOutcome BackendSession::write(ByteView plain) {
  if (failed_) {
    return IoOutcome::kFailed;
  }
  if (plain.empty()) {
    return IoOutcome::kProgress;
  }
  if (SSL_in_init(ssl_.get()) != 0) {
    return IoOutcome::kBlocked;
  }
  clear_error_queue();
  std::size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written);
  if (result != 1) {
    return outcome_of(result);
  }
  CHECK(written == plain.size());  // no SSL_MODE_ENABLE_PARTIAL_WRITE
  return IoOutcome::kProgress;
}

void BackendSession::send_close_notify() {
  if (!handshake_done_ || failed_ || (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) {
    return;
  }
  clear_error_queue();
  SSL_shutdown(ssl_.get());
  clear_error_queue();
}

IoOutcome BackendSession::outcome_of(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      clear_error_queue();
      return IoOutcome::kBlocked;
    case SSL_ERROR_ZERO_RETURN:
      clear_error_queue();
      return IoOutcome::kPeerEnded;
    default:
      error_code_ = drain_failure(true, true).code;
      failed_ = true;
      return IoOutcome::kFailed;
  }
}

bool BackendSession::resumed() const {
  return SSL_session_reused(ssl_.get()) != 0;
}

std::string BackendSession::failure_detail() const {
  const long verified = SSL_get_verify_result(ssl_.get());
  return ERR_GET_REASON(error_code_) == SSL_R_CERTIFICATE_VERIFY_FAILED
             ? X509_verify_cert_error_string(verified)
             : reason_text(error_code_);
}

void BackendSession::keep(SslSessionPtr session) {
  if (SSL_SESSION_is_resumable(session.get()) == 1) {
    tls_.keep(server_, std::move(session));
  }
}

}  // namespace usher::tls
