#include "proxy/tls/client_hello.h"

#include <gtest/gtest.h>

namespace usher::tls {
namespace {

std::string sni_extension(std::string_view name) {
  const auto number = [](std::size_t value) {
    return std::string{static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
  };
  return number(name.size() + 3) + '\0' + number(name.size()) + std::string(name);
}

SniResult parse(const std::string& extension, std::string& host) {
  return parse_sni_extension(bytes_of(extension), host);
}

TEST(SniExtension, name_is_lower_cased) {
  std::string host;
  EXPECT_EQ(parse(sni_extension("WWW.Example.COM"), host), SniResult::kPresent);
  EXPECT_EQ(host, "www.example.com");
}

TEST(SniExtension, longest_name_is_255_bytes) {
  std::string host;
  EXPECT_EQ(parse(sni_extension(std::string(255, 'a')), host), SniResult::kPresent);
  EXPECT_EQ(parse(sni_extension(std::string(256, 'a')), host), SniResult::kMalformed);
}

TEST(SniExtension, malformed_forms_are_refused) {
  const std::string good = sni_extension("a.example");
  std::string host = "untouched";
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(parse(good.substr(0, size), host), SniResult::kMalformed) << size;
  }
  EXPECT_EQ(parse(good + "x", host), SniResult::kMalformed);
  EXPECT_EQ(parse(sni_extension(""), host), SniResult::kMalformed);
  EXPECT_EQ(parse(sni_extension(std::string_view("a\0b", 3)), host), SniResult::kMalformed);
  std::string other_type = good;
  other_type[2] = 1;
  EXPECT_EQ(parse(other_type, host), SniResult::kMalformed);
  std::string short_list = good;
  --short_list[1];
  EXPECT_EQ(parse(short_list, host), SniResult::kMalformed);
  EXPECT_EQ(host, "untouched");
}

TEST(SniExtension, second_name_is_refused) {
  std::string two = sni_extension("a.example");
  two += two.substr(2);
  two[1] = static_cast<char>(two.size() - 2);
  std::string host;
  EXPECT_EQ(parse(two, host), SniResult::kMalformed);
}

}  // namespace
}  // namespace usher::tls
