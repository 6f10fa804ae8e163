#include "proxy/tls/tls_session.h"

#include <gtest/gtest.h>

#include "tests/unit/tls/support/joined.h"

namespace usher::tls::test {
namespace {

// Both versions, and pipes that hand over everything or one byte at a time.
class TlsSessionTransfer : public testing::TestWithParam<std::tuple<int, std::size_t>> {};

INSTANTIATE_TEST_SUITE_P(Versions, TlsSessionTransfer,
                         testing::Combine(testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                                          testing::Values(Joined::kNoQuota, std::size_t{7},
                                                          std::size_t{1})));

TEST_P(TlsSessionTransfer, handshake_and_bytes_both_ways) {
  const auto [version, quota] = GetParam();
  Joined joined(context_of(simple_listener()),
                {.min_version = version, .max_version = version, .sni = "LocalHost"}, nullptr,
                quota);
  ASSERT_TRUE(joined.handshake()) << joined.server().failure_detail();

  const TlsFacts facts = joined.server().facts();
  EXPECT_EQ(facts.version, version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
  EXPECT_EQ(facts.cipher,
            version == TLS1_3_VERSION ? "TLS_AES_128_GCM_SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_EQ(facts.sni, "localhost");
  EXPECT_EQ(facts.resumption, Resumption::kNone);
  EXPECT_EQ(facts.offer, OfferKind::kNone);
  EXPECT_FALSE(facts.client_cert);

  const std::string question(20000, 'q');
  ASSERT_TRUE(joined.client_write(question));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.received(), question);

  const std::string answer(40000, 'a');
  ASSERT_TRUE(joined.server().output_room(answer.size()));
  EXPECT_EQ(joined.server().write(bytes_of(answer), 16384), IoOutcome::kProgress);
  std::string got;
  EXPECT_TRUE(joined.pump_to_client(got));
  EXPECT_EQ(got, answer);
}

TEST_P(TlsSessionTransfer, clean_end_is_told_apart_and_half_close_works) {
  const auto [version, quota] = GetParam();
  Joined joined(context_of(simple_listener()), {.min_version = version, .max_version = version},
                nullptr, quota);
  ASSERT_TRUE(joined.handshake());
  ASSERT_TRUE(joined.client_write("last words"));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);  // truncation, if the socket ends here
  SSL_shutdown(joined.client());
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kPeerEnded);
  EXPECT_EQ(joined.received(), "last words");
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kPeerEnded);  // it stays ended
  EXPECT_EQ(joined.server().failure(), TlsFailure::kNone);

  EXPECT_EQ(joined.server().write(bytes_of("answer"), 16384), IoOutcome::kProgress);
  joined.server().send_close_notify();
  const std::size_t queued = joined.server_output().size();
  joined.server().send_close_notify();  // once
  EXPECT_EQ(joined.server_output().size(), queued);
  std::string got;
  EXPECT_FALSE(joined.pump_to_client(got));
  EXPECT_EQ(got, "answer");
  EXPECT_NE(SSL_get_shutdown(joined.client()) & SSL_RECEIVED_SHUTDOWN, 0);
}

TEST_P(TlsSessionTransfer, client_is_read_after_our_close_notify) {
  const auto [version, quota] = GetParam();
  Joined joined(context_of(simple_listener()), {.min_version = version, .max_version = version},
                nullptr, quota);
  ASSERT_TRUE(joined.handshake());
  joined.server().send_close_notify();
  ASSERT_TRUE(joined.client_write("still talking"));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.received(), "still talking");
}

// Of a record larger than what one read takes nothing stays behind in OpenSSL, nor does an end that
// came along with it.
TEST_P(TlsSessionTransfer, all_that_has_come_is_told) {
  const auto [version, quota] = GetParam();
  Joined joined(context_of(simple_listener()), {.min_version = version, .max_version = version},
                nullptr, quota);
  ASSERT_TRUE(joined.handshake());
  const std::string words(10'000, 'w');
  ASSERT_TRUE(joined.client_write(words));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.received(), words);

  ASSERT_TRUE(joined.client_write(words));
  SSL_shutdown(joined.client());
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kPeerEnded);
  EXPECT_EQ(joined.received(), words + words);
}

