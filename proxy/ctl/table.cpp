#include "proxy/ctl/table.h"

#include <algorithm>

namespace usher::ctl {

std::string Table::to_string() const {
  std::vector<std::vector<std::string>> lines;
  if (!columns_.empty()) {
    lines.emplace_back();
    for (const Column& column : columns_) {
      lines.back().push_back(column.heading);
    }
  }
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], line[i].size());
    }
  }
  std::string text;
  for (const auto& line : lines) {
    std::string shown;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool right = i < columns_.size() && columns_[i].align == Align::kRight;
      const std::string padding(widths[i] - line[i].size(), ' ');
      shown += (i == 0 ? "" : "  ") + (right ? padding + line[i] : line[i] + padding);
    }
    shown.erase(shown.find_last_not_of(' ') + 1);
    text += shown + "\n";
  }
  return text;
}

}  // namespace usher::ctl
