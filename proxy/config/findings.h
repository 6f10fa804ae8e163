#pragma once

#include <string>
#include <utility>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/config/parse.h"

namespace usher::config {

// What reading one file has found, so that all of it is told at once, in the order of lines. Lines
// count from 1. Thread: one.
class Findings {
 public:
  explicit Findings(const std::string& file) : file_(file) {}

  void problem(unsigned line, std::string message);
  void warning(unsigned line, std::string message);

  std::size_t problem_count() const { return problem_count_; }
  Place place(unsigned line) const { return {file_, line}; }
  Problems problems() const;
  std::vector<std::string> warnings() const { return in_order(warnings_); }

 private:
  using Finding = std::pair<unsigned, std::string>;
  std::vector<std::string> in_order(std::vector<Finding> findings) const;

  const std::string& file_;  // the caller's, for as long as this lives
  std::vector<Finding> problems_;
  std::vector<Finding> warnings_;
  std::size_t problem_count_ = 0;
};

}  // namespace usher::config
