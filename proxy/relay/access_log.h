#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/base/unique_fd.h"

namespace usher::relay {

// The file (or standard output) that access lines go to. Workers write to one descriptor number;
// reopening replaces what that number means (dup3), so no worker has to be told. Thread: open() and
// reopen() main. Owner: the server; outlives the workers.
class AccessSink {
 public:
  // "stdout" or a path (created 0640, appended; a named pipe needs its reader). Errors name the
  // path.
  static Result<std::unique_ptr<AccessSink>> open(const std::string& target);
  Result<void> reopen();  // SIGUSR1; a no-op for stdout
  int fd() const { return fd_.value(); }
  // What one write may carry without mixing with other workers' lines: 64 KiB for a file (appends
  // are atomic), PIPE_BUF for pipes, sockets and terminals.
  std::size_t atomic_bytes() const { return atomic_bytes_; }

 private:
  std::string path_;  // "" for stdout
  UniqueFd fd_;
  std::size_t atomic_bytes_ = 0;
};

// What an access line says of a connection. Views need only live through the call.
struct AccessEntry {
  std::string_view listener;
  std::string_view client;  // address:port
  std::string_view sni;
  std::string_view version;  // "" when no handshake completed
  std::string_view cipher;
  std::string_view alpn;
  std::string_view resumption;  // "none" "ticket" "session_id" "psk", "" without handshake
  std::string_view offer;       // outcome of an offered resumption, "" when none
  std::string_view backend;     // the server dialed, "" when none
  std::uint64_t bytes_in = 0;   // plaintext from the client
  std::uint64_t bytes_out = 0;  // plaintext to the client
  std::chrono::milliseconds handshake{0};
  std::chrono::milliseconds duration{0};
  std::string_view reason;  // CloseReason
  std::string_view detail;  // TLS failure or system error, "" none
};

// What an access line says of an HTTP request. Views need only live through the call; what a client
// chose is cut (a target at 2 KiB) and escaped.
struct RequestEntry {
  std::string_view listener;
  std::string_view client;      // address:port
  std::string_view host;        // the authority, as the client named it
  std::string_view method;      // "" when the request line was not understood, as path
  std::string_view path;        // the request's target, query included
  std::string_view protocol;    // "HTTP/1.0" "HTTP/1.1" "HTTP/2"
  unsigned status = 0;          // sent to the client; 0: none was
  std::uint64_t bytes_in = 0;   // content from the client
  std::uint64_t bytes_out = 0;  // content to the client
  std::string_view request_id;
  std::string_view sni;
  std::string_view version;               // of TLS; "" for a redirect listener
  std::string_view resumption;            // as in AccessEntry
  std::string_view backend;               // "" when Usher answered without one
  std::string_view server;                // the last one tried, "" when none was
  std::chrono::milliseconds duration{0};  // from the request's first byte to the response's last
  std::chrono::milliseconds connect{0};   // until the backend's connection stood, 0: a pooled one
  std::chrono::milliseconds wait{0};      // for the first byte of the backend's response
  unsigned retries = 0;                   // on other connections
  std::string_view reason;                // "ok", a Reject, or what went wrong with the backend
};

// A worker's access lines, gathered in memory and written once a turn (or at the sink's
// atomic_bytes). A full disk loses lines, counts them and never blocks the worker longer than one
// write. Thread: the worker's. Owner: the worker. Sink null: access = "off".
class AccessLog {
 public:
  explicit AccessLog(const AccessSink* sink);
  bool enabled() const { return sink_ != nullptr; }
  void write(const AccessEntry& entry);
  void write(const RequestEntry& entry);
  void flush();
  std::uint64_t lost_lines() const { return lost_lines_; }

 private:
  template <class Entry>
  void write_entry(const Entry& entry);
  void write_out(std::size_t count);

  const AccessSink* sink_;
  std::string pending_;
  std::uint64_t lost_lines_ = 0;
};

}  // namespace usher::relay
