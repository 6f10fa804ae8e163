#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/config/parse.h"

namespace usher::config {

// A small good file that tests spoil line by line.
class Sample {
 public:
  Sample();
  // Puts `line` below the first line that is `header`, in place of that table's line of the same
  // key, and answers the number of the new line.
  unsigned put(std::string_view header, std::string_view line);
  void remove(std::string_view header, std::string_view key);
  // At the end of the file; the number of its first line.
  unsigned append(std::string_view text);

  std::string text() const;
  Result<Config, Problems> parse() const;
  std::vector<std::string> problems() const;  // empty when the file is good

 private:
  std::size_t index_of(std::string_view header) const;
  std::vector<std::string> lines_;
};

Sample http_sample();  // whose listener is in http mode

std::vector<std::string> problems_of(std::string_view text);
std::vector<std::string> warnings_of(const Sample& sample);  // a good one's

// "usher.toml:LINE: message".
std::string at(unsigned line, std::string_view message);

// Exactly one message, at this line, with these words.
testing::AssertionResult only(const std::vector<std::string>& messages, unsigned line,
                              std::string_view words);
inline testing::AssertionResult only(const Sample& sample, unsigned line, std::string_view words) {
  return only(sample.problems(), line, words);
}

}  // namespace usher::config
