#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace usher::bench {

/// Finds the end of one HTTP/1.1 response with a Content-Length. Ends the process on any other
/// answer than a complete 200: the backend is ours, so that would be the proxy's doing.
class ResponseReader {
 public:
  void start();

  /// Takes what arrived; true once the response is complete.
  bool take(std::string_view bytes);

 private:
  uint64_t body_bytes_from(std::string_view head) const;

  std::string head_;
  uint64_t body_left_ = 0;
  bool in_body_ = false;
};

}  // namespace usher::bench
