#include "proxy/tls/tls_session.h"

#include <algorithm>

#include "proxy/tls/failure.h"
#include "proxy/tls/pem.h"

namespace usher::tls {

namespace {

// Header 5, TLS 1.2 CBC with an IV 16, HMAC-SHA-384 48 and padding 16; AEAD suites need 22 to 29.
constexpr std::size_t kRecordOverheadMax = 85;
constexpr std::size_t kRecordMax = SSL3_RT_MAX_PLAIN_LENGTH;

}  // namespace

std::unique_ptr<TlsSession> TlsSession::create(std::shared_ptr<const ServerContext> context,
                                               TicketKeys* keys, SessionCache* sessions,
                                               HandshakeWaiter* waiter) {
  clear_error_queue();
  SslPtr ssl(SSL_new(context->listener_context()));
  if (ssl == nullptr) {
    clear_error_queue();
    return nullptr;
  }
  std::unique_ptr<TlsSession> session(new TlsSession(std::move(context), std::move(ssl)));
  session->env_.keys = keys;
  session->env_.sessions = sessions;
  session->env_.waiter = waiter;
  BioPtr bio = make_session_bio(session->io_);
  if (bio == nullptr) {
    clear_error_queue();
    return nullptr;
  }
  BIO* both = bio.release();
  SSL_set_bio(session->ssl_.get(), both, both);  // takes the one reference for both directions
  return session;
}

TlsSession::TlsSession(std::shared_ptr<const ServerContext> context, SslPtr ssl)
    : context_(std::move(context)), ssl_(std::move(ssl)) {
  env_.policy = &context_->tickets();
  env_.context = context_.get();
  io_.env = &env_;
  SSL_set_app_data(ssl_.get(), &env_);
  SSL_set_accept_state(ssl_.get());
}

TlsSession::~TlsSession() {
  // Else OpenSSL takes a missing close_notify for an error and throws the session away (DESIGN §4).
  if (env_.failure == TlsFailure::kNone) {
    SSL_set_shutdown(ssl_.get(), SSL_get_shutdown(ssl_.get()) | SSL_SENT_SHUTDOWN);
  }
}

void TlsSession::attach(ByteView input, ByteQueue& output) {
  io_.input = input;
  io_.output = &output;
}

void TlsSession::attach_output(ByteQueue& output) {
  io_.output = &output;
}

ByteView TlsSession::unread_input() const {
  return io_.input;
}

IoOutcome TlsSession::handshake() {
  if (env_.failure != TlsFailure::kNone) {
    return IoOutcome::kFailed;
  }
  clear_error_queue();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    return outcome_of(result);
  }
  env_.handshake_done = true;
  // From here on only the SSL's own context is needed: long connections do not keep a generation.
  env_.context = nullptr;
  env_.policy = nullptr;
  env_.domain = nullptr;
  env_.session_context = nullptr;
  context_.reset();
  env_.lookup.reset();
  note_resumption();
  return IoOutcome::kProgress;
}

IoOutcome TlsSession::read(std::span<std::byte> into, std::size_t& count) {
  count = 0;
  if (env_.failure != TlsFailure::kNone) {
    return IoOutcome::kFailed;
  }
  // One SSL_read gives one record at most.
  while (count < into.size() && !nothing_to_read(ssl_.get(), io_)) {
    clear_error_queue();
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data() + count, into.size() - count, &got);
    if (result != 1) {
      const IoOutcome outcome = outcome_of(result);
      // What was read first goes first; OpenSSL or failure() repeats an end at the next call.
      return count > 0 ? IoOutcome::kProgress : outcome;
    }
    env_.key_updates = 0;
    count += got;
  }
  return count > 0 ? IoOutcome::kProgress : IoOutcome::kBlocked;
}