// Lengths of the records in the output, headers not counted.
std::vector<std::size_t> record_lengths(ByteView output) {
  std::vector<std::size_t> lengths;
  while (output.size() >= 5) {
    const auto length =
        std::to_integer<std::size_t>(output[3]) << 8 | std::to_integer<std::size_t>(output[4]);
    lengths.push_back(length);
    output = output.subspan(5 + length);
  }
  EXPECT_TRUE(output.empty());
  return lengths;
}

TEST(TlsSession, records_have_the_size_asked_for) {
  Joined joined(context_of(simple_listener()), {});
  ASSERT_TRUE(joined.handshake());
  ASSERT_TRUE(joined.server_output().empty());
  const std::string plain(3000, 'x');
  ASSERT_EQ(joined.server().write(bytes_of(plain), 1400), IoOutcome::kProgress);
  constexpr std::size_t kOverhead = 17;  // TLS 1.3: content type and tag
  EXPECT_EQ(record_lengths(joined.server_output().view()),
            (std::vector<std::size_t>{1400 + kOverhead, 1400 + kOverhead, 200 + kOverhead}));
  joined.server_output().clear();
  ASSERT_EQ(joined.server().write(bytes_of(plain), 16384), IoOutcome::kProgress);
  EXPECT_EQ(record_lengths(joined.server_output().view()),
            (std::vector<std::size_t>{3000 + kOverhead}));
}

TEST(TlsSession, max_fragment_length_is_honoured_and_told) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Joined joined(context_of(simple_listener()),
                  {.min_version = version,
                   .max_version = version,
                   .max_fragment_code = TLSEXT_max_fragment_length_1024});
    ASSERT_TRUE(joined.handshake());
    EXPECT_EQ(joined.server().facts().max_fragment_length, 1024U);
    ASSERT_EQ(joined.server().write(bytes_of(std::string(5000, 'x')), 16384), IoOutcome::kProgress);
    for (const std::size_t length : record_lengths(joined.server_output().view())) {
      EXPECT_LE(length, 1024U + 24);
    }
  }
}

TEST(TlsSession, write_is_all_or_nothing_below_the_output_bound) {
  Joined joined(context_of(simple_listener()), {});
  ASSERT_TRUE(joined.handshake());
  const std::string block(64 * 1024, 'x');
  std::size_t written = 0;
  while (joined.server().output_room(block.size())) {
    ASSERT_EQ(joined.server().write(bytes_of(block), 16384), IoOutcome::kProgress);
    written += block.size();
  }
  EXPECT_LE(joined.server_output().size(), TlsSession::kOutputMax);
  EXPECT_GE(written, 800U * 1024);
  const std::size_t queued = joined.server_output().size();
  EXPECT_EQ(joined.server().write(bytes_of(block), 16384), IoOutcome::kBlocked);
  EXPECT_EQ(joined.server_output().size(), queued);
  EXPECT_EQ(joined.server().failure(), TlsFailure::kNone);
  std::string got;
  EXPECT_TRUE(joined.pump_to_client(got));
  EXPECT_EQ(got.size(), written);
}

TEST(TlsSession, handshake_waits_for_room_in_the_output) {
  Joined joined(context_of(simple_listener()), {});
  const std::string filler(TlsSession::kOutputMax, 'x');
  joined.server_output().append(bytes_of(filler));
  SSL_do_handshake(joined.client());
  char* hello = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(joined.client()), &hello);
  joined.server().attach(std::as_bytes(std::span(hello, static_cast<std::size_t>(size))),
                         joined.server_output());
  EXPECT_EQ(joined.server().handshake(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.server_output().size(), filler.size());
  joined.server_output().clear();
  EXPECT_EQ(joined.server().handshake(), IoOutcome::kBlocked);  // now for the client
  EXPECT_FALSE(joined.server_output().empty());
}

