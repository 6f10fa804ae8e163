#include "proxy/keyring/key_file.h"
#include "tests/unit/tls/support/ticket_test.h"

// Rings of nginx and HAProxy files: other key sizes, no name key, no ages.
namespace usher::tls::test {
namespace {

using keyring::KeyFileFormat;

class TicketForeignKeys : public TicketTest {
 protected:
  static std::string raw_key(char fill, std::size_t size) {
    const std::size_t half = (size - keyring::kNameSize) / 2;
    return std::string(keyring::kNameSize, fill) + std::string(half, static_cast<char>(fill + 1)) +
           std::string(half, static_cast<char>(fill + 2));
  }

  void publish_files(const std::vector<std::string>& raw_keys) {
    std::vector<keyring::KeyFile> files;
    for (const std::string& raw : raw_keys) {
      files.push_back({"key", SecretBuffer(raw.size()), BootClock::now() - 1000h});
      std::ranges::copy(bytes_of(raw), files.back().bytes.bytes().begin());
    }
    auto ring = keyring::parse_key_files(KeyFileFormat::kNginx, files, 1, {});
    CHECK(ring.has_value());
    publish(*std::move(ring));
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketForeignKeys, both_versions());

TEST_P(TicketForeignKeys, both_sizes_seal_and_open) {
  for (const std::size_t size : {48U, 80U}) {
    publish_files({raw_key('a', size)});
    const Met first = connect();
    EXPECT_EQ(first.issued, 1U);
    // Checked beside OpenSSL: name, cipher and MAC of that size.
    const SslSessionPtr inside = content(first.session.get());
    EXPECT_STREQ(SSL_SESSION_get0_hostname(inside.get()), "localhost");
    EXPECT_TRUE(connect(first.session.get()).resumed()) << size;
  }
}

TEST_P(TicketForeignKeys, file_order_is_rotation) {
  publish_files({raw_key('a', 48)});
  const Met first = connect();
  publish_files({raw_key('k', 80), raw_key('a', 48)});
  const Met second = connect(first.session.get());
  EXPECT_TRUE(second.resumed());
  EXPECT_EQ(second.issued, 1U) << "under a previous key: renewed";
  EXPECT_EQ(ticket_of(second.session.get()).substr(0, 16), std::string(16, 'k'));
  EXPECT_TRUE(connect(second.session.get()).resumed());
  publish_files({raw_key('k', 80)});
  EXPECT_EQ(connect(first.session.get()).outcome, OfferOutcome::kUnknownForeign);
}

// A key of 48 bytes is not a short one of 80: same name and beginning, another key.
TEST_P(TicketForeignKeys, sizes_are_not_confused) {
  publish_files({raw_key('a', 48)});
  const Met first = connect();
  publish_files({raw_key('a', 80)});
  EXPECT_EQ(connect(first.session.get()).outcome, OfferOutcome::kBadMac);
}

TEST_P(TicketForeignKeys, any_flipped_bit_under_a_small_key) {
  publish_files({raw_key('a', 48)});
  const Met first = connect();
  const std::string ticket = ticket_of(first.session.get());
  for (std::size_t i = 0; i < ticket.size(); i += 7) {
    std::string damaged = ticket;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    const Met met = connect(with_ticket(first.session.get(), damaged).get());
    EXPECT_EQ(met.outcome,
              i < keyring::kNameSize ? OfferOutcome::kUnknownForeign : OfferOutcome::kBadMac);
    EXPECT_EQ(met.issued, 1U);
  }
}

}  // namespace
}  // namespace usher::tls::test
