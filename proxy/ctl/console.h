#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace usher::ctl {

// Where a command's outcome goes: text for people, JSON for programs (--json), one document.
// Thread: main.
class Console {
 public:
  using Write = std::function<void(std::string_view)>;
  Console(bool json, Write write) : json_(json), write_(std::move(write)) {}

  // One of the two; `text` is made only when it is wanted. JSON is ASCII: what came from elsewhere
  // reaches no terminal raw.
  void show(const nlohmann::json& value, const std::function<std::string()>& text) const {
    shown_ = true;
    write_(json_ ? value.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n"
                 : text());
  }
  // For programs: what went wrong, unless the document that was shown tells.
  void show_error(const std::string& why) const {
    if (json_ && !shown_) {
      show({{"error", why}}, {});
    }
  }

 private:
  bool json_;
  Write write_;
  mutable bool shown_ = false;
};

}  // namespace usher::ctl
