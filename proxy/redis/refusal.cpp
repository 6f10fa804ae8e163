#include "proxy/redis/refusal.h"

#include <array>
#include <charconv>
#include <utility>

#include "proxy/redis/slot.h"

namespace usher::redis {
namespace {

// A name of DNS is shorter.
constexpr std::size_t kHostMax = 253;

constexpr std::array<std::pair<std::string_view, Refusal>, 8> kWords{{
    {"MOVED", Refusal::kMoved},
    {"ASK", Refusal::kAsk},
    {"READONLY", Refusal::kReplica},
    {"MASTERDOWN", Refusal::kReplica},
    {"NOAUTH", Refusal::kSignedOut},
    {"LOADING", Refusal::kUnwell},
    {"BUSY", Refusal::kUnwell},
    {"ERR unknown command", Refusal::kUnknownCommand},
}};

// Takes the text up to `end` off the front; all of it where there is none.
std::string_view take_until(std::string_view& text, std::size_t end) {
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

bool parse_number(std::string_view digits, std::uint16_t& number) {
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  return !digits.empty() && error == std::errc() && stop == end;
}

}  // namespace

Refusal refusal_of(std::string_view error) {
  for (const auto& [word, refusal] : kWords) {
    if (error.starts_with(word) && (error.size() == word.size() || error[word.size()] == ' ')) {
      return refusal;
    }
  }
  return Refusal::kThisCommand;
}

std::optional<Redirect> parse_redirect(std::string_view error) {
  const Refusal refusal = refusal_of(error);
  if (refusal != Refusal::kMoved && refusal != Refusal::kAsk) {
    return std::nullopt;
  }
  Redirect redirect;
  redirect.ask = refusal == Refusal::kAsk;
  (void)take_until(error, error.find(' '));
  const std::string_view slot = take_until(error, error.find(' '));
  const std::size_t colon = error.rfind(':');
  if (colon > kHostMax) {  // npos, too
    return std::nullopt;
  }
  redirect.host = take_until(error, colon);
  if (!parse_number(slot, redirect.slot) || redirect.slot >= kSlots ||
      !parse_number(error, redirect.port) || redirect.port == 0 || redirect.host == "?") {
    return std::nullopt;
  }
  return redirect;
}

}  // namespace usher::redis
