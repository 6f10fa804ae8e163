// Connection while an application speaks: plaintext goes to it, what it writes becomes records.
#include <algorithm>

#include "proxy/relay/connection.h"

namespace usher::relay {
namespace {

// How often in one callback an application that has more to say than output_room() is asked to go
// on, as long as the socket takes everything at once. Four times 256 KiB: then other connections.
constexpr int kWriteRounds = 4;

// The longest TLS record (RFC 8446 §5.2, RFC 5246 §6.2.3) and its header.
constexpr std::size_t kRecordMax = 16 * 1024 + 2048 + 5;

// What could not be written at once is tried again in pieces of this size: some always fits when
// the session's output is empty.
constexpr std::size_t kPiece = 128 * 1024;

// While it lives, a call of the application is on the stack.
class Busy {
 public:
  explicit Busy(bool& flag) : flag_(flag), before_(flag) { flag = true; }
  ~Busy() { flag_ = before_; }
  Busy(const Busy&) = delete;

 private:
  bool& flag_;
  const bool before_;
};

}  // namespace

void Connection::begin_application() {
  enter(Phase::kRelaying);
  application_ = listener_->application->make(*this);
  if (services_.draining) {
    const Busy busy(application_busy_);
    application_->drain();
  }
  if (phase_ == Phase::kRelaying && !held_.empty()) {
    take_for_application(held_.view());
  } else if (phase_ == Phase::kRelaying && application_reads()) {
    receive_from_client(application_takes());  // often the request is here by now
  }
  settle_application();
  if (phase_ == Phase::kRelaying && to_backend_.plain_bytes == 0 && tls_) {
    client_.push();  // see on_handshake_done(): no request yet, so perhaps no answer soon
  }
}

void Connection::on_client_speaking(uv::Ready ready) {
  if (ready.writable || ready.failed) {
    if (to_client_.waiting()) {
      flush_client();
    }
    if (output_room() > 0) {
      const Busy busy(application_busy_);
      application_->on_writable();
    }
  }
  if (phase_ == Phase::kRelaying && (ready.readable || ready.failed)) {
    if (application_reads()) {
      receive_from_client(application_takes());
    } else if (ready.failed) {  // and nothing more would tell
      to_client_.break_off();
    }
  }
  settle_application();
}

void Connection::call_application(void (Application::*call)()) {
  {
    const Busy busy(application_busy_);
    (application_.get()->*call)();
  }
  settle_application();
}

// `received` is what was just read or what was held.
void Connection::take_for_application(ByteView received) {
  note_activity();
  const Busy busy(application_busy_);
  const auto hand_over = [this](ByteView plain) {
    to_backend_.plain_bytes += plain.size();
    listener_->metrics->bytes_to_backend.add(plain.size());
    application_->on_bytes(plain);
  };
  if (!tls_) {
    hand_over(received);
    if (phase_ == Phase::kRelaying) {
      hold({});
    }
    return;
  }
  tls_->attach(received, tls_output());
  tls::IoOutcome outcome = tls::IoOutcome::kBlocked;
  std::size_t count = 0;
  while (phase_ == Phase::kRelaying &&
         (outcome = tls_->read(services_.plain, count)) == tls::IoOutcome::kProgress) {
    hand_over(services_.plain.first(count));
  }
  if (phase_ != Phase::kRelaying) {
    return;
  }
  hold(tls_->unread_input());
  if (outcome == tls::IoOutcome::kFailed) {
    finish(tls_->failure() == tls::TlsFailure::kKeyUpdateFlood ? CloseReason::kKeyUpdateFlood
                                                               : CloseReason::kClientFailed);
  } else if (outcome == tls::IoOutcome::kPeerEnded) {
    hold({});  // nothing after close_notify counts (RFC 8446 §6.1)
    to_backend_.end();
    tell_client_ended(false);
  }
}

void Connection::tell_client_ended(bool truncated) {
  if (!client_end_told_) {
    client_end_told_ = true;
    const Busy busy(application_busy_);
    application_->on_client_ended(truncated);
  }
}

// While the client is inside a message after the handshake nothing can be written to it: its rest
// is read although the application, which may be waiting to write, takes nothing.
std::size_t Connection::application_takes() const {
  const std::size_t room = application_->room();
  if (tls_ && !tls_->may_write()) {
    return std::max(room, kRecordMax);
  }
  return unwritten_.empty() ? room : 0;
}

bool Connection::application_reads() const {
  return client_may_be_read() && !to_backend_.source_ended() && application_takes() > 0;
}

void Connection::commit() {
  if (!application_busy_) {
    settle_application();
  }
}

// At the end of every callback: what has come to its end, what leaves, and what to wait for.
void Connection::settle_application() {
  if (phase_ == Phase::kRelaying && !held_.empty() && application_takes() > 0) {
    take_for_application(held_.view());
  }
  if (phase_ == Phase::kRelaying && client_fin_ && held_.empty()) {
    tell_client_ended(tls_ != nullptr);  // without TLS a FIN is all that there is
  }
  if (phase_ == Phase::kRelaying) {
    write_out();
  }
  if (phase_ == Phase::kRelaying && to_client_.broken()) {
    const bool bad_tls = tls_ && tls_->failure() != tls::TlsFailure::kNone;
    close(bad_tls ? CloseReason::kClientFailed : CloseReason::kClientReset);
  }
  if (phase_ == Phase::kRelaying) {
    const bool can_write = output_room() > 0;
    if (can_write && lacked_room_) {  // the session takes output again
      const Busy busy(application_busy_);
      application_->on_writable();
    }
    lacked_room_ = !can_write;
    arm_timer();
    client_.watch(application_reads(), to_client_.waiting() || goes_on_writing(), true);
  }
}

void Connection::write_out() {
  for (int round = 0; round < kWriteRounds && phase_ == Phase::kRelaying; ++round) {
    {
      const Busy busy(application_busy_);
      application_->before_commit();
    }
    if (phase_ != Phase::kRelaying) {
      return;
    }
    if (!unwritten_.empty()) {
      const ByteQueue waited = std::move(unwritten_);
      for (ByteView rest = waited.view(); !rest.empty();) {
        const ByteView piece = rest.first(std::min(rest.size(), kPiece));
        rest = rest.subspan(piece.size());
        unwritten_.empty() ? seal(piece) : unwritten_.append(piece);
      }
    }
    send_tls_output();
    if (to_client_.waiting() || !goes_on_writing()) {
      return;
    }
  }
}

// There is more to write, and the session takes it: only the socket is to be waited for.
bool Connection::goes_on_writing() const {
  return unwritten_.empty() ? application_->wants_to_write() && output_room() > 0
                            : tls_->may_write();
}

void Connection::write(ByteView plain) {
  if (phase_ != Phase::kRelaying || plain.empty()) {
    return;
  }
  to_client_.plain_bytes += plain.size();
  listener_->metrics->bytes_to_client.add(plain.size());
  if (to_client_.broken()) {
    return;
  }
  if (!tls_) {
    tls_output().append(plain);
  } else if (!unwritten_.empty()) {
    unwritten_.append(plain);
  } else {
    seal(plain);
  }
}

// Into records behind what waits already. What has to wait: everything while the client is in the
// middle of a KeyUpdate, and what an application writes far beyond output_room().
void Connection::seal(ByteView plain) {
  tls_->attach_output(tls_output());
  switch (tls_->may_write() ? write_records(plain) : tls::IoOutcome::kBlocked) {
    case tls::IoOutcome::kProgress:
      return;
    case tls::IoOutcome::kBlocked:
      unwritten_.append(plain);
      return;
    case tls::IoOutcome::kPeerEnded:
    case tls::IoOutcome::kFailed:
      to_client_.break_off();
      return;
  }
}

std::size_t Connection::output_room() const {
  if (phase_ != Phase::kRelaying || !unwritten_.empty() || (tls_ && !tls_->may_write())) {
    return 0;
  }
  const std::size_t room = to_client_.room();
  const std::size_t written = services_.output.size();  // in this callback
  return room > written ? room - written : 0;
}

SocketAddress Connection::local() const {
  return told_destination_ ? *told_destination_ : client_.local_address();
}

void Connection::end_output() {
  if (phase_ == Phase::kRelaying && tls_) {
    tls_->attach_output(tls_output());
    tls_->send_close_notify();  // once
    to_client_.end();
  }
}

void Connection::end(CloseReason reason) {
  end_output();
  if (phase_ == Phase::kRelaying) {
    finish(reason);
  }
}

void Connection::cut_off(CloseReason reason) {
  if (phase_ != Phase::kRelaying) {
    return;
  }
  if (tls_) {
    finish(reason);
    return;
  }
  client_.reset();  // without TLS only a reset tells a cut-off stream from a whole one
  close(reason);
}

void Connection::stop_application() {
  if (application_ && !application_stopped_) {
    application_stopped_ = true;
    const Busy busy(application_busy_);
    application_->stop();
  }
}

}  // namespace usher::relay
