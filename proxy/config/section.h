#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/config/document.h"
#include "proxy/config/findings.h"
#include "proxy/config/text_rules.h"

namespace usher::config {

constexpr Milliseconds kYear = std::chrono::hours(24 * 365);

struct DurationRange {
  Milliseconds least{0};
  Milliseconds most = kYear;
};

struct ListedText {
  std::string text;
  unsigned line = 0;
};

// One table of the file while it is read. A getter tells what is wrong with its key's value and
// then leaves `to`, which holds the default, as it was; it also makes the key known: what is still
// unknown in finish() is reported. Thread: one. Owner: the function that reads the table; `table`
// and `findings` outlive it.
class Section {
 public:
  // A null table is one that is not in the file: all defaults. `title` is how a person calls it:
  // "[tls]".
  Section(const Value* table, std::string title, Findings& findings);
  // A table inside `parent`, whose own keys have been read: after a [[parent.table]] line TOML
  // takes all keys to be this table's, and a message can say so.
  Section(const Value* table, std::string title, const Section& parent);

  void text(std::string_view key, std::string& to, const TextRule& rule);
  void boolean(std::string_view key, bool& to);
  void duration(std::string_view key, Milliseconds& to, DurationRange range);
  template <std::unsigned_integral T>
  void integer(std::string_view key, T& to, std::int64_t least, std::int64_t most) {
    if (const auto value = integer_within(key, least, most)) {
      to = static_cast<T>(*value);
    }
  }
  // One of some words.
  template <class T>
  void choice(std::string_view key, T& to,
              std::initializer_list<std::pair<std::string_view, T>> choices) {
    std::vector<std::string_view> words;
    for (const auto& [word, value] : choices) {
      words.push_back(word);
    }
    if (const auto index = index_of_choice(key, words)) {
      to = (choices.begin() + *index)->second;
    }
  }
  // A list without repetitions; what is wrong in it is left out.
  std::vector<ListedText> texts(std::string_view key, const TextRule& rule);
  void texts(std::string_view key, std::vector<std::string>& to, const TextRule& rule);
  // One text, or a list of them.
  std::vector<ListedText> text_or_texts(std::string_view key, const TextRule& rule);
  // A list of anything; null when absent.
  const Value* list(std::string_view key);
  const Value* table(std::string_view key);                // [key]; null when absent
  std::vector<const Value*> tables(std::string_view key);  // [[key]]

  bool require(std::string_view key, std::string_view advice);
  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool is_list(std::string_view key) const;
  unsigned line(std::string_view key) const;  // the key's, else the table's
  unsigned line() const { return line_; }
  // "key = value" as it stands in the file, for cross checks; "key" alone when it is absent. Not
  // for keys of a secret rule.
  std::string shown(std::string_view key) const;
  // False if one of them has a problem: its value is then a default that nobody wrote.
  bool good(std::initializer_list<std::string_view> keys) const;

  void problem(unsigned line, std::string message) { findings_.problem(line, std::move(message)); }
  Findings& findings() const { return findings_; }
  const std::string& title() const { return title_; }
  void finish();

 private:
  const Entry* find(std::string_view key) const;
  const Entry* take(std::string_view key);
  const Entry* take(std::string_view key, Kind kind, std::string_view expected);
  void wrong(const Entry& entry, std::string_view expected,
             TextRule::Shown shown = TextRule::kOpen);
  std::optional<std::int64_t> integer_within(std::string_view key, std::int64_t least,
                                             std::int64_t most);
  std::optional<std::size_t> index_of_choice(std::string_view key,
                                             std::span<const std::string_view> words);
  bool knows(std::string_view key) const;
  bool check_item(std::string_view key, const Value& item, const TextRule& rule,
                  const std::set<std::string_view>& seen);
  void report_unknown(const Entry& entry);

  const Value* table_;
  std::string title_;
  unsigned line_;
  Findings& findings_;
  const Section* parent_ = nullptr;      // outlives this
  std::set<std::string_view> bad_;       // as in the table
  std::vector<std::string_view> known_;  // literals
};

}  // namespace usher::config
