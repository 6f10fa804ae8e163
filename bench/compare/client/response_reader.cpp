#include "client/response_reader.h"

#include <algorithm>
#include <charconv>

#include "socket.h"

namespace usher::bench {
namespace {

constexpr std::string_view kStatus = "HTTP/1.1 200 ";
constexpr std::string_view kLength = "\r\ncontent-length: ";
constexpr size_t kHeadBytesMax = 4096;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

void ResponseReader::start() {
  head_.clear();
  body_left_ = 0;
  in_body_ = false;
}

bool ResponseReader::take(std::string_view bytes) {
  if (!in_body_) {
    const size_t before = head_.size();
    head_.append(bytes.substr(0, kHeadBytesMax));
    const size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (head_.size() >= kHeadBytesMax) {
        die("response head without an end");
      }
      return false;
    }
    body_left_ = body_bytes_from(std::string_view(head_).substr(0, end + 2));
    in_body_ = true;
    bytes.remove_prefix(end + 4 - before);
  }
  if (bytes.size() > body_left_) {
    die("more bytes than the response's Content-Length");
  }
  body_left_ -= bytes.size();
  return body_left_ == 0;
}

uint64_t ResponseReader::body_bytes_from(std::string_view head) const {
  // Proxies that write the head anew write names in lower case.
  const auto at = std::search(head.begin(), head.end(), kLength.begin(), kLength.end(),
                              [](char a, char b) { return lower(a) == b; });
  if (!head.starts_with(kStatus) || at == head.end()) {
    die(fmt::format("unexpected response: {}", head));
  }
  const std::string_view digits = head.substr(at - head.begin() + kLength.size());
  uint64_t length = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), length).ec != std::errc{}) {
    die("Content-Length is not a number");
  }
  return length;
}

}  // namespace usher::bench
