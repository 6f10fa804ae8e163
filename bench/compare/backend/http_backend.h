#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/base/unique_fd.h"

namespace usher::bench {

/// One client of the backend: the request that is arriving and the response that is leaving.
struct Exchange {
  UniqueFd socket;
  std::string request;
  std::string head;
  size_t head_sent = 0;
  uint64_t body_left = 0;
};

/// A keep-alive HTTP/1.1 server from memory: `GET /big` is 100 MB, `/16k` 16 KiB, every other
/// target 100 bytes. No pipelining, no request bodies: what the clients send. **Thread:** one. Runs
/// until killed.
class HttpBackend {
 public:
  HttpBackend();

  uint16_t port() const;
  [[noreturn]] void run();

 private:
  void accept_all();
  /// These return false when the connection is over.
  bool serve(Exchange& exchange);
  bool read_request(Exchange& exchange);
  bool send_response(Exchange& exchange);

  UniqueFd listener_;
  UniqueFd epoll_;
  const std::vector<char> body_;
};

}  // namespace usher::bench
