#include <algorithm>
#include <cerrno>

#include "proxy/backend/group.h"
#include "proxy/backend/link.h"

// Link's bytes, plain or in TLS.
namespace usher::backend {
namespace {

// What OpenSSL may hold of a record whose rest is yet to come (RFC 8446 §5.2).
constexpr std::size_t kRecordMax = 17 * 1024;

}  // namespace

void Link::on_open_ready(uv::Ready ready) {
  const bool told = (ready.writable || ready.failed) && output_.waiting() && flush();
  if (told || room_untold_) {
    room_untold_ = false;
    watch();
    user_->on_link_writable();
    return;  // it may be gone; what is readable is told again in the next turn
  }
  watch();  // after a failure nothing is watched any more
  if (read_wanted_ && (ready.readable || ready.failed || end_untold_)) {
    user_->on_link_readable();
  }
}

// Sends what waits. True: the user, who was told to wait, may go on or must know of the failure.
bool Link::flush() {
  const bool had_room = output_.room() > 0;
  (void)note_sent(output_.flush(stream_));
  const bool ends = !output_.waiting() && fin_wanted_;
  if (ends) {
    send_fin();
  }
  watch();
  return send_failed_ || ends || (!had_room && output_.room() > 0);
}

uv::IoResult Link::note_sent(const uv::IoResult& result) {
  if (result.status == uv::IoStatus::kFailed) {
    send_failed_ = true;
    error_ = result.error;
    output_.clear();
  }
  return result;
}

uv::IoResult Link::send(ByteView bytes, uv::More more) {
  if (send_failed_) {
    return {uv::IoStatus::kFailed, 0, error_};
  }
  const uv::IoResult result = session_ ? encrypt(bytes, more) : output_.send(stream_, bytes, more);
  (void)note_sent(result);
  watch();
  return result;
}

// Inside a message after the handshake OpenSSL writes nothing: then the bytes wait for its rest.
uv::IoResult Link::encrypt(ByteView bytes, uv::More more) {
  if (!unwritten_.empty()) {
    unwritten_.append(bytes);
    return {};
  }
  ByteQueue& output = group_.tls_output_;
  session_->attach({}, output);
  const tls::IoOutcome outcome = session_->write(bytes);
  if (outcome == tls::IoOutcome::kBlocked) {
    unwritten_.append(bytes);
  }
  const uv::IoResult result = outcome == tls::IoOutcome::kFailed
                                  ? uv::IoResult{uv::IoStatus::kFailed, 0, EPROTO}
                                  : output_.send(stream_, output.view(), more);
  output.clear();
  return result;
}

uv::IoResult Link::receive(std::size_t most, ByteView& got) {
  got = {};
  if (read_ended_) {
    end_untold_ = false;
    watch();
    return end_;
  }
  const uv::IoResult result = session_ ? receive_tls(most, got) : receive_plain(most, got);
  if (result.status == uv::IoStatus::kEnded || result.status == uv::IoStatus::kFailed) {
    return note_end(result);
  }
  return result;
}

uv::IoResult Link::note_end(const uv::IoResult& result) {
  read_ended_ = true;
  end_ = result;
  if (result.error != 0) {
    error_ = result.error;
  }
  watch();
  return result;
}

uv::IoResult Link::receive_plain(std::size_t most, ByteView& got) {
  const std::span<std::byte> buffer = group_.around_.buffers.receive;
  const uv::IoResult result = stream_.read(buffer.first(std::min(most, buffer.size())));
  if (result.status == uv::IoStatus::kProgress) {
    got = buffer.first(result.count);
  }
  // The kernel tells a reset once: send() had it. EPIPE: its FIN had come before.
  if (result.status == uv::IoStatus::kEnded && send_failed_ && error_ != EPIPE) {
    return {uv::IoStatus::kFailed, 0, error_};
  }
  return result;
}

// Never more than fits into `plain` together with what OpenSSL holds, so all of it is taken.
uv::IoResult Link::receive_tls(std::size_t most, ByteView& got) {
  const Buffers& buffers = group_.around_.buffers;
  const std::size_t limit =
      std::min({most, buffers.receive.size(), buffers.plain.size() - kRecordMax});
  const uv::IoResult result = stream_.read(buffers.receive.first(limit));
  if (result.status == uv::IoStatus::kEnded) {
    return {uv::IoStatus::kFailed, 0, ECONNRESET};  // no close_notify: perhaps cut off
  }
  if (result.status != uv::IoStatus::kProgress) {
    return result;
  }
  return decrypt(buffers.receive.first(result.count), got);
}

uv::IoResult Link::decrypt(ByteView received, ByteView& got) {
  const std::span<std::byte> plain = group_.around_.buffers.plain;
  ByteQueue& output = group_.tls_output_;
  session_->attach(received, output);
  std::size_t total = 0;
  std::size_t count = 0;
  tls::IoOutcome outcome = tls::IoOutcome::kProgress;
  while ((outcome = session_->read(plain.subspan(total), count)) == tls::IoOutcome::kProgress) {
    total += count;
  }
  if (!unwritten_.empty() && outcome == tls::IoOutcome::kBlocked) {
    retry_unwritten();
  }
  if (!output.empty()) {  // that, or answers to KeyUpdates
    (void)note_sent(output_.send(stream_, output.view()));
    output.clear();
    if (fin_wanted_ && !output_.waiting()) {
      send_fin();
    }
    watch();
  }
  uv::IoResult end;
  if (outcome != tls::IoOutcome::kBlocked) {
    end = outcome == tls::IoOutcome::kPeerEnded ? uv::IoResult{uv::IoStatus::kEnded, 0, 0}
                                                : uv::IoResult{uv::IoStatus::kFailed, 0, EPROTO};
  }
  if (total == 0) {
    return end;
  }
  got = plain.first(total);
  if (outcome != tls::IoOutcome::kBlocked) {
    end_untold_ = true;  // the bytes go first; nothing more need come to tell the end
    (void)note_end(end);
  }
  return {uv::IoStatus::kProgress, total, 0};
}

void Link::retry_unwritten() {
  if (session_->write(unwritten_.view()) == tls::IoOutcome::kBlocked) {
    return;
  }
  room_untold_ = unwritten_.size() >= uv::SendQueue::kBytesMax;
  unwritten_.clear();
  unwritten_.release();
}

void Link::shutdown_write() {
  fin_wanted_ = true;
  if (!output_.waiting() && !send_failed_) {
    send_fin();
  }
  watch();
}

void Link::send_fin() {
  if (fin_sent_ || !unwritten_.empty()) {
    return;
  }
  if (session_) {
    ByteQueue& output = group_.tls_output_;
    session_->attach({}, output);
    session_->send_close_notify();  // once
    (void)note_sent(output_.send(stream_, output.view(), uv::More::kFollows));
    output.clear();
  }
  if (!output_.waiting()) {
    stream_.shutdown_write();
    fin_sent_ = true;
  }
}

void Link::read_on(bool wanted) {
  read_wanted_ = wanted;
  watch();
}

// What is to be told although no event will come of itself is told by way of writability, which
// there is at once.
void Link::watch() {
  if (stream_.is_open()) {
    stream_.watch(read_wanted_ && !read_ended_,
                  output_.waiting() || room_untold_ || (end_untold_ && read_wanted_));
  }
}

}  // namespace usher::backend
