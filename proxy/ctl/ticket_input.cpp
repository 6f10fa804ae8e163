#include "proxy/ctl/ticket_input.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <optional>
#include <span>

#include "proxy/base/openssl_ptr.h"
#include "proxy/keyring/base64.h"

namespace usher::ctl {
namespace {

constexpr std::string_view kPemBegin = "-----BEGIN SSL SESSION PARAMETERS-----";
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

Result<TicketInput> ticket_in_text(std::string_view text) {
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
