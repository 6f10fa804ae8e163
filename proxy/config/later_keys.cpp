#include "proxy/base/units.h"
#include "proxy/config/section.h"
#include "proxy/config/toml_text.h"

// Keys that CONTRACT names and this build cannot do yet: their default is fine, a wrong type is
// told as for any key, everything else is refused so that no key is accepted without effect.
namespace usher::config {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang 14 does not deduce aggregates by itself

bool is_list_of_texts(const Value& value) {
  for (const Value& item : value.items) {
    if (item.kind != Kind::kText) {
      return false;
    }
  }
  return value.kind == Kind::kArray;
}

struct Judgement {
  bool is_right_type;
  bool is_default;
  std::string_view expected;
};

Judgement judge(const LaterKey& later, const Value& value) {
  return std::visit(
      Overloaded{
          [&](std::string_view usual) {
            return Judgement{value.kind == Kind::kText, value.text == usual, "text in quotes"};
          },
          [&](std::int64_t usual) {
            return Judgement{value.kind == Kind::kInteger, value.integer == usual,
                             "a whole number"};
          },
          [&](bool usual) {
            return Judgement{value.kind == Kind::kBoolean, value.boolean == usual, "true or false"};
          },
          [&](Milliseconds usual) {
            const auto duration = parse_duration(value.text);
            return Judgement{value.kind == Kind::kText && duration, duration == usual,
                             "a duration such as \"10s\": a whole number and ms, s, m, h or d"};
          },
          [&](NoTexts) {
            return Judgement{is_list_of_texts(value), value.items.empty(),
                             "a list of texts such as [\"...\", \"...\"]"};
          },
          [&](NoTextOrTexts) {
            return Judgement{value.kind == Kind::kText || is_list_of_texts(value),
                             value.text.empty() && value.items.empty(),
                             "text in quotes or a list of texts"};
          },
      },
      later.usual);
}

}  // namespace

void Section::later(std::initializer_list<LaterKey> keys) {
  for (const LaterKey& key : keys) {
    check_later(key);
  }
}

void Section::check_later(const LaterKey& later) {
  const Entry* entry = take(later.key);
  if (entry == nullptr) {
    return;
  }
  const Judgement judgement = judge(later, entry->value);
  if (!judgement.is_right_type) {
    wrong(*entry, judgement.expected);
  } else if (!judgement.is_default) {
    needs_later_version(*entry);
  }
}

void Section::later_tables(std::string_view key) {
  const std::string shown = title_.substr(0, title_.find(']')) + "." + std::string(key) + "]]";
  for (const Value* table : tables(key)) {
    problem(table->line, "'" + shown + "' needs a later version");
  }
}

}  // namespace usher::config
