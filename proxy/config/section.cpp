#include "proxy/config/section.h"

#include <algorithm>

#include "proxy/base/units.h"
#include "proxy/config/suggestion.h"
#include "proxy/config/toml_text.h"

namespace usher::config {
namespace {

// "a", "b" or "c"
std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
    text += '"' + std::string(words[i]) + '"';
  }
  return text;
}

// What stands in front of a table's name below the section of `title`: "[[listener]]" →
// "listener.".
std::string path_within(std::string_view title) {
  const std::size_t begin = title.find_first_not_of('[');
  const std::size_t end = title.find(']');
  return begin == 0 || end == std::string_view::npos
             ? std::string()
             : std::string(title.substr(begin, end - begin)) + ".";
}

}  // namespace

Section::Section(const Value* table, std::string title, Findings& findings)
    : table_(table),
      title_(std::move(title)),
      line_(table == nullptr ? 1 : table->line),
      findings_(findings) {}

Section::Section(const Value* table, std::string title, const Section& parent)
    : Section(table, std::move(title), parent.findings_) {
  parent_ = &parent;
}

void Section::text(std::string_view key, std::string& to, const TextRule& rule) {
  const Entry* entry = take(key, Kind::kText, rule.expected);
  if (entry == nullptr) {
    return;
  }
  if (!rule.holds(entry->value.text)) {
    wrong(*entry, rule.expected, rule.shown);
    return;
  }
  to = entry->value.text;
}

void Section::boolean(std::string_view key, bool& to) {
  if (const Entry* entry = take(key, Kind::kBoolean, "true or false")) {
    to = entry->value.boolean;
  }
}

void Section::duration(std::string_view key, Milliseconds& to, DurationRange range) {
  const std::string expected = "a duration from \"" + format_duration(range.least) + "\" to \"" +
                               format_duration(range.most) +
                               "\": a whole number and ms, s, m, h or d";
  const Entry* entry = take(key, Kind::kText, expected);
  if (entry == nullptr) {
    return;
  }
  const auto duration = parse_duration(entry->value.text);
  if (!duration || *duration < range.least || *duration > range.most) {
    wrong(*entry, expected);
    return;
  }
  to = *duration;
}

std::optional<std::int64_t> Section::integer_within(std::string_view key, std::int64_t least,
                                                    std::int64_t most) {
  const std::string expected =
      "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  const Entry* entry = take(key, Kind::kInteger, expected);
  if (entry == nullptr) {
    return std::nullopt;
  }
  if (entry->value.integer < least || entry->value.integer > most) {
    wrong(*entry, expected);
    return std::nullopt;
  }
  return entry->value.integer;
}

std::optional<std::size_t> Section::index_of_choice(std::string_view key,
                                                    std::span<const std::string_view> words) {
  const Entry* entry = take(key, Kind::kText, listed(words));
  if (entry == nullptr) {
    return std::nullopt;
  }
  const std::string& word = entry->value.text;
  if (const auto found = std::find(words.begin(), words.end(), word); found != words.end()) {
    return static_cast<std::size_t>(found - words.begin());
  }
  const auto near = closest(word, words);
  wrong(*entry, listed(words) + (near ? "; did you mean \"" + std::string(*near) + "\"?" : ""));
  return std::nullopt;
}

std::vector<ListedText> Section::texts(std::string_view key, const TextRule& rule) {
  std::vector<ListedText> good;
  const Value* array = list(key);
  if (array == nullptr) {
    return good;
  }
  std::set<std::string_view> seen;
  for (const Value& item : array->items) {
    if (check_item(key, item, rule, seen)) {
      seen.insert(item.text);
      good.push_back({item.text, item.line});
    }
  }
  return good;
}

void Section::texts(std::string_view key, std::vector<std::string>& to, const TextRule& rule) {
  for (ListedText& item : texts(key, rule)) {
    to.push_back(std::move(item.text));
  }
}

std::vector<ListedText> Section::text_or_texts(std::string_view key, const TextRule& rule) {
  const Entry* entry = find(key);
  if (entry != nullptr && entry->value.kind == Kind::kArray) {
    return texts(key, rule);
  }
  std::string text;
  this->text(key, text, rule);
  return entry != nullptr && good({key})
             ? std::vector{ListedText{std::move(text), entry->value.line}}
             : std::vector<ListedText>{};
}

bool Section::check_item(std::string_view key, const Value& item, const TextRule& rule,
                         const std::set<std::string_view>& seen) {
  const std::string what = rule.shown == TextRule::kOpen ? toml_text(item) : "one value";
  const std::string where = what + " in '" + std::string(key) + "' of " + title_;
  if (item.kind != Kind::kText || !rule.holds(item.text)) {
    bad_.insert(key);
    problem(item.line, where + " is wrong; expected " + std::string(rule.expected));
    return false;
  }
  if (seen.contains(item.text)) {
    problem(item.line, where + " stands there twice; expected it once; remove one");
    return false;
  }
  return true;
}