IoOutcome TlsSession::write(ByteView plain, std::size_t record_size) {
  if (env_.failure != TlsFailure::kNone) {
    return IoOutcome::kFailed;
  }
  if (plain.empty()) {
    return IoOutcome::kProgress;
  }
  if (!output_room(plain.size())) {
    return IoOutcome::kBlocked;
  }
  const auto size = static_cast<std::uint16_t>(std::clamp(record_size, kRecordMin, kRecordMax));
  if (size != record_size_) {
    // OpenSSL cuts the records itself: with RELEASE_BUFFERS each SSL_write allocates and frees a
    // buffer. A smaller negotiated fragment length still wins.
    SSL_set_split_send_fragment(ssl_.get(), size);
    record_size_ = size;
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

bool TlsSession::output_room(std::size_t plain_bytes) const {
  if (io_.output == nullptr || SSL_in_init(ssl_.get()) != 0) {
    return false;
  }
  const std::size_t records = plain_bytes / kRecordMin + 1;
  return io_.output->size() + plain_bytes + records * kRecordOverheadMax <= kOutputMax;
}

bool TlsSession::may_write() const {
  return SSL_in_init(ssl_.get()) == 0;
}

void TlsSession::send_close_notify() {
  if (!env_.handshake_done || env_.failure != TlsFailure::kNone ||
      (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) {
    return;
  }
  clear_error_queue();
  SSL_shutdown(ssl_.get());
  clear_error_queue();
}

// The one place that turns OpenSSL results into outcomes.
IoOutcome TlsSession::outcome_of(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  switch (error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      if (env_.failure != TlsFailure::kNone) {
        return IoOutcome::kFailed;
      }
      clear_error_queue();
      return IoOutcome::kBlocked;
    case SSL_ERROR_ZERO_RETURN:
      clear_error_queue();
      return IoOutcome::kPeerEnded;
    default: {
      const FailureCause cause = drain_failure(env_.hello_seen, io_.first_byte_is_tls);
      error_code_ = cause.code;
      if (env_.failure == TlsFailure::kNone) {  // a callback or the BIO knew better
        env_.failure = cause.failure;
        forget_session();
      }
      return IoOutcome::kFailed;
    }
  }
}

// What became of the offer: the callbacks noted why not, only the end of the handshake knows that
// it worked.
void TlsSession::note_resumption() {
  if (SSL_session_reused(ssl_.get()) != 0) {
    env_.outcome = OfferOutcome::kResumed;
    env_.cached = env_.cached ||
                  (env_.offer == OfferKind::kSessionId && SSL_version(ssl_.get()) < TLS1_3_VERSION);
  } else if (env_.outcome == OfferOutcome::kResumed) {
    env_.outcome = OfferOutcome::kOther;
  }
}

// A fatal alert or a bad record has ended the connection (RFC 5246 §7.2.2, RFC 8446 §6.2). Before
// the handshake is done nothing is forgotten: anyone who saw an id could delete its session
// (DESIGN §6). For the same reason only what this connection itself stored or resumed: beside a
// ticket a client may send any id.
void TlsSession::forget_session() {
  if (env_.handshake_done && env_.cached) {
    unsigned size = 0;
    const unsigned char* id = SSL_SESSION_get_id(SSL_get_session(ssl_.get()), &size);
    env_.sessions->remove(std::as_bytes(std::span(id, size)),
                          SSL_version(ssl_.get()) >= TLS1_3_VERSION ? SessionCache::Use::kOnce
                                                                    : SessionCache::Use::kShared);
  }
}

bool TlsSession::suspended() const {
  return env_.lookup != nullptr && env_.lookup->under_way();
}

void TlsSession::cancel_lookup() {
  env_.lookup.reset();
}

std::string TlsSession::failure_detail() const {
  switch (env_.failure) {
    case TlsFailure::kClientCertUnknownCa:
    case TlsFailure::kClientCertExpired:
    case TlsFailure::kClientCertRevoked:
    case TlsFailure::kClientCertInvalid:
      return X509_verify_cert_error_string(verify_result());
    default:
      return reason_text(error_code_);
  }
}

TlsFacts TlsSession::facts() const {
  TlsFacts facts;
  SSL* ssl = ssl_.get();
  facts.version = SSL_get_version(ssl);
  facts.cipher = SSL_get_cipher_name(ssl);
  facts.sni = env_.sni;
  const unsigned char* protocol = nullptr;
  unsigned protocol_size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &protocol_size);
  facts.alpn = text_of(std::as_bytes(std::span(protocol, protocol_size)));
  if (SSL_session_reused(ssl) != 0) {
    facts.resumption = SSL_version(ssl) >= TLS1_3_VERSION    ? Resumption::kPsk
                       : env_.offer == OfferKind::kSessionId ? Resumption::kSessionId
                                                             : Resumption::kTicket;
  }
  facts.offer = env_.offer;
  facts.outcome = env_.outcome;
  facts.client_cert = SSL_get0_peer_certificate(ssl) != nullptr;
  facts.client_cert_verified = facts.client_cert && verify_result() == X509_V_OK;
  if (const SSL_SESSION* session = SSL_get_session(ssl)) {
    const unsigned code = SSL_SESSION_get_max_fragment_length(session);
    facts.max_fragment_length = code == TLSEXT_max_fragment_length_DISABLED ? 0 : 256U << code;
  }
  facts.tickets_issued = env_.tickets_issued;
  return facts;
}

std::string TlsSession::client_common_name() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate == nullptr ? std::string() : common_name_of(certificate);
}

long TlsSession::verify_result() const {
  return SSL_get_verify_result(ssl_.get());
}

}  // namespace usher::tls