TEST(TlsSession, renegotiation_is_refused_and_the_connection_goes_on) {
  Joined joined(context_of(simple_listener()), {.max_version = TLS1_2_VERSION});
  ASSERT_TRUE(joined.handshake());
  ASSERT_EQ(SSL_renegotiate(joined.client()), 1);
  SSL_do_handshake(joined.client());
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.server().failure(), TlsFailure::kNone);
  const auto alerts = record_lengths(joined.server_output().view());
  EXPECT_EQ(alerts.size(), 1U);
  EXPECT_EQ(joined.server().write(bytes_of("on"), 16384), IoOutcome::kProgress);
}

void send_key_update(Joined& joined) {
  ASSERT_EQ(SSL_key_update(joined.client(), SSL_KEY_UPDATE_REQUESTED), 1);
  ASSERT_EQ(SSL_do_handshake(joined.client()), 1);
}

TEST(TlsSession, key_updates_without_data_are_a_flood) {
  Joined joined(context_of(simple_listener()), {});
  ASSERT_TRUE(joined.handshake());
  for (int i = 0; i < 64; ++i) {
    send_key_update(joined);
  }
  ASSERT_TRUE(joined.client_write("data"));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.received(), "data");
  for (int i = 0; i < 65; ++i) {
    send_key_update(joined);
  }
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kFailed);
  EXPECT_EQ(joined.server().failure(), TlsFailure::kKeyUpdateFlood);
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kFailed);
  EXPECT_EQ(joined.server().write(bytes_of("x"), 16384), IoOutcome::kFailed);
}

// OpenSSL writes nothing while a post-handshake message is incomplete, and says WANT_READ.
TEST(TlsSession, key_update_in_pieces_delays_writes_without_failing) {
  Joined joined(context_of(simple_listener()), {});
  ASSERT_TRUE(joined.handshake());
  ASSERT_EQ(SSL_set_split_send_fragment(joined.client(), 1), 1);
  send_key_update(joined);
  BIO* sent = SSL_get_wbio(joined.client());
  std::string records(BIO_pending(sent), '\0');
  BIO_read(sent, records.data(), static_cast<int>(records.size()));
  const std::size_t last = records.size() - 23;  // five records of one byte
  joined.inject(bytes_of(std::string_view(records).substr(0, last)));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_FALSE(joined.server().output_room(1));
  EXPECT_EQ(joined.server().write(bytes_of("x"), 16384), IoOutcome::kBlocked);
  joined.inject(bytes_of(std::string_view(records).substr(last)));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_TRUE(joined.server().output_room(1));
  EXPECT_EQ(joined.server().write(bytes_of("x"), 16384), IoOutcome::kProgress);
  std::string got;
  EXPECT_TRUE(joined.pump_to_client(got));
  EXPECT_EQ(got, "x");
}

TEST(TlsSession, key_update_after_our_close_notify_is_followed) {
  Joined joined(context_of(simple_listener()), {});
  ASSERT_TRUE(joined.handshake());
  joined.server().send_close_notify();
  send_key_update(joined);
  ASSERT_TRUE(joined.client_write("upload goes on"));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.received(), "upload goes on");
}

TEST(TlsSession, bad_record_after_the_handshake_is_malformed) {
  Joined joined(context_of(simple_listener()), {});
  ASSERT_TRUE(joined.handshake());
  joined.inject(
      bytes_of(std::string_view("\x17\x03\x03\x00\x14"
                                "garbage garbage gar!",
                                25)));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kFailed);
  EXPECT_EQ(joined.server().failure(), TlsFailure::kMalformed);
  EXPECT_FALSE(joined.server().failure_detail().empty());
}

TEST(TlsSession, facts_before_the_handshake_are_empty) {
  Joined joined(context_of(simple_listener()), {});
  const TlsFacts facts = joined.server().facts();
  EXPECT_EQ(facts.sni, "");
  EXPECT_EQ(facts.alpn, "");
  EXPECT_FALSE(facts.client_cert);
  joined.server().send_close_notify();
  EXPECT_TRUE(joined.server_output().empty());
}

}  // namespace
}  // namespace usher::tls::test
