#include "proxy/config/findings.h"

#include <algorithm>

namespace usher::config {
namespace {

// A megabyte of unknown keys is not a file that anybody mends line by line.
constexpr std::size_t kFindingsMax = 1000;

}  // namespace

void Findings::problem(unsigned line, std::string message) {
  ++problem_count_;
  if (problems_.size() < kFindingsMax) {
    problems_.emplace_back(line, std::move(message));
  }
}

void Findings::warning(unsigned line, std::string message) {
  if (warnings_.size() < kFindingsMax) {
    warnings_.emplace_back(line, std::move(message));
  }
}

Problems Findings::problems() const {
  Problems result{in_order(problems_)};
  if (problem_count_ > problems_.size()) {
    result.messages.push_back(file_ + ": " + std::to_string(problem_count_ - problems_.size()) +
                              " more problems; mend these first");
  }
  return result;
}

std::vector<std::string> Findings::in_order(std::vector<Finding> findings) const {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.first < b.first; });
  std::vector<std::string> lines;
  lines.reserve(findings.size());
  for (const auto& [line, message] : findings) {
    lines.push_back(place(line).to_string() + ": " + message);
  }
  return lines;
}

}  // namespace usher::config
