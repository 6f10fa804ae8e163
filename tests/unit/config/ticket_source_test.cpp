#include <gtest/gtest.h>

#include "tests/unit/config/support/sample.h"

// Where ticket keys come from: what each source needs, and what it cannot have.
namespace usher::config {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

constexpr std::string_view kUnix = "keyd = [\"unix:/run/usher-keyd/keyd.sock\"]";
constexpr std::string_view kTls = "keyd = [\"tls:keyd-1.example:7443\"]";

Sample with(std::initializer_list<std::string_view> lines) {
  Sample sample;
  for (const std::string_view line : lines) {
    sample.put("[tickets]", line);
  }
  return sample;
}

Tickets tickets_of(const Sample& sample) {
  auto config = sample.parse();
  EXPECT_TRUE(config) << config.error().messages.front();
  return config ? config->tickets : Tickets();
}

TEST(TicketSource, KeydNeedsEndpoints) {
  Sample sample;
  const unsigned line = sample.put("[tickets]", "source = \"keyd\"");
  EXPECT_TRUE(only(sample.problems(), line, "needs 'keyd'; expected the endpoints"));
}

TEST(TicketSource, KeydTakesItsAgesFromTheRing) {
  const Tickets tickets = tickets_of(with({"source = \"keyd\"", kUnix, "wait = \"3s\""}));
  EXPECT_EQ(tickets.source, TicketSource::kKeyd);
  EXPECT_EQ(tickets.keyd, std::vector<std::string>{"unix:/run/usher-keyd/keyd.sock"});
  EXPECT_EQ(tickets.wait, 3s);
  EXPECT_FALSE(tickets.seal_max_age);
  EXPECT_FALSE(tickets.open_max_age);
}

TEST(TicketSource, KeydRefusesPoliciesOfItsOwnEvenTheDefaults) {
  for (const std::string_view policy :
       {"rotate_every = \"1h\"", "seal_max_age = \"3h\"", "open_max_age = \"9h\""}) {
    Sample sample = with({"source = \"keyd\"", kUnix});
    const unsigned line = sample.put("[tickets]", policy);
    EXPECT_TRUE(only(sample.problems(), line, "cannot be set while 'source' is \"keyd\""));
  }
}

TEST(TicketSource, ATlsEndpointNeedsThreeFiles) {
  Sample sample = with({"source = \"keyd\"", "cert = \"c.pem\"", "key = \"k.pem\""});
  const unsigned line = sample.put("[tickets]", kTls);
  EXPECT_TRUE(only(sample.problems(), line, "a tls: endpoint needs 'ca'"));
  sample.put("[tickets]", "ca = \"ca.pem\"");
  EXPECT_EQ(sample.problems(), Lines());
  EXPECT_EQ(warnings_of(sample), Lines());
}

TEST(TicketSource, CertificatesWithoutATlsEndpointAreTold) {
  Sample sample = with({"source = \"keyd\"", kUnix});
  const unsigned line = sample.put("[tickets]", "ca = \"ca.pem\"");
  EXPECT_TRUE(only(warnings_of(sample), line, "has no effect: no endpoint"));
}

TEST(TicketSource, FilesAreNamed) {
  Sample sample;
  const unsigned line = sample.put("[tickets]", "source = \"file\"");
  EXPECT_TRUE(only(sample.problems(), line, "needs 'file'; expected the key files"));
}

TEST(TicketSource, KeysOfFilesHaveNoAgeLimitsUnlessWritten) {
  Sample sample = with({"source = \"file\""});
  const unsigned line = sample.put("[tickets]", "file = [\"a.key\", \"b.key\"]");
  const Tickets free = tickets_of(sample);
  EXPECT_EQ(free.file, (std::vector<std::string>{"a.key", "b.key"}));
  EXPECT_FALSE(free.seal_max_age);
  EXPECT_FALSE(free.open_max_age);
  EXPECT_TRUE(only(warnings_of(sample), line, "no age limit"));

  sample.put("[tickets]", "seal_max_age = \"1h\"");
  EXPECT_EQ(warnings_of(sample), Lines());
  sample.put("[tickets]", "open_max_age = \"7h\"");
  EXPECT_EQ(tickets_of(sample).seal_max_age, 1h);
  EXPECT_EQ(tickets_of(sample).open_max_age, 7h);
}

TEST(TicketSource, AgesOfFilesFitEachOther) {
  Sample sample = with({"source = \"file\"", "file = [\"a.key\"]"});
  unsigned line = sample.put("[tickets]", "open_max_age = \"9h\"");
  EXPECT_TRUE(only(sample.problems(), line, "needs 'seal_max_age'"));
  sample.put("[tickets]", "seal_max_age = \"4h\"");
  ++line;  // the new line stands above it
  EXPECT_TRUE(only(sample.problems(), line,
                   "expected at least seal_max_age + tls.session_lifetime = \"10h\""));
}

TEST(TicketSource, KeysOfAnotherSourceAreToldAndKept) {
  for (const std::string_view key :
       {kUnix, std::string_view("keyd_user = \"keyd\""), std::string_view("wait = \"1s\""),
        std::string_view("file = [\"a.key\"]")}) {
    Sample sample;
    const unsigned line = sample.put("[tickets]", key);
    EXPECT_TRUE(only(warnings_of(sample), line, "has no effect while 'source' is \"embedded\""));
  }
  Sample files = with({"source = \"file\"", "file = [\"a.key\"]", "seal_max_age = \"1h\""});
  const unsigned line = files.put("[tickets]", "rotate_every = \"2h\"");
  EXPECT_TRUE(only(warnings_of(files), line, "has no effect while 'source' is \"file\""));
}

TEST(TicketSource, ASessionContextIsTakenWithAWarning) {
  Sample sample;
  const unsigned line = sample.put("[[listener]]", "session_context = \"nginx\"");
  EXPECT_TRUE(only(warnings_of(sample), line, "when the migration is done"));
  EXPECT_EQ(sample.parse()->listeners.front().session_context, "nginx");
}

}  // namespace
}  // namespace usher::config
