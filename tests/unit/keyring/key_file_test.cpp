#include "proxy/keyring/key_file.h"

#include <gtest/gtest.h>

#include "tests/unit/keyring/support/key_files.h"

// Key files of nginx and HAProxy, both ways.
namespace usher::keyring::test {
namespace {

using enum KeyFileFormat;

constexpr AgePolicy kNone{};

Result<KeyRing> parsed(KeyFileFormat format, const std::vector<KeyFile>& files,
                       AgePolicy policy = kNone) {
  return parse_key_files(format, files, 7, policy);
}

void expect_refused(KeyFileFormat format, const std::vector<KeyFile>& files,
                    std::string_view reason) {
  const auto ring = parsed(format, files);
  ASSERT_FALSE(ring) << reason;
  EXPECT_NE(ring.error().message.find(reason), std::string::npos) << ring.error().message;
}

std::string haproxy_text(std::size_t size = 80) {
  return lines({raw_key('o', 'a', 'b', size), raw_key('p', 'c', 'd', size),
                raw_key('q', 'e', 'f', size), raw_key('r', 'g', 'h', size)});
}

TEST(NginxKeys, large_ones_have_the_hmac_key_first) {
  const auto ring = parsed(kNginx, files_of(file_of(raw_key('n', 'h', 'a'), "a.key"),
                                            file_of(raw_key('o', 'i', 'b'), "b.key")));
  ASSERT_TRUE(ring) << ring.error().message;
  EXPECT_EQ(contents(*ring), "c:n/a/h p:o/b/i") << "the first file seals, all open";
}

TEST(NginxKeys, small_ones_have_the_aes_key_first) {
  const auto ring = parsed(kNginx, files_of(file_of(raw_key('n', 'a', 'h', 48), "a.key"),
                                            file_of(raw_key('o', 'h', 'a', 80), "b.key")));
  ASSERT_TRUE(ring) << ring.error().message;
  EXPECT_EQ(contents(*ring), "c:n/a/h' p:o/a/h") << "sizes may differ from file to file";
}

TEST(NginxKeys, refuses) {
  for (const std::size_t size : {1U, 16U, 47U, 49U, 79U, 81U, 160U, 4096U}) {
    expect_refused(kNginx, files_of(file_of(std::string(size, 'k'), "a.key")),
                   "a.key: " + std::to_string(size) + " bytes; expected one nginx key");
  }
  expect_refused(kNginx, files_of(file_of("", "a.key")), "a.key: is empty");
  expect_refused(kNginx, files_of(file_of(std::string(kKeyFileBytesMax + 1, 'k'), "a.key")),
                 "a.key: larger than 64 KiB");
  const std::string good = raw_key('n', 'h', 'a');
  expect_refused(kNginx, files_of(file_of(good, "a"), file_of(good, "b")),
                 "b: the same key, or the same key name, as a");
  expect_refused(kNginx, files_of(file_of(good, "a"), file_of(raw_key('n', 'x', 'y'), "b")),
                 "same key name");
  expect_refused(kNginx, files_of(file_of(good, "a"), file_of(raw_key('o', 'h', 'y'), "b")),
                 "b: the same key");
  expect_refused(kNginx, files_of(file_of(good, "a"), file_of(raw_key('o', 'x', 'a'), "b")),
                 "b: the same key");
  expect_refused(kNginx, files_of(file_of(raw_key('n', '\0', 'a'), "a")), "a: a key of all zero");
  expect_refused(kNginx, files_of(file_of(raw_key('n', 'h', '\0'), "a")), "a: a key of all zero");
  expect_refused(kNginx, files_of(file_of(raw_key('n', '\0', 'a', 48), "a")), "all zero");
  std::vector<KeyFile> many;
  for (int i = 0; i <= static_cast<int>(kMaxKeys); ++i) {
    many.push_back(file_of(raw_key(static_cast<char>(i), 'a', 'h'), "f" + std::to_string(i)));
  }
  expect_refused(kNginx, many, "f64: more than 64 key files");
}

TEST(HaproxyKeys, last_but_one_seals_and_last_is_next) {
  const auto ring = parsed(kHaproxy, files_of(file_of(haproxy_text())));
  ASSERT_TRUE(ring) << ring.error().message;
  EXPECT_EQ(contents(*ring), "n:r/g/h c:q/e/f p:p/c/d p:o/a/b");
  EXPECT_FALSE(ring->name_key());
  const auto small = parsed(kHaproxy, files_of(file_of(haproxy_text(48))));
  ASSERT_TRUE(small) << small.error().message;
  EXPECT_EQ(contents(*small), "n:r/g/h' c:q/e/f' p:p/c/d' p:o/a/b'");
}

TEST(HaproxyKeys, line_ends_as_haproxy_takes_them) {
  std::string text = haproxy_text();
  text.pop_back();
  EXPECT_TRUE(parsed(kHaproxy, files_of(file_of(text)))) << "no end of the last line";
  std::string dos;
  for (const char c : haproxy_text()) {
    dos += c == '\n' ? "\r\n" : std::string(1, c);
  }
  EXPECT_TRUE(parsed(kHaproxy, files_of(file_of(dos))));
}

TEST(HaproxyKeys, refuses) {
  const std::string a = base64(raw_key('o', 'a', 'b')) + "\n";
  const std::string b = base64(raw_key('p', 'c', 'd')) + "\n";
  const std::string c = base64(raw_key('q', 'e', 'f')) + "\n";
  const std::string small = base64(raw_key('r', 'g', 'h', 48)) + "\n";
  const std::string zero = base64(raw_key('r', '\0', 'h')) + "\n";
  const auto refused = [](const std::string& text, std::string_view reason) {
    expect_refused(kHaproxy, files_of(file_of(text, "/etc/t.keys")), reason);
  };
  refused("", "/etc/t.keys: is empty");
  refused(a, "/etc/t.keys: 1 keys; expected at least 3");
  refused(a + b, "2 keys; expected at least 3");
  refused("\n" + a + b + c, "/etc/t.keys:1: 0 characters");
  refused(a + "\n" + b + c, "/etc/t.keys:2: 0 characters");
  refused(a + b + c + "\n", "/etc/t.keys:4: 0 characters");
  refused(a + b + "# next\n" + c, "/etc/t.keys:3: 6 characters; expected one HAProxy key");
  refused(a + b + c.substr(1), "/etc/t.keys:3: 107 characters");
  refused(a + b + c.substr(0, 60), "/etc/t.keys:3: 60 characters");
  refused(a + b + c.substr(0, 104), "/etc/t.keys:3: 104 characters");
  refused(a + b + c.substr(0, 64), "/etc/t.keys:3: a key of another size");
  refused(a + b + c + small, "/etc/t.keys:4: a key of another size");
  refused(a + " " + b.substr(1) + c, "/etc/t.keys:2: no base64");
  refused(a + b + std::string(1, '\0') + c, "/etc/t.keys:3");
  refused(a + b + a, "/etc/t.keys:3: the same key, or the same key name, as /etc/t.keys:1");
  refused(a + b + zero, "/etc/t.keys:3: a key of all zero bytes");
  std::string many;
  for (int i = 1; i <= static_cast<int>(kMaxKeys) + 1; ++i) {
    const auto fill = [i](int by) { return static_cast<char>(i + by); };
    many += base64(raw_key(fill(0), fill(70), fill(140))) + "\n";
  }
  refused(many, "/etc/t.keys:65: more than 64 keys");
  EXPECT_TRUE(parsed(kHaproxy, files_of(file_of(many.substr(0, 64 * 109)))));
  expect_refused(kHaproxy, files_of(file_of(a + b + c, "x"), file_of(a + b + c, "y")),
                 "y: a second file");
}

TEST(HaproxyKeys, refuses_any_character_that_is_wrong) {
  const std::string good = haproxy_text();
  ASSERT_TRUE(parsed(kHaproxy, files_of(file_of(good))));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = '!';
    EXPECT_FALSE(parsed(kHaproxy, files_of(file_of(bad)))) << i;
    bad = good;
    bad.erase(i, 1);
    // The end of the last line may be missing.
    EXPECT_EQ(parsed(kHaproxy, files_of(file_of(bad))).has_value(), i + 1 == good.size()) << i;
  }
}

TEST(KeyFiles, ring_has_version_limits_and_ages) {
  const auto files = files_of(file_of(raw_key('n', 'h', 'a'), "a", kStart - 5h),
                              file_of(raw_key('o', 'i', 'b'), "b", kStart - 30h));
  const auto ring = parse_key_files(kNginx, files, 12, {6h, 24h});
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->version(), (KeyRing::Version{1, 12}));
  EXPECT_EQ(ring->policy(), (AgePolicy{6h, 24h}));
  EXPECT_NE(ring->sealing_key(kStart), nullptr);
  EXPECT_EQ(ring->sealing_key(kStart + 1h), nullptr) << "age counts from the file's change";
  EXPECT_FALSE(ring->opening_key(ring->entries()[1].key->name, kStart));
  EXPECT_EQ(ring->classify_unknown(KeyName{}), UnknownName::kForeign);
  const auto for_ever = parsed(kNginx, files);
  ASSERT_TRUE(for_ever);
  EXPECT_EQ(for_ever->policy(), kNone);
  EXPECT_NE(for_ever->sealing_key(kStart + 90000h), nullptr);
}

