#include "proxy/ctl/ticket_input.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "proxy/base/openssl_ptr.h"
#include "proxy/keyring/base64.h"

namespace usher::ctl {
namespace {

constexpr std::string_view kPemBegin = "-----BEGIN SSL SESSION PARAMETERS-----";
constexpr std::string_view kDumpHeading = "TLS session ticket:";
constexpr std::string_view kBlanks = " \t\r\n";

bool is_text(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) {
    return (c >= ' ' && c <= '~') || kBlanks.find(c) != std::string_view::npos;
  });
}

std::string without(std::string_view text, std::string_view dropped) {
  std::string rest;
  std::ranges::copy_if(text, std::back_inserter(rest),
                       [&](char c) { return dropped.find(c) == std::string_view::npos; });
  return rest;
}

std::optional<unsigned> digit_of(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? std::optional(lower - 'a' + 10u) : std::nullopt;
}

// `digits` are hex digits, an even number of them.
std::vector<std::byte> from_hex(std::string_view digits) {
  std::vector<std::byte> bytes(digits.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(*digit_of(digits[2 * i]) << 4 | *digit_of(digits[2 * i + 1]));
  }
  return bytes;
}

std::optional<std::vector<std::byte>> from_base64(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  if (text.find('=') == std::string::npos && text.size() % 4 != 1) {
    text.append((4 - text.size() % 4) % 4, '=');
  }
  std::vector<std::byte> bytes(keyring::base64_bytes(text));
  const bool decoded = !bytes.empty() && keyring::decode_base64(text, bytes);
  return decoded ? std::optional(std::move(bytes)) : std::nullopt;
}

int no_password(char*, int, int, void*) {
  return -1;  // never asks on the terminal
}

Result<TicketInput> ticket_in_session(ByteView pem) {
  ERR_clear_error();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const SslSessionPtr session(
      bio ? PEM_read_bio_SSL_SESSION(bio.get(), nullptr, no_password, nullptr) : nullptr);
  ERR_clear_error();
  if (!session) {
    return fail("the SSL SESSION PARAMETERS cannot be read; the file is damaged or cut off");
  }
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(session.get(), &data, &size);
  if (size == 0) {
    return fail("the session has no ticket: the server gave a session ID only, or nothing");
  }
  const ByteView ticket = std::as_bytes(std::span(data, size));
  return TicketInput{{ticket.begin(), ticket.end()}, "PEM"};
}

struct DumpLine {
  std::size_t offset = 0;
  std::vector<std::byte> bytes;
};

// One line of BIO_dump(3): "    0010 - 2c 0b 8f 30 17 1a a9 95-eb 03 fb   ,..0......", the offset
// in hex; none for any other line.
std::optional<DumpLine> dump_line(std::string_view line) {
  constexpr std::string_view kMark = " - ";
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  DumpLine dumped;
  const auto [end, error] =
      std::from_chars(line.data(), line.data() + line.size(), dumped.offset, 16);
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  if (error != std::errc() || !line.starts_with(kMark)) {
    return std::nullopt;
  }
  line.remove_prefix(kMark.size());
  // Two blanks stand between the bytes and their text.
  while (line.size() >= 2 && digit_of(line[0]) && digit_of(line[1])) {
    dumped.bytes.push_back(from_hex(line.substr(0, 2)).front());
    line.remove_prefix(std::min<std::size_t>(line.size(), 3));
  }
  return dumped.bytes.empty() ? std::nullopt : std::optional(std::move(dumped));
}

// The bytes of the dump that `text` begins with, blank lines aside; empty when there is none.
Result<std::vector<std::byte>> leading_dump(std::string_view text) {
  std::vector<std::byte> bytes;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto dumped = dump_line(line);
    if (dumped && dumped->offset != bytes.size()) {
      return fail(
          fmt::format("the ticket is truncated: the hex dump has no line {:04x}", bytes.size()));
    }
    if (dumped) {
      bytes.insert(bytes.end(), dumped->bytes.begin(), dumped->bytes.end());
    } else if (!bytes.empty() || !without(line, kBlanks).empty()) {
      break;
    }
  }
  return bytes;
}

// The whole output of s_client holds more than its dump.
std::string_view after_heading(std::string_view text) {
  const std::size_t heading = text.rfind(kDumpHeading);
  return heading == text.npos ? text : text.substr(heading + kDumpHeading.size());
}

Result<TicketInput> ticket_in_text(std::string_view text) {
  auto dumped = leading_dump(after_heading(text));
  if (!dumped) {
    return Unexpected(std::move(dumped).error());
  }
  if (!dumped->empty()) {
    return TicketInput{*std::move(dumped), "hex dump"};
  }
  std::string digits = without(text, " \t\r\n:");
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    digits.erase(0, 2);
  }
  if (digits.empty()) {
    return fail("there is no ticket in it");
  }
  if (std::ranges::all_of(digits, [](char c) { return digit_of(c).has_value(); })) {
    return digits.size() % 2 == 0 ? Result<TicketInput>(TicketInput{from_hex(digits), "hex"})
                                  : fail("an odd number of hex digits; the ticket is truncated");
  }
  if (auto bytes = from_base64(without(text, kBlanks))) {
    return TicketInput{*std::move(bytes), "base64"};
  }
  return fail("that is neither hex nor base64, and no SSL SESSION PARAMETERS are in it");
}

}  // namespace

Result<TicketInput> parse_ticket(ByteView input) {
  const std::string_view text = text_of(input);
  Result<TicketInput> found =
      text.find(kPemBegin) != std::string_view::npos ? ticket_in_session(input)
      : is_text(text)                                ? ticket_in_text(text)
                      : Result<TicketInput>(TicketInput{{input.begin(), input.end()}, "raw"});
  if (found && found->bytes.size() > kTicketBytesMax) {
    return fail("it has " + std::to_string(found->bytes.size()) +
                " bytes; no ticket has more than " + std::to_string(kTicketBytesMax));
  }
  return found;
}

}  // namespace usher::ctl
