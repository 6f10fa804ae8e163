#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace usher::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Format { kLogfmt, kJson };

// One key=value of a line. Numbers stay numbers in JSON; text is escaped (CONTRACT: what is not
// printable ASCII never reaches a terminal or a parser raw).
struct Field {
  Field(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  Field(std::string_view field_name, const char* text) : name(field_name), value(text) {}
  Field(std::string_view field_name, const std::string& text) : name(field_name), value(text) {}
  template <std::integral T>
  Field(std::string_view field_name, T number)
      : name(field_name), value(std::to_string(number)), bare(true) {}

  std::string_view name;
  std::string value;
  bool bare = false;  // a number: no quotes in either format
};

using Fields = std::initializer_list<Field>;

// Sets what all later lines obey. Thread: main, before the workers start and at reload (values are
// atomic).
void configure(Level level, Format format);
bool enabled(Level level);

// One line to standard error with one write(2): lines of several threads do not mix (in a pipe, up
// to its PIPE_BUF of 4096 bytes). Thread: any.
void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) {
  write(Level::kDebug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
  write(Level::kInfo, message, fields);
}
inline void warning(std::string_view message, Fields fields = {}) {
  write(Level::kWarning, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
  write(Level::kError, message, fields);
}

// The pieces of a line, for the access log, which writes to its own file.
Format format();
void begin_line(std::string& line, Format format);  // opening and time
void append_field(std::string& line, Format format, std::string_view name, std::string_view text);
void append_number(std::string& line, Format format, std::string_view name, std::uint64_t number);
void end_line(std::string& line, Format format);

}  // namespace usher::log