TEST(KeyFiles, formats_are_told_by_content) {
  const auto format = [](const std::string& text) { return format_of(bytes_of(text)); };
  EXPECT_EQ(format("usher ticket keys 1\n"), kUsher);
  EXPECT_EQ(format("usher ticket keys 1"), kUsher);
  EXPECT_EQ(format("usher ticket keys 12\n"), kHaproxy);
  EXPECT_EQ(format(raw_key('\x01', '\x80', '\xff')), kNginx);
  EXPECT_EQ(format(raw_key('\x01', '\x80', '\xff', 48)), kNginx);
  EXPECT_EQ(format(raw_key('\x01', '\x80', '\xff') + "\n"), kNginx) << "and refused for its size";
  EXPECT_EQ(format(std::string(48, '_')), kNginx) << "raw bytes that happen to be text";
  EXPECT_EQ(format(std::string(80, 'a')), kHaproxy) << "a cut file";
  EXPECT_EQ(format(haproxy_text()), kHaproxy);
  EXPECT_EQ(format(""), kHaproxy);
}

TEST(FormatKeys, is_what_parsing_reads) {
  const auto from_haproxy = parsed(kHaproxy, files_of(file_of(haproxy_text())));
  ASSERT_TRUE(from_haproxy);
  const auto haproxy = format_keys(*from_haproxy, kHaproxy, kStart);
  ASSERT_TRUE(haproxy) << haproxy.error().message;
  EXPECT_EQ(file_text(*haproxy), haproxy_text());
  const auto nginx = format_keys(*from_haproxy, kNginx, kStart);
  ASSERT_TRUE(nginx);
  EXPECT_EQ(file_text(*nginx), raw_key('q', 'f', 'e')) << "the current key, HMAC first";
  for (const std::size_t size : {48U, 80U}) {
    const std::string raw = raw_key('n', 'x', 'y', size);
    const auto ring = parsed(kNginx, files_of(file_of(raw)));
    ASSERT_TRUE(ring);
    const auto again = format_keys(*ring, kNginx, kStart);
    ASSERT_TRUE(again);
    EXPECT_EQ(file_text(*again), raw);
  }
}

