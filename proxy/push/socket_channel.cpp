#include "proxy/push/socket_channel.h"

#include <algorithm>
#include <array>

#include "proxy/base/check.h"
#include "proxy/base/unix_errors.h"

namespace usher::push {
namespace {

using namespace std::chrono_literals;

// Reads in a turn, so that one peer that floods cannot keep the others waiting.
constexpr int kReadsPerTurn = 8;

std::string text_of_seconds(std::chrono::milliseconds time) {
  return time % 1s == 0ms ? std::to_string(time / 1s) + " s" : std::to_string(time.count()) + " ms";
}

}  // namespace

SocketChannel::SocketChannel(uv::Loop& loop, std::shared_ptr<const ChannelTls> tls, Events events,
                             const ChannelLimits& limits)
    : loop_(loop),
      tls_(std::move(tls)),
      events_(std::make_shared<const Events>(std::move(events))),
      limits_(limits),
      last_heard_(loop.now()),
      resolver_(loop) {
  timer_.open<&SocketChannel::on_timer>(loop, *this);
}

void SocketChannel::send(const Frame& frame) {
  if (phase_ > Phase::kOpen) {
    return;
  }
  outbox_.push(frame);
  if (outbox_.size() > limits_.output_max) {
    close(CloseCause::kSlow, "the peer does not read: more than " +
                                 std::to_string(limits_.output_max) + " bytes wait for it");
  } else if (phase_ == Phase::kOpen) {
    watch();
  }
}

void SocketChannel::finish() {
  if (phase_ == Phase::kOpen) {
    phase_ = Phase::kFinishing;
    loop_.update_now();  // after long work the time would be over before what waits could leave
    timer_.start(limits_.finish_max);
    watch();
  } else if (phase_ < Phase::kOpen) {
    close(CloseCause::kFinished, "closed here");
  }
}

void SocketChannel::on_ready(uv::Ready ready) {
  switch (phase_) {
    case Phase::kConnecting:
      return on_connecting();
    case Phase::kHandshaking:
      return handshake();
    case Phase::kOpen:
      return on_open_ready(ready);
    case Phase::kFinishing:
      return on_finishing_ready(ready);
    case Phase::kDraining:
      return drain();
    case Phase::kClosed:
      return;
  }
}

// Reading first: what the peer said before it went away may be the reason.
void SocketChannel::on_open_ready(uv::Ready ready) {
  if (!read_frames()) {
    return;
  }
  if (ready.failed) {
    const int error = stream_.socket_error();
    close(error == 0 ? CloseCause::kLocal : CloseCause::kPeer,
          error == 0 ? "the socket cannot be waited for" : errno_text(error));
    return;
  }
  flush();
  watch();
}

void SocketChannel::on_finishing_ready(uv::Ready ready) {
  if (ready.failed) {
    close(CloseCause::kFinished, "closed here");
    return;
  }
  flush();
  if (phase_ == Phase::kFinishing && outbox_.empty()) {
    end(CloseCause::kFinished, "closed here");
  }
}

bool SocketChannel::read_frames() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const LinkResult result = link_.read(reader_->room());
    switch (result.status) {
      case LinkStatus::kProgress:
        reader_->added(result.count);
        if (!deliver()) {
          return false;
        }
        break;
      case LinkStatus::kBlocked:
        return true;
      case LinkStatus::kEnded:
        close(CloseCause::kPeer, "the peer closed the connection");
        return false;
      case LinkStatus::kFailed:
        if (link_.peer_left()) {
          close(CloseCause::kPeer, link_.failure());
        } else {
          end(CloseCause::kTls, link_.failure());
        }
        return false;
    }
  }
  soon();  // OpenSSL may hold more, which no readiness tells
  return true;
}

bool SocketChannel::deliver() {
  for (;;) {
    auto next = reader_->next();
    if (!next) {
      close(CloseCause::kMalformed, next.error().message);
      return false;
    }
    if (!next->has_value()) {
      return true;
    }
    Frame& frame = **next;
    last_heard_ = loop_.now();
    if (const Ping* ping = std::get_if<Ping>(&frame)) {
      send(Pong{ping->id});
    } else if (!std::holds_alternative<Pong>(frame) && !tell(&Events::on_frame, std::move(frame))) {
      return false;
    }
    if (phase_ != Phase::kOpen) {
      return false;
    }
  }
}

