#include "proxy/ctl/ticket_input.h"

#include <gtest/gtest.h>

#include <numeric>

namespace usher::ctl {
namespace {

// Bytes 00 01 02 …
std::vector<std::byte> counted(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i);
  }
  return bytes;
}

// The session of a made-up TLS 1.2 handshake: its ticket is counted(96), its master secret "MMM…".
constexpr std::string_view kSession =
    "-----BEGIN SSL SESSION PARAMETERS-----\n"
    "MIGjAgEBAgIDAwQCwCsEAAQwTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1N\n"
    "TU1NTU1NTU1NTU1NTU1NTU1NqmIEYAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZ\n"
    "GhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJ\n"
    "SktMTU5PUFFSU1RVVldYWVpbXF1eXw==\n"
    "-----END SSL SESSION PARAMETERS-----\n";
constexpr std::string_view kSessionWithoutTicket =
    "-----BEGIN SSL SESSION PARAMETERS-----\n"
    "MD8CAQECAgMDBALAKwQABDBNTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1N\n"
    "TU1NTU1NTU1NTU1NTU1NTU0=\n"
    "-----END SSL SESSION PARAMETERS-----\n";

// What s_client prints of such a ticket's first 40 bytes.
constexpr std::string_view kDump =
    "    0000 - 00 01 02 03 04 05 06 07-08 09 0a 0b 0c 0d 0e 0f   ................\n"
    "    0010 - 10 11 12 13 14 15 16 17-18 19 1a 1b 1c 1d 1e 1f   ................\n"
    "    0020 - 20 21 22 23 24 25 26 27-                           !\"#$%&'\n";

struct Accepted {
  std::string input;
  std::size_t size;  // the ticket is counted(size)
  std::string_view form;
};

TEST(TicketInput, EveryFormThatATicketComesIn) {
  const Accepted cases[] = {
      {"0001020304050607", 8, "hex"},
      {"0x0001020304050607", 8, "hex"},
      {"00:01:02:03:04:05:06:07:08:09:0A\n", 11, "hex"},
      {" 00 01\t02 03\r\n04 05 06 07\r\n", 8, "hex"},
      {"AAECAwQFBgc=", 8, "base64"},
      {"AAECAwQF\r\n Bgc=\n", 8, "base64"},
      {"AAECAwQFBgc", 8, "base64"},  // RFC 4648 §3.2: without padding
      {std::string(kSession), 96, "PEM"},
      {"what came before\n" + std::string(kSession) + "and after\n", 96, "PEM"},
      {std::string(kDump), 40, "hex dump"},
      {"\n\r\n" + std::string(kDump) + "\n    Start Time: 1795280750\n", 40, "hex dump"},
      {"0000 - 00 01\r\n0002 - 02 03\r\n", 4, "hex dump"},
      {std::string("\0\1\2\3", 4), 4, "raw"},
  };
  for (const Accepted& one : cases) {
    const auto ticket = parse_ticket(bytes_of(one.input));
    ASSERT_TRUE(ticket) << one.input << ": " << ticket.error().message;
    EXPECT_EQ(ticket->bytes, counted(one.size)) << one.input;
    EXPECT_EQ(ticket->form, one.form) << one.input;
  }
}

TEST(TicketInput, Base64ForUrls) {
  const auto standard = parse_ticket(bytes_of("+/++//z8"));
  const auto url = parse_ticket(bytes_of("-_--__z8"));  // RFC 4648 §5
  ASSERT_TRUE(standard && url);
  EXPECT_EQ(standard->bytes, url->bytes);
  EXPECT_EQ(standard->bytes.front(), std::byte{0xfb});
}

TEST(TicketInput, TheLastDumpOfAWholeOutputCounts) {
  const std::string output =
      "CONNECTED(00000003)\n    TLS session ticket:\n    0000 - ff ff   ..\n\n    Start Time: "
      "1\n---\n"
      "    TLS session ticket lifetime hint: 21600 (seconds)\n    TLS session ticket:\n" +
      std::string(kDump) + "\n    Start Time: 2\n    Timeout   : 7200 (sec)\n---\n";
  const auto ticket = parse_ticket(bytes_of(output));
  ASSERT_TRUE(ticket) << ticket.error().message;
  EXPECT_EQ(ticket->bytes, counted(40));
}

TEST(TicketInput, DumpedTextIsNeverTakenForBytes) {
  // The text beside a short line looks like hex digits.
  const auto ticket = parse_ticket(bytes_of("0000 - 61 62 63 64                 abcd\n"));
  ASSERT_TRUE(ticket);
  EXPECT_EQ(ticket->bytes.size(), 4u);
}

struct Refused {
  std::string input;
  std::string_view why;
};

TEST(TicketInput, RefusalsSayWhatWasFound) {
  std::string gap(kDump);
  gap.erase(gap.find("    0010"), gap.find("    0020") - gap.find("    0010"));
  std::string damaged(kSession);
  damaged[60] = '!';
  const Refused cases[] = {
      {"", "no ticket in it"},
      {" \n", "no ticket in it"},
      {"0x", "no ticket in it"},
      {"00010", "an odd number of hex digits; the ticket is truncated"},
      {"no ticket!", "neither hex nor base64"},
      {"AAECAwQF=", "neither hex nor base64"},
      {"AAECz", "neither hex nor base64"},  // no base64 has this length
      {"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "neither hex nor base64"},
      {gap, "truncated: the hex dump has no line 0010"},
      {"0010 - 00 01\n", "truncated: the hex dump has no line 0000"},
      {std::string(kSessionWithoutTicket), "the session has no ticket"},
      {damaged, "cannot be read; the file is damaged or cut off"},
      {std::string(kSession.substr(0, 150)), "cannot be read; the file is damaged or cut off"},
      {std::string("\0", 1) + std::string(kTicketBytesMax, 'x'), "has 65536 bytes"},
      {std::string(2 * kTicketBytesMax + 2, 'a'), "has 65536 bytes"},
  };
  for (const Refused& one : cases) {
    const auto ticket = parse_ticket(bytes_of(one.input));
    ASSERT_FALSE(ticket) << one.input;
    EXPECT_NE(ticket.error().message.find(one.why), std::string::npos) << ticket.error().message;
  }
}

TEST(TicketInput, TheLongestTicketIsTaken) {
  EXPECT_TRUE(parse_ticket(bytes_of(std::string(2 * kTicketBytesMax, 'a'))));
}

}  // namespace
}  // namespace usher::ctl
