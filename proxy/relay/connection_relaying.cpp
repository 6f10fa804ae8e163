// Connection while bytes go both ways. A callback reads one socket once, at most a receive buffer's
// worth, and writes each socket at most once.
#include <algorithm>
#include <cerrno>

#include "proxy/relay/connection.h"

namespace usher::relay {
namespace {

// A client can use a record only when all of it has arrived. So the first bytes after a pause, when
// the kernel may send about ten segments before it hears from the client (RFC 6928), go in records
// of three segments (1460 bytes less TCP's timestamps, three times, less a record's 22 to 29 bytes
// of framing); bulk goes in the largest records. Records of one segment would cost four times as
// many AEAD operations for little: the fourth part of a window arrives as one anyway.
constexpr std::size_t kSmallRecord = 4 * 1024;
constexpr std::size_t kBulkRecord = 16 * 1024;
constexpr std::uint32_t kSmallAfterPause = 16 * 1024;
// A new answer on a connection in full swing: one small record, so that its head can be read at
// once.
constexpr std::uint32_t kSmallAfterRequest = kSmallRecord;
// The kernel itself starts over with a small window after about this long (RFC 5681 §4.1).
constexpr std::chrono::milliseconds kPause(1'000);

// The client is not read while more output than this waits for it. Relayed bytes alone stay below;
// what goes above are answers to KeyUpdates, and TlsSession stops those at its own bound, twice as
// high.
constexpr std::size_t kClientOutputMax = tls::TlsSession::kOutputMax / 2;

constexpr std::size_t kReadMax = WorkerServices::kReceiveSize;
static_assert(2 * Flow::kBytesMax <= kReadMax);

}  // namespace

// The PROXY header, if any, waits already; with the client's early bytes behind it that makes one
// write.
void Connection::begin_relaying() {
  small_records_left_ = kSmallAfterPause;
  last_encrypted_ = services_.loop.now();
  if (!held_.empty()) {
    decrypt(held_.view());
  } else if (reads_client()) {
    receive_from_client(to_backend_.room());  // often the request is here by now
  }
  if (phase_ == Phase::kRelaying && to_backend_.waiting()) {
    note_backend_write(to_backend_.flush(backend_));
  }
  if (phase_ == Phase::kRelaying && to_backend_.plain_bytes == 0) {
    client_.push();  // see on_handshake_done(): no request yet, so perhaps no answer soon
  }
  settle();
}

void Connection::on_client_relaying(uv::Ready ready) {
  if ((ready.writable || ready.failed) && to_client_.waiting()) {
    flush_client();
  }
  if ((ready.readable || ready.failed) && reads_client()) {
    receive_from_client(to_backend_.room());
  }
  settle();
}

void Connection::on_backend_relaying(uv::Ready ready) {
  if ((ready.writable || ready.failed) && to_backend_.waiting()) {
    note_backend_write(to_backend_.flush(backend_));
  }
  if ((ready.readable || ready.failed) && reads_backend()) {
    receive_from_backend();
  }
  settle();
}

bool Connection::client_may_be_read() const {
  return !client_fin_ && held_.empty() && to_client_.waiting_bytes() <= kClientOutputMax;
}

bool Connection::reads_client() const {
  return client_may_be_read() && to_backend_.room() > 0;
}

bool Connection::reads_backend() const {
  if (backend_fin_) {
    return false;
  }
  const std::size_t room = to_client_.room();
  return room > 0 && (to_client_.broken() || tls_->output_room(room));
}

void Connection::receive_from_client(std::size_t most) {
  const std::size_t size = std::min(most, services_.receive.size());
  const uv::IoResult got = client_.read(services_.receive.first(size));
  switch (got.status) {
    case uv::IoStatus::kProgress:
      if (application_) {
        take_for_application(services_.receive.first(got.count));
      } else {
        decrypt(services_.receive.first(got.count));
      }
      return;
    case uv::IoStatus::kBlocked:
      return;
    case uv::IoStatus::kEnded:
      client_fin_ = true;
      return;
    case uv::IoStatus::kFailed:
      close(CloseReason::kClientReset);
      return;
  }
}

// `received` is what was just read or what was held.
void Connection::decrypt(ByteView received) {
  note_activity();
  tls_->attach(received, tls_output());
  tls::IoOutcome outcome = tls::IoOutcome::kBlocked;
  std::size_t count = 0;
  while ((outcome = tls_->read(services_.plain, count)) == tls::IoOutcome::kProgress) {
    to_backend_.plain_bytes += count;
    listener_->metrics->bytes_to_backend.add(count);
    small_records_left_ = std::max(small_records_left_, kSmallAfterRequest);
    note_backend_write(to_backend_.send(backend_, services_.plain.first(count)));
  }
  hold(tls_->unread_input());
  if (outcome == tls::IoOutcome::kFailed) {
    finish(tls_->failure() == tls::TlsFailure::kKeyUpdateFlood ? CloseReason::kKeyUpdateFlood
                                                               : CloseReason::kClientFailed);
    return;
  }
  if (outcome == tls::IoOutcome::kPeerEnded) {
    hold({});  // nothing after close_notify counts (RFC 8446 §6.1)
    to_backend_.end();
  }
  send_tls_output();
}

void Connection::note_backend_write(const uv::IoResult& result) {
  if (result.count > 0) {
    note_activity();
  }
  if (result.status == uv::IoStatus::kFailed) {
    // EPIPE: its FIN had come before the reset, so what is still to be read is whole. After any
    // other error (a reset, retransmissions given up, no route) reading would tell a clean end: the
    // kernel tells an error once.
    backend_reset_ = result.error != EPIPE;
    backend_error_ = result.error;
    listener_->backend_metrics->per_server[server_].failures[backend::BackendMetrics::kReset].add();
  }
}

void Connection::receive_from_backend() {
  const uv::IoResult got = backend_.read(services_.receive.first(to_client_.room()));
  switch (got.status) {
    case uv::IoStatus::kProgress:
      note_activity();
      encrypt(services_.receive.first(got.count));
      return;
    case uv::IoStatus::kBlocked:
      return;
    case uv::IoStatus::kEnded:
      on_backend_ended();
      return;
    case uv::IoStatus::kFailed:  // which ejects no server: one that closes with a client's bytes
                                 // unread resets, too, so any client could have it ejected
      backend_error_ = got.error;
      if (!to_backend_.broken()) {  // else counted when the write failed
        listener_->backend_metrics->per_server[server_]
            .failures[backend::BackendMetrics::kReset]
            .add();
      }
      finish(CloseReason::kBackendReset);
      return;
  }
}

void Connection::encrypt(ByteView plain) {
  to_client_.plain_bytes += plain.size();
  listener_->metrics->bytes_to_client.add(plain.size());
  if (to_client_.broken()) {
    return;
  }
  tls_->attach({}, tls_output());
  if (write_records(plain) != tls::IoOutcome::kProgress) {
    finish(CloseReason::kClientFailed);
    return;
  }
  send_tls_output();
}

// All of `plain`, or nothing when blocked.
tls::IoOutcome Connection::write_records(ByteView plain) {
  if (!tls_->output_room(plain.size())) {
    return tls::IoOutcome::kBlocked;
  }
  const uv::LoopTime now = services_.loop.now();
  if (now - last_encrypted_ >= kPause) {
    small_records_left_ = kSmallAfterPause;
  }
  last_encrypted_ = now;
  const auto small =
      static_cast<std::uint32_t>(std::min<std::size_t>(plain.size(), small_records_left_));
  small_records_left_ -= small;
  const tls::IoOutcome outcome = tls_->write(plain.first(small), kSmallRecord);
  return outcome == tls::IoOutcome::kProgress ? tls_->write(plain.subspan(small), kBulkRecord)
                                              : outcome;
}

void Connection::on_backend_ended() {
  backend_fin_ = true;
  if (backend_reset_) {
    finish(CloseReason::kBackendReset);
    return;
  }
  tls_->attach({}, tls_output());
  tls_->send_close_notify();
  // When the client has ended before, settle() closes at once: close_notify and FIN in one segment.
  send_tls_output(to_backend_.over() ? uv::More::kFollows : uv::More::kNo);
  to_client_.end();
}

// At the end of every callback: what has come to its end, and what to wait for.
void Connection::settle() {
  if (phase_ == Phase::kRelaying && !held_.empty() && to_backend_.room() > 0 &&
      to_client_.waiting_bytes() <= kClientOutputMax) {
    decrypt(held_.view());
  }
  if (phase_ != Phase::kRelaying) {
    return;
  }
  if (client_fin_ && to_backend_.open() && held_.empty()) {
    close(to_client_.broken() ? CloseReason::kClientReset : CloseReason::kClientTruncated);
    return;
  }
  if (to_backend_.at_end()) {
    backend_.shutdown_write();
    to_backend_.finished();
  }
  if (to_backend_.over() && !to_client_.open()) {
    finish(to_client_.broken()    ? CloseReason::kClientReset
           : to_backend_.broken() ? CloseReason::kBackendReset
                                  : CloseReason::kFinished);
    return;
  }
  client_.watch(reads_client(), to_client_.waiting());
  backend_.watch(reads_backend(), to_backend_.waiting());
}

// Where the session appends in this callback: behind what waits, else into the worker's queue.
ByteQueue& Connection::tls_output() {
  return to_client_.waiting() ? to_client_.pending() : services_.output;
}

void Connection::send_tls_output(uv::More more) {
  const uv::IoResult result = to_client_.send(client_, services_.output.view(), more);
  services_.output.clear();
  if (result.count > 0) {
    note_activity();
  }
}

void Connection::flush_client() {
  if (to_client_.flush(client_).count > 0) {
    note_activity();
  }
}

}  // namespace usher::relay
