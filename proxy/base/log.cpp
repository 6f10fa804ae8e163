#include "proxy/base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <iterator>

namespace usher::log {
namespace {

std::atomic<Level> level_now{Level::kInfo};
std::atomic<Format> format_now{Format::kLogfmt};

constexpr std::string_view name_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "error";
}

bool printable(char c) {
  return c >= 0x20 && c < 0x7f;
}

// Quotes and escapes as JSON does; logfmt readers take the same form. Bytes outside ASCII become
// \u00XX: they come from strangers in unknown encodings, so a byte is shown as a byte.
void append_quoted(std::string& line, std::string_view text) {
  line += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (printable(c)) {
      line += c;
    } else {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", static_cast<unsigned char>(c));
    }
  }
  line += '"';
}

bool plain_in_logfmt(std::string_view text) {
  if (text.empty()) {
    return false;
  }
  for (char c : text) {
    if (!printable(c) || c == ' ' || c == '"' || c == '=' || c == '\\') {
      return false;
    }
  }
  return true;
}

void append_name(std::string& line, Format format, std::string_view name) {
  if (format == Format::kJson) {
    line += line.back() == '{' ? "\"" : ",\"";
    line += name;
    line += "\":";
    return;
  }
  if (!line.empty() && line.back() != '\n') {
    line += ' ';
  }
  line += name;
  line += '=';
}

}  // namespace

void configure(Level level, Format format) {
  level_now.store(level, std::memory_order_relaxed);
  format_now.store(format, std::memory_order_relaxed);
}

bool enabled(Level level) {
  return level >= level_now.load(std::memory_order_relaxed);
}

Format format() {
  return format_now.load(std::memory_order_relaxed);
}

void begin_line(std::string& line, Format format) {
  if (format == Format::kJson) {
    line += '{';
  }
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(now - seconds).count();
  append_field(line, format, "time",
               fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                           fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), ms));
}

void append_field(std::string& line, Format format, std::string_view name, std::string_view text) {
  append_name(line, format, name);
  if (format == Format::kLogfmt && plain_in_logfmt(text)) {
    line += text;
  } else {
    append_quoted(line, text);
  }
}

void append_number(std::string& line, Format format, std::string_view name, std::uint64_t number) {
  append_name(line, format, name);
  fmt::format_to(std::back_inserter(line), "{}", number);
}

void end_line(std::string& line, Format format) {
  line += format == Format::kJson ? "}\n" : "\n";
}

void write(Level level, std::string_view message, Fields fields) {
  if (!enabled(level)) {
    return;
  }
  const Format form = format();
  std::string line;
  begin_line(line, form);
  append_field(line, form, "level", name_of(level));
  append_field(line, form, "msg", message);
  for (const Field& field : fields) {
    if (field.bare) {
      append_name(line, form, field.name);
      line += field.value;
    } else {
      append_field(line, form, field.name, field.value);
    }
  }
  end_line(line, form);
  // A failed or partial write has nowhere to be reported to.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace usher::log