const Value* Section::list(std::string_view key) {
  const Entry* entry = take(key, Kind::kArray, "a list such as [\"...\", \"...\"]");
  return entry == nullptr ? nullptr : &entry->value;
}

const Value* Section::table(std::string_view key) {
  const Entry* entry = take(key);
  if (entry == nullptr) {
    return nullptr;
  }
  if (entry->value.kind != Kind::kTable) {
    bad_.insert(key);
    problem(entry->line, "'" + std::string(key) + "' is no table; expected one [" +
                             std::string(key) + "] with its keys below it");
    return nullptr;
  }
  return &entry->value;
}

std::vector<const Value*> Section::tables(std::string_view key) {
  const Entry* entry = take(key);
  if (entry == nullptr) {
    return {};
  }
  std::vector<const Value*> found;
  for (const Value& item : entry->value.items) {
    if (item.kind == Kind::kTable) {
      found.push_back(&item);
    }
  }
  if (entry->value.kind != Kind::kArray || found.size() != entry->value.items.size()) {
    bad_.insert(key);
    problem(entry->line, "'" + std::string(key) + "' is no list of tables; expected [[" +
                             path_within(title_) + std::string(key) +
                             "]] with double brackets and its keys below it");
    return {};
  }
  return found;
}

bool Section::require(std::string_view key, std::string_view advice) {
  if (has(key)) {
    return true;
  }
  problem(line_, title_ + " has no '" + std::string(key) + "'; expected " + std::string(advice));
  return false;
}

bool Section::is_list(std::string_view key) const {
  const Entry* entry = find(key);
  return entry != nullptr && entry->value.kind == Kind::kArray;
}

unsigned Section::line(std::string_view key) const {
  const Entry* entry = find(key);
  return entry == nullptr ? line_ : entry->value.line;
}

std::string Section::shown(std::string_view key) const {
  const Entry* entry = find(key);
  return "'" + (entry == nullptr ? std::string(key) : toml_text(key, entry->value)) + "'";
}

bool Section::good(std::initializer_list<std::string_view> keys) const {
  return std::none_of(keys.begin(), keys.end(),
                      [this](std::string_view key) { return bad_.contains(key); });
}

void Section::finish() {
  if (table_ == nullptr) {
    return;
  }
  for (const Entry& entry : table_->entries) {
    if (!knows(entry.key)) {
      report_unknown(entry);
    }
  }
}

bool Section::knows(std::string_view key) const {
  return std::find(known_.begin(), known_.end(), key) != known_.end();
}

void Section::report_unknown(const Entry& entry) {
  std::string message = "unknown key '" + printable(entry.key) + "' in " + title_;
  const auto near = closest(entry.key, known_);
  const bool is_parents = parent_ != nullptr && parent_->knows(entry.key);
  if (is_parents) {
    message += "; it belongs to " + parent_->title_ + "; expected above the first " + title_ +
               "; move it there";
  }
  if (near) {
    message +=
        std::string(is_parents ? ", or " : "; ") + "did you mean '" + std::string(*near) + "'?";
  } else if (!is_parents) {
    message += "; expected one of: ";
    for (const std::string_view key : known_) {
      message += (key == known_.front() ? "" : ", ") + std::string(key);
    }
  }
  problem(entry.line, std::move(message));
}

const Entry* Section::find(std::string_view key) const {
  if (table_ == nullptr) {
    return nullptr;
  }
  const auto entry = std::lower_bound(table_->entries.begin(), table_->entries.end(), key,
                                      [](const Entry& e, std::string_view k) { return e.key < k; });
  return entry != table_->entries.end() && entry->key == key ? &*entry : nullptr;
}

const Entry* Section::take(std::string_view key) {
  known_.push_back(key);
  return find(key);
}

const Entry* Section::take(std::string_view key, Kind kind, std::string_view expected) {
  const Entry* entry = take(key);
  if (entry != nullptr && entry->value.kind != kind) {
    wrong(*entry, expected);
    return nullptr;
  }
  return entry;
}

void Section::wrong(const Entry& entry, std::string_view expected, TextRule::Shown shown) {
  bad_.insert(entry.key);
  const std::string what =
      shown == TextRule::kOpen ? toml_text(entry.key, entry.value) : printable(entry.key);
  problem(entry.value.line,
          "'" + what + "' in " + title_ + " is wrong; expected " + std::string(expected));
}

}  // namespace usher::config
