#include "keyd/file_store.h"

#include <utility>

#include "keyd/sealed_state.h"
#include "keyd/state_codec.h"
#include "proxy/base/check.h"
#include "proxy/base/log.h"

namespace usher::keyd {
namespace {

Result<std::optional<FleetState>> state_of(const StateFile::Content& content, const StoreKey& key,
                                           std::string_view fleet) {
  if (!content) {
    return std::optional<FleetState>();
  }
  const auto opened = open_sealed(key, {SealedKind::kState, fleet}, *content);
  if (!opened) {
    return fail(opened.error().message);
  }
  auto state = decode_state(opened->plain.bytes(), moment_now());
  if (!state) {
    return fail(state.error().message);
  }
  if (state->ring.version() != opened->version) {
    return fail("the ring in it is of another version than it says");
  }
  return std::optional<FleetState>(*std::move(state));
}

Result<std::optional<FleetState>> read_state(const Result<StateFile::Content>& content,
                                             const std::string& path, const StoreKey& key,
                                             std::string_view fleet) {
  if (!content) {
    return fail(content.error().message);
  }
  auto state = state_of(*content, key, fleet);
  return state ? std::move(state)
               : fail(path + ": " + state.error().message +
                      "; restore the right file or key, or move it away to begin a new fleet");
}

}  // namespace

Result<std::unique_ptr<Store>> FileStore::open(uv::Loop& loop, const std::string& path,
                                               StoreKey key, std::string fleet) {
  auto file = StateFile::open(path);
  if (!file) {
    return Unexpected(std::move(file).error());
  }
  auto state = read_state(file->read(), path, key, fleet);
  if (!state) {
    return Unexpected(std::move(state).error());
  }
  return std::unique_ptr<Store>(
      new FileStore(loop, *std::move(file), std::move(key), std::move(fleet), *std::move(state)));
}

Result<void> FileStore::check(const std::string& path, const StoreKey& key,
                              std::string_view fleet) {
  auto state = read_state(StateFile::inspect(path), path, key, fleet);
  return state ? Result<void>() : Unexpected(std::move(state).error());
}

FileStore::FileStore(uv::Loop& loop, StateFile file, StoreKey key, std::string fleet,
                     std::optional<FleetState> state)
    : file_(std::move(file)),
      key_(std::move(key)),
      fleet_(std::move(fleet)),
      initial_(std::move(state)),
      term_(initial_ ? initial_->ring.version().term + 1 : 1) {
  soon_.open<&FileStore::on_soon>(loop, *this);
}

void FileStore::start(Events events) {
  events_ = std::move(events);
  soon([this] { events_.on_leading(std::exchange(initial_, std::nullopt), term_); });
}

void FileStore::save(const FleetState& state, Done done) {
  Result<void> saved;
  const auto plain = encode_state(state, moment_now());
  if (plain) {
    const auto sealed =
        seal(key_, {SealedKind::kState, fleet_}, state.ring.version(), plain->bytes());
    saved = sealed ? file_.replace(*sealed) : fail(sealed.error().message);
  } else {
    saved = fail(plain.error().message);
  }
  if (!saved && last_save_worked_) {
    log::error("the fleet's state cannot be saved", {{"error", saved.error().message}});
  }
  last_save_worked_ = saved.has_value();
  soon([done = std::move(done), saved = std::move(saved)] { done(saved); });
}

void FileStore::report(const Report& /*nobody else leads*/, Done done) {
  soon([done = std::move(done)] { done({}); });
}

void FileStore::stop(std::function<void()> done) {
  soon(std::move(done));
}

void FileStore::soon(std::function<void()> work) {
  later_.push_back(std::move(work));
  soon_.start(std::chrono::milliseconds(0));
}

void FileStore::on_soon() {
  for (std::function<void()>& work : std::exchange(later_, {})) {
    work();
  }
}

}  // namespace usher::keyd
