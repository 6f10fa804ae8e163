#include "proxy/ctl/control_client.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "proxy/ctl/socket_stream.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

constexpr std::size_t kHeadMax = 16 * 1024;
constexpr std::size_t kBodyMax = 16 * 1024 * 1024;  // the metrics and status of thousands of hosts
constexpr std::string_view kHeadEnd = "\r\n\r\n";

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

bool same_name(std::string_view one, std::string_view other) {
  return one.size() == other.size() && ::strncasecmp(one.data(), other.data(), one.size()) == 0;
}

struct Head {
  int status = 0;
  std::string content_type;
  std::size_t body_size = 0;
};

// The status line and the two fields that matter (RFC 9112 §4, §5); none for anything that our
// daemons do not say.
std::optional<Head> parse_head(std::string_view text) {
  Head head;
  const std::string_view line = text.substr(0, text.find("\r\n"));
  const auto status =
      line.starts_with("HTTP/1.1 ") ? number_of<int>(line.substr(9, 3)) : std::optional<int>();
  if (!status || *status < 100) {
    return std::nullopt;
  }
  head.status = *status;
  std::optional<std::size_t> size;
  text.remove_prefix(std::min(text.size(), line.size() + 2));
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find("\r\n"));
    text.remove_prefix(std::min(text.size(), field.size() + 2));
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) {
      return std::nullopt;
    }
    std::string_view value = field.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    if (same_name(field.substr(0, colon), "Content-Length")) {
      size = number_of<std::size_t>(value);
    } else if (same_name(field.substr(0, colon), "Content-Type")) {
      head.content_type = value;
    }
  }
  if (!size || *size > kBodyMax) {
    return std::nullopt;
  }
  head.body_size = *size;
  return head;
}

// Reads until `into` is full; false when the stream ends before.
Result<bool> read_all(SocketStream& stream, std::span<std::byte> into) {
  while (!into.empty()) {
    const auto count = stream.read(into);
    if (!count) {
      return Unexpected(count.error());
    }
    if (*count == 0) {
      return false;
    }
    into = into.subspan(*count);
  }
  return true;
}

Result<Reply> read_reply(SocketStream& stream, const std::string& path) {
  const auto cut_off = [&] {
    return fail(path + ": the daemon closed the connection before its answer was whole");
  };
  // Bytes of a secret body may come with the head.
  SecretBuffer first(kHeadMax);
  std::size_t received = 0;
  std::size_t end = std::string_view::npos;
  while (end == std::string_view::npos) {
    const auto count = stream.read(first.bytes().subspan(received));
    if (!count) {
      return Unexpected(count.error());
    }
    if (*count == 0) {
      return cut_off();
    }
    received += *count;
    end = text_of(first.bytes().first(received)).find(kHeadEnd);
    if (end == std::string_view::npos && received == kHeadMax) {
      break;
    }
  }
  const auto head =
      end == std::string_view::npos ? std::nullopt : parse_head(text_of(first.bytes().first(end)));
  if (!head) {
    return fail(path + ": what answers there is no usher or usher-keyd");
  }
  Reply reply{head->status, head->content_type, SecretBuffer(head->body_size)};
  const auto rest = first.bytes().subspan(end + kHeadEnd.size(), received - end - kHeadEnd.size());
  const std::size_t here = std::min(rest.size(), reply.body.size());
  std::ranges::copy(rest.first(here), reply.body.bytes().begin());
  const auto whole = read_all(stream, reply.body.bytes().subspan(here));
  if (!whole) {
    return Unexpected(whole.error());
  }
  return *whole ? Result<Reply>(std::move(reply)) : cut_off();
}

}  // namespace

Result<Reply> ControlClient::get(std::string_view target) const {
  return ask(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target),
             {});
}

Result<Reply> ControlClient::post(std::string_view target, ByteView body) const {
  return ask(fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                         "Content-Length: {}\r\n\r\n",
                         target, body.size()),
             body);
}

bool ControlClient::daemon_runs() const {
  return SocketStream::has_listener(path_);
}

Result<Reply> ControlClient::ask(std::string_view head, ByteView body) const {
  auto stream = SocketStream::connect(path_, SocketStream::Clock::now() + patience_);
  if (!stream) {
    return Unexpected(std::move(stream).error());
  }
  for (const ByteView part : {bytes_of(head), body}) {
    if (auto sent = stream->write(part); !sent) {
      return Unexpected(std::move(sent).error());
    }
  }
  return read_reply(*stream, printable(path_));
}

}  // namespace usher::ctl