void SocketChannel::flush() {
  while (!outbox_.empty()) {
    const LinkResult result = link_.write(outbox_.front());
    if (result.status == LinkStatus::kBlocked) {
      return;
    }
    if (result.status != LinkStatus::kProgress) {
      close(CloseCause::kPeer, link_.failure());
      return;
    }
    outbox_.sent(result.count);
  }
}

void SocketChannel::drain() {
  std::array<std::byte, 4096> scratch;
  uv::IoResult result;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    result = stream_.read(scratch);
    if (result.status != uv::IoStatus::kProgress) {
      break;
    }
  }
  wipe(scratch);  // a RING may have been among it
  if (result.status == uv::IoStatus::kEnded || result.status == uv::IoStatus::kFailed) {
    close(cause_, why_);
  } else {
    watch();
  }
}

void SocketChannel::watch() {
  switch (phase_) {
    case Phase::kOpen:
      return stream_.watch(true, !outbox_.empty() || link_.wants_write());
    case Phase::kFinishing:
      return stream_.watch(false, true);
    case Phase::kDraining:
      return stream_.watch(true, false);
    default:
      return;
  }
}

void SocketChannel::on_timer() {
  switch (phase_) {
    case Phase::kConnecting:
      if (addresses_.empty()) {
        return close(CloseCause::kUnreachable,
                     "the name was not resolved within " + text_of_seconds(limits_.silence_max));
      }
      return attempt_failed(ETIMEDOUT);
    case Phase::kHandshaking:
      return close(CloseCause::kSilent,
                   "no TLS handshake within " + text_of_seconds(limits_.silence_max));
    case Phase::kOpen:
      return keep_alive();
    case Phase::kFinishing:
    case Phase::kDraining:
      return close(CloseCause::kFinished, "closed here");
    case Phase::kClosed:
      return;
  }
}

void SocketChannel::keep_alive() {
  const uv::LoopTime now = loop_.now();
  // A loop that stood still (a stopped process) may have what it misses in its socket.
  if (now - last_heard_ >= limits_.silence_max && !read_frames()) {
    return;
  }
  const auto silent = now - last_heard_;
  if (silent >= limits_.silence_max) {
    close(CloseCause::kSilent,
          "nothing came from the peer for " + text_of_seconds(limits_.silence_max));
    return;
  }
  if (now - std::max(last_heard_, last_ping_) >= limits_.ping_after) {
    last_ping_ = now;
    send(Ping{++pings_});
  }
  if (phase_ == Phase::kOpen) {
    const auto since = now - std::max(last_heard_, last_ping_);
    timer_.start(std::min(limits_.silence_max - silent, limits_.ping_after - since));
  }
}

// Not by a timer of no time: libuv runs such a one again in the same turn, so that a flood would
// stop all else.
void SocketChannel::soon() {
  if (!std::exchange(soon_due_, true)) {
    loop_.defer([this, alive = std::weak_ptr(events_)] {
      if (!alive.expired()) {
        on_soon();
      }
    });
  }
}

void SocketChannel::on_soon() {
  soon_due_ = false;
  switch (phase_) {
    case Phase::kHandshaking:
      return open();
    case Phase::kOpen:
      return on_open_ready({});
    case Phase::kClosed:
      tell(&Events::on_closed, why_);
      return;
    default:
      return;
  }
}

void SocketChannel::end(CloseCause cause, std::string why) {
  if (phase_ != Phase::kFinishing) {
    timer_.start(limits_.finish_max);
  }
  phase_ = Phase::kDraining;
  cause_ = cause;
  why_ = std::move(why);
  outbox_.clear();
  reader_.reset();
  link_.end();
  watch();
}

void SocketChannel::close(CloseCause cause, std::string why) {
  if (phase_ == Phase::kClosed) {
    return;
  }
  if (phase_ != Phase::kDraining) {  // which has a reason already
    cause_ = cause;
    why_ = std::move(why);
  }
  phase_ = Phase::kClosed;
  timer_.stop();
  stream_.close();
  outbox_.clear();
  reader_.reset();
  soon();
}

}  // namespace usher::push