// A fleet has a next key for moments only.
TEST(FormatKeys, haproxy_without_a_next_key_ends_with_the_oldest) {
  using enum KeyState;
  const auto ring = ring_of(
      {{key_with(3, 3), kCurrent}, {key_with(2, 2), kPrevious}, {key_with(1, 1), kPrevious}});
  ASSERT_TRUE(ring);
  const auto file = format_keys(*ring, kHaproxy, kStart);
  ASSERT_TRUE(file) << file.error().message;
  const auto read = parsed(kHaproxy, files_of(file_of(file_text(*file))));
  ASSERT_TRUE(read) << read.error().message;
  std::vector<std::pair<KeyState, std::byte>> found;
  for (const KeyRing::Entry& entry : read->entries()) {
    found.emplace_back(entry.state, entry.key->name[0]);
  }
  EXPECT_EQ(found,
            (std::vector<std::pair<KeyState, std::byte>>{
                {kNext, std::byte{1}}, {kCurrent, std::byte{3}}, {kPrevious, std::byte{2}}}));
}

TEST(FormatKeys, refuses) {
  using enum KeyState;
  const auto refused = [](std::vector<KeyRing::Entry> entries, KeyFileFormat format,
                          std::string_view reason) {
    const auto ring = ring_of(std::move(entries));
    ASSERT_TRUE(ring);
    const auto file = format_keys(*ring, format, kStart);
    ASSERT_FALSE(file) << reason;
    EXPECT_NE(file.error().message.find(reason), std::string::npos) << file.error().message;
  };
  const TicketKeyPtr k1 = key_with(1, 1);
  const TicketKeyPtr k2 = key_with(2, 2);
  const TicketKeyPtr k3 = key_with(3, 3);
  auto small = std::make_shared<TicketKey>();
  small->size = KeySize::kAes128;
  std::ranges::fill(small->aes.bytes().first(16), std::byte{9});
  std::ranges::fill(small->hmac.bytes().first(16), std::byte{9});
  refused({}, kNginx, "rotate first");
  refused({{k2, kNext}, {k1, kPrevious}}, kNginx, "has none");
  refused({}, kHaproxy, "a current key and two others");
  refused({{k3, kNext}, {k2, kCurrent}}, kHaproxy, "a current key and two others");
  refused({{k3, kCurrent}, {k2, kPrevious}}, kHaproxy, "a current key and two others");
  refused({{k3, kPrevious}, {k2, kPrevious}, {k1, kPrevious}}, kHaproxy, "a current key");
  refused({{k3, kNext}, {k2, kPrevious}, {k1, kPrevious}}, kHaproxy, "a current");
  refused({{k3, kNext}, {k2, kCurrent}, {small, kPrevious}}, kHaproxy, "keys of one size");
  refused({{k2, kCurrent}}, kUsher, "no name key");
}

}  // namespace
}  // namespace usher::keyring::test
