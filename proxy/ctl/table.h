#pragma once

#include <string>
#include <vector>

namespace usher::ctl {

// Aligned columns for people. Texts are printable ASCII already. Thread: one.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };

  Table() = default;  // without headings: as many columns as the longest row
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  std::string to_string() const;  // a line per row, each ended; no blanks at its end

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace usher::ctl
