#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/admin/secret_queue.h"
#include "proxy/base/bytes.h"
#include "proxy/base/secret.h"

namespace usher::admin {

// Who asks. Over TCP it is anybody (kPages: the admin pages, and no more); over the control socket
// the peer's credentials decide.
enum class Access : std::uint8_t { kNone, kPages, kRead, kChange };

struct Request {
  Access access = Access::kNone;
  std::string method;  // "GET" or "HEAD"; "POST" for Access::kChange
  std::string path;    // without the query, not percent-decoded
  std::string query;
  SecretBuffer body;  // of a POST: may be a key file

  std::string_view body_text() const { return text_of(body.bytes()); }
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::string allow = {};  // with 405: the methods that the page has
  // Key bytes that follow `body` (which is empty then); wiped when they are sent.
  SecretBuffer secret_body = {};
};

// Reads one request after another from a connection's bytes (RFC 9112), strictly: no obsolete
// folding, no transfer codings, exactly one Host in HTTP/1.1. Boost.Beast reads the fields; what it
// would let pass is refused before. Heads ≤ 16 KiB, bodies ≤ 64 KiB. Refusals are JSON: {"error":
// why}. Thread: one. Owner: one connection.
class RequestReader {
 public:
  enum class Status : std::uint8_t {
    kIncomplete,
    kExpectsContinue,  // once: the client waits for "100 Continue" before it sends the body
    kComplete,         // request(), keep_alive(); then next()
    kRefused,          // refusal(); the connection is of no more use
  };

  explicit RequestReader(Access access) : access_(access) {}

  Status read(SecretQueue& input);           // consumes what belongs to the request
  bool begun() const { return head_done_; }  // a head was read, its body not yet
  Request& request() { return request_; }
  const Request& request() const { return request_; }
  bool keep_alive() const { return keep_alive_; }
  const Response& refusal() const { return refusal_; }
  void next();

 private:
  Status refuse(int status, std::string_view why);
  Status read_head(SecretQueue& input);
  Status read_body(SecretQueue& input);

  const Access access_;
  bool head_done_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  std::size_t scanned_ = 0;    // no end of head begins before
  std::size_t body_left_ = 0;  // bytes that are still to come
  Request request_;
  Response refusal_;
};

// The bytes of a response but `secret_body`, which follows them; for HEAD no body at all. Never
// cached by browsers or proxies (no-store).
std::string to_wire(const Response& response, bool head_only, bool keep_alive);

}  // namespace usher::admin
