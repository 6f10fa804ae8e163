#include "proxy/ctl/ticket_command.h"

#include <sys/stat.h>

#include <chrono>
#include <ctime>
#include <utility>

#include "proxy/ctl/secret_file.h"
#include "proxy/ctl/text.h"
#include "proxy/ctl/ticket_input.h"
#include "proxy/ctl/ticket_report.h"
#include "proxy/keyring/key_file.h"
#include "proxy/keyring/key_words.h"
#include "proxy/tls/ticket_decoder.h"

namespace usher::ctl {
namespace {

bool is_there(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

Result<TicketInput> read_ticket(const std::string& argument) {
  if (argument == "-" || is_there(argument)) {
    const auto bytes = read_secret_file(argument, kTicketFileBytesMax);
    if (!bytes) {
      return Unexpected(bytes.error());
    }
    auto ticket = parse_ticket(bytes->bytes());
    return ticket ? std::move(ticket)
                  : fail((argument == "-" ? "standard input" : printable(argument)) + ": " +
                         ticket.error().message);
  }
  auto ticket = parse_ticket(bytes_of(argument));
  if (!ticket) {
    return fail("there is no file of that name, and taken as a ticket: " + ticket.error().message);
  }
  if (auto whole = split_ticket(ticket->bytes); !whole) {
    return fail("there is no file of that name, and taken as a ticket in " +
                std::string(ticket->form) + ": " + whole.error().message);
  }
  return ticket;
}

Result<keyring::KeyRing> read_keys(const DecodeOptions& options) {
  std::vector<keyring::KeyFile> files;
  for (const std::string& path : options.keys) {
    auto bytes = read_secret_file(path, keyring::kKeyFileBytesMax);
    if (!bytes) {
      return Unexpected(std::move(bytes).error());
    }
    files.push_back({printable(path), *std::move(bytes), BootClock::now()});  // no age matters here
  }
  const auto named = keyring::parse_key_file_format(options.format);
  const auto format = named.value_or(keyring::format_of(files.front().bytes.bytes()));
  auto keys = keyring::parse_key_files(format, files, 1, {});
  return keys || named ? std::move(keys)
                       : fail(keys.error().message +
                              "\n(the format was taken from the content; --format names another)");
}

}  // namespace

Result<void> decode_ticket(const DecodeOptions& options, const Console& console) {
  const auto ticket = read_ticket(options.ticket);
  if (!ticket) {
    return Unexpected(ticket.error());
  }
  const auto parts = split_ticket(ticket->bytes);
  if (!parts) {
    return Unexpected(parts.error());
  }
  std::optional<tls::DecodedTicket> decoded;
  if (!options.keys.empty()) {
    const auto keys = read_keys(options);
    if (!keys) {
      return Unexpected(keys.error());
    }
    decoded = tls::decode_ticket(ticket->bytes, *keys);
  }
  console.show(ticket_json(*parts, decoded),
               [&] { return ticket_text(*parts, decoded, std::time(nullptr)); });
  return decoded ? verdict_of(*decoded) : Result<void>();
}

}  // namespace usher::ctl
