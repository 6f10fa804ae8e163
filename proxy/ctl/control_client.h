#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "proxy/base/bytes.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"

namespace usher::ctl {

struct Reply {
  int status = 0;  // HTTP
  std::string content_type;
  SecretBuffer body;  // may be a key file

  std::string_view text() const { return text_of(body.bytes()); }
};

// Asks a daemon over its control socket: HTTP/1.1 (RFC 9112), one connection a request. Blocks.
// What comes back is read into wiped memory only, at most 16 MiB. Thread: any.
class ControlClient {
 public:
  // `patience`: from the connect to the last byte; the daemon itself gives up after 10 s.
  explicit ControlClient(std::string socket_path,
                         std::chrono::milliseconds patience = std::chrono::seconds(15))
      : path_(std::move(socket_path)), patience_(patience) {}

  // Errors tell why there is no answer and what to do; a refusal by the daemon is a Reply.
  // `target`: path and query, which nothing is escaped in.
  Result<Reply> get(std::string_view target) const;
  Result<Reply> post(std::string_view target, ByteView body) const;

  bool daemon_runs() const;  // whether anybody listens on the socket

 private:
  Result<Reply> ask(std::string_view head, ByteView body) const;

  std::string path_;
  std::chrono::milliseconds patience_;
};

}  // namespace usher::ctl
