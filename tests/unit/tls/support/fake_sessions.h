#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proxy/tls/session_cache.h"
#include "tests/unit/tls/support/ticket_forge.h"

namespace usher::tls::test {

// A session cache that answers as a test says, at once or later, and tells what it was asked for.
class FakeSessions final : public SessionCache {
 public:
  struct Kept {
    std::string der;
    Domain domain;
    Use use;
    std::chrono::seconds lifetime;
  };

  bool makes_ids = true;
  bool answers_later = false;
  std::map<std::string, Kept> kept;
  std::vector<std::pair<std::string, Use>> asked;  // the ids looked up
  std::vector<std::string> removed;
  int cancelled = 0;

  bool waits() const { return asker_ != nullptr; }
  // Ends the look-up under way as the cache would, or with another result than a hit.
  void answer() { answer_as(find(waiting_for_, waiting_use_, *asker_)); }
  void answer_as(Result result) { std::exchange(asker_, nullptr)->on_lookup_done(result); }

  // The one session that is kept, changed.
  template <class Change>
  void change_kept(Change change) {
    CHECK(kept.size() == 1);
    Kept& only = kept.begin()->second;
    const SslSessionPtr session = session_from(only.der);
    change(session.get());
    only.der = der_of(session.get());
  }

  bool make_id(std::span<std::byte, kSessionIdSize> id) override {
    if (!makes_ids) {
      return false;
    }
    std::string made = kMark + std::to_string(++made_);
    made.resize(kSessionIdSize, '.');
    std::ranges::copy(bytes_of(made), id.begin());
    return true;
  }

  std::optional<Result> look_up(ByteView id, const Domain&, Use use, Asker& asker,
                                std::unique_ptr<Pending>& pending) override {
    const std::string text(text_of(id));
    if (!text.starts_with(kMark)) {
      return Result::kForeign;
    }
    asked.emplace_back(text, use);
    if (!answers_later) {
      return find(text, use, asker);
    }
    waiting_for_ = text;
    waiting_use_ = use;
    asker_ = &asker;
    pending = std::make_unique<Waiting>(*this);
    return std::nullopt;
  }

  void store(ByteView id, const Domain& domain, Use use, ByteView der,
             std::chrono::seconds lifetime) override {
    kept[std::string(text_of(id))] = {std::string(text_of(der)), domain, use, lifetime};
  }
  void remove(ByteView id, Use) override {
    removed.emplace_back(text_of(id));
    kept.erase(removed.back());
  }

 private:
  struct Waiting final : Pending {
    explicit Waiting(FakeSessions& own_cache) : cache(own_cache) {}
    ~Waiting() override {
      if (std::exchange(cache.asker_, nullptr) != nullptr) {
        ++cache.cancelled;
      }
    }
    FakeSessions& cache;
  };

  Result find(const std::string& id, Use use, Asker& asker) {
    const auto found = kept.find(id);
    if (found == kept.end()) {
      return Result::kMiss;
    }
    const bool taken = asker.take_session(bytes_of(found->second.der)).has_value();
    if (use == Use::kOnce) {
      kept.erase(found);
    }
    return taken ? Result::kHit : Result::kMiss;
  }

  static inline const std::string kMark = "ours ";
  int made_ = 0;
  std::string waiting_for_;
  Use waiting_use_ = Use::kShared;
  Asker* asker_ = nullptr;
};

}  // namespace usher::tls::test
