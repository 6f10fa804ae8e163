#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "proxy/base/check.h"

namespace usher {

// What went wrong, for a person: where (file:line or name), what was expected, what to do.
// Used at start-up, reload and in tools; the data path has small outcome enums instead.
struct Error {
  std::string message;

  // "context: message", for callers that know where but not what.
  Error within(std::string_view context) && { return Error{std::string(context) + ": " + message}; }
};

// Makes `return Unexpected(Error{…})` read as with std::expected, which C++23 puts in this place.
template <class E>
class Unexpected {
 public:
  explicit Unexpected(E error) : error_(std::move(error)) {}
  E& error() & { return error_; }
  E&& error() && { return std::move(error_); }

 private:
  E error_;
};

inline Unexpected<Error> fail(std::string message) {
  return Unexpected<Error>(Error{std::move(message)});
}

// A value or the reason there is none; the names are those of std::expected, which GCC 12 lacks.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Unexpected<E> error) : state_(std::in_place_index<1>, std::move(error).error()) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &value(); }

  E& error() & {
    CHECK(!has_value());
    return std::get<1>(state_);
  }
  const E& error() const& { return const_cast<Result*>(this)->error(); }
  E&& error() && { return std::move(error()); }

 private:
  T& checked() {
    CHECK(has_value());
    return std::get<0>(state_);
  }

  std::variant<T, E> state_;
};

// Success carries nothing.
template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(Unexpected<E> error) : error_(std::move(error).error()), failed_(true) {}

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  E& error() & {
    CHECK(failed_);
    return error_;
  }
  const E& error() const& {
    CHECK(failed_);
    return error_;
  }
  E&& error() && {
    CHECK(failed_);
    return std::move(error_);
  }

 private:
  E error_{};
  bool failed_ = false;
};

}  // namespace usher
