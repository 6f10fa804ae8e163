#include "tests/unit/config/support/sample.h"

#include <algorithm>
#include <sstream>

#include "proxy/base/check.h"

namespace usher::config {
namespace {

constexpr std::string_view kGood = R"([process]
[log]
[admin]
[tls]
[tickets]
[session_cache]
[[listener]]
name = "main"
address = "127.0.0.1:443"
backend = "app"
[[listener.certificate]]
chain = "chain.pem"
key = "key.pem"
[[backend]]
name = "app"
servers = ["127.0.0.1:8080"]
[backend.health]
)";

std::vector<std::string> lines_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

Sample::Sample() : lines_(lines_of(kGood)) {}

std::size_t Sample::index_of(std::string_view header) const {
  const auto found = std::find(lines_.begin(), lines_.end(), header);
  CHECK(found != lines_.end());
  return static_cast<std::size_t>(found - lines_.begin());
}

unsigned Sample::put(std::string_view header, std::string_view line) {
  remove(header, line.substr(0, line.find(' ')));
  const std::size_t index = index_of(header) + 1;
  lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(index), std::string(line));
  return static_cast<unsigned>(index + 1);
}

void Sample::remove(std::string_view header, std::string_view key) {
  for (std::size_t i = index_of(header) + 1; i < lines_.size() && !lines_[i].starts_with('[');
       ++i) {
    if (lines_[i].starts_with(std::string(key) + " ")) {
      lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }
}

unsigned Sample::append(std::string_view text) {
  const auto line = static_cast<unsigned>(lines_.size() + 1);
  for (std::string& more : lines_of(text)) {
    lines_.push_back(std::move(more));
  }
  return line;
}

std::string Sample::text() const {
  std::string text;
  for (const std::string& line : lines_) {
    text += line + "\n";
  }
  return text;
}

Result<Config, Problems> Sample::parse() const {
  return config::parse(text(), "usher.toml");
}
std::vector<std::string> Sample::problems() const {
  return problems_of(text());
}

Sample http_sample() {
  Sample sample;
  sample.put("[[listener]]", "mode = \"http\"");
  return sample;
}

std::vector<std::string> problems_of(std::string_view text) {
  const auto result = parse(text, "usher.toml");
  return result ? std::vector<std::string>() : result.error().messages;
}

std::string at(unsigned line, std::string_view message) {
  return "usher.toml:" + std::to_string(line) + ": " + std::string(message);
}

std::vector<std::string> warnings_of(const Sample& sample) {
  const auto config = sample.parse();
  EXPECT_TRUE(config) << config.error().messages.front();
  return config ? config->warnings : std::vector<std::string>();
}

testing::AssertionResult only(const std::vector<std::string>& messages, unsigned line,
                              std::string_view words) {
  if (messages.size() == 1 && messages[0].starts_with(at(line, "")) &&
      messages[0].find(words) != std::string::npos) {
    return testing::AssertionSuccess();
  }
  auto failure = testing::AssertionFailure() << messages.size() << " messages:";
  for (const std::string& message : messages) {
    failure << "\n" << message;
  }
  return failure;
}

}  // namespace usher::config
