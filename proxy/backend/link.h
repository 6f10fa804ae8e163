#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "proxy/backend/balancer.h"
#include "proxy/tls/backend_session.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/send_queue.h"
#include "proxy/uv/stream.h"
#include "proxy/uv/timer.h"

namespace usher::backend {

class Group;

// The buffers of a worker that links use within one call, never across turns.
struct Buffers {
  std::span<std::byte> receive;
  std::span<std::byte> plain;
};

enum class LinkFailure : std::uint8_t {
  kRefused,
  kTimeout,
  kUnreachable,
  kReset,
  kTls,
  kNoResources
};

// A connection to one server of a backend: TCP, and TLS inside it where the backend says so. It
// counts as a connection of its server from connect to destruction. Either idle in its group or
// used by one exchange, which may keep `requests`. Thread: the worker's. Owner: its user or the
// group; the group outlives it.
class Link {
 public:
  // Who uses it. Every call comes from the link's own readiness or from the loop, never from inside
  // a call of Link or Group (but append_preamble()), and may destroy the link.
  class User {
   public:
    virtual void append_preamble(ByteQueue&) const {}  // a PROXY header, which goes before TLS
    virtual void on_link_open() = 0;  // connected (and the server's certificate verified)
    virtual void on_link_failed(LinkFailure failure) = 0;  // while opening
    virtual void on_link_readable() = 0;                   // receive() has something or the end
    virtual void on_link_writable() = 0;  // room() has grown, the FIN has left, send() would fail

   protected:
    ~User() = default;
  };

  ~Link();
  Link(const Link&) = delete;

  // kProgress: `got` is what came (in `buffers`, at most `most` bytes and a little); kEnded: a
  // clean end; kFailed: a reset, or with TLS a bad record or a FIN without close_notify.
  uv::IoResult receive(std::size_t most, ByteView& got);
  // Sends what the socket takes and keeps the rest: never blocks, takes all. kFailed: the sink is
  // gone; receive() may still have what the server said before.
  uv::IoResult send(ByteView bytes, uv::More more = uv::More::kNo);
  // Bytes that send() should be given now; 0 while too many wait.
  std::size_t room() const {
    return unwritten_.size() < uv::SendQueue::kBytesMax ? output_.room() : 0;
  }
  std::size_t waiting_bytes() const { return output_.waiting_bytes() + unwritten_.size(); }
  void shutdown_write();  // after what waits: a tunnel's half-close
  // To be destroyed with a reset: the server must not take what it got for all of it.
  void abort() { aborted_ = true; }

  void read_on(bool wanted);  // whether on_link_readable() comes; true after opening
  std::size_t server() const { return choice_.server; }  // index in the backend's configuration
  bool reused() const { return reused_; }                // has been idle in the group before
  // Why opening or receiving failed, for the log: an errno's text, OpenSSL's reason, or empty.
  std::string failure_detail() const;

 private:
  friend class Group;
  friend class IdleList;
  enum class State : std::uint8_t { kConnecting, kHandshaking, kOpen, kIdle };

  // One read's worth of a handshake, or of an idle link: more of either is wrong or comes later.
  static constexpr std::size_t kSmallRead = 32 * 1024;

  Link(Group& group, const Balancer::Choice& choice, User& user);

  // Group's. An errno, 0 when begun; then is_open() may be true already.
  int connect();
  bool is_open() const { return state_ == State::kOpen; }
  bool reusable() const;
  bool is_quiet() const { return stream_.is_quiet(); }
  void become_idle();
  void leave_idle(User& user);

  void on_ready(uv::Ready ready);
  void on_connect_ready();
  bool on_connected();
  void on_handshake_ready();
  tls::IoOutcome step_handshake(ByteView received);
  tls::IoOutcome take_what_follows();
  void on_idle_ready();
  void on_open_ready(uv::Ready ready);
  void open();
  void on_timeout();
  void fail(LinkFailure failure);
  void on_unwatchable();
  void say_goodbye();

  // link_io.cpp
  bool flush();
  uv::IoResult receive_plain(std::size_t most, ByteView& got);
  uv::IoResult receive_tls(std::size_t most, ByteView& got);
  uv::IoResult decrypt(ByteView received, ByteView& got);
  uv::IoResult encrypt(ByteView bytes, uv::More more);
  void retry_unwritten();
  uv::IoResult note_sent(const uv::IoResult& result);
  uv::IoResult note_end(const uv::IoResult& result);
  void send_fin();
  void watch();

  Group& group_;
  User* user_;  // outlives its use of the link; meaningless while idle
  Balancer::Choice choice_;
  uv::Stream stream_;
  uv::SendQueue output_;
  ByteQueue unwritten_;                           // plaintext that the session could not take yet
  std::unique_ptr<tls::BackendSession> session_;  // null: no TLS
  uv::Timer timer_;                               // open only while opening takes time
  std::chrono::steady_clock::time_point began_;
  uv::LoopTime idle_since_{0};
  Link* newer_ = nullptr;  // IdleList's, while idle
  Link* older_ = nullptr;
  int error_ = 0;     // errno of a failure
  uv::IoResult end_;  // how reading ended, once it has
  State state_ = State::kConnecting;
  bool read_wanted_ = true;
  bool read_ended_ = false;
  bool end_untold_ = false;   // it came with bytes that were given away first
  bool room_untold_ = false;  // there is some again
  bool send_failed_ = false;
  bool fin_wanted_ = false;
  bool fin_sent_ = false;
  bool reused_ = false;
  bool counted_ = false;  // in the server's connections gauge
  bool aborted_ = false;
};

}  // namespace usher::backend
