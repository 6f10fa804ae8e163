#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "keyd/state_codec.h"
#include "proxy/base/check.h"
#include "tests/unit/keyd/support/stored.h"
#include "tests/unit/uv/support/loop_test.h"

// kill -9 at any instant of a save leaves the old state or the new one, never neither, and a keyd
// that starts again. Here: before and after each system call that a saving process makes.
namespace usher::keyd::test {
namespace {

namespace fs = std::filesystem;

class KilledSave : public ::testing::Test {
 protected:
  KilledSave() {
    std::string name = fs::temp_directory_path() / "usher-keyd-XXXXXX";
    CHECK(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    settings_.path = directory_ / "state";
  }
  ~KilledSave() override { fs::remove_all(directory_); }

  // Opens the store, leads, tells `before_save`, saves. What it found at first.
  std::optional<FleetState> live(const FleetState* save, const std::function<void()>& before_save) {
    uv::Loop loop;
    auto store = open_store(loop, settings_, store_key(), {"default", "a"});
    CHECK(store);
    std::optional<FleetState> found;
    Store::Events events;
    events.on_leading = [&](std::optional<FleetState> state, std::uint64_t) {
      found = std::move(state);
      if (save == nullptr) {
        loop.stop();
        return;
      }
      before_save();
      (*store)->save(*save, [&](const Result<void>& saved) {
        CHECK(saved);
        loop.stop();
      });
    };
    (*store)->start(events);
    loop.run();
    return found;
  }
  void save(const FleetState& state) {
    live(&state, [] {});
  }
  FleetState load() {
    auto found = live(nullptr, [] {});
    CHECK(found);
    return *std::move(found);
  }

  // A child that stops itself right before it saves, traced. Secrets are wiped by a fork, so the
  // state comes over as text.
  pid_t saving_child(const FleetState& state) {
    const auto secret = encode_state(state, moment_now());
    const std::vector<std::byte> plain(secret->bytes().begin(), secret->bytes().end());
    const pid_t pid = ::fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      const auto again = decode_state(plain, moment_now());
      CHECK(again);
      live(&*again, [] { ::raise(SIGSTOP); });
      ::_exit(0);
    }
    int status = 0;
    CHECK(::waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK(::ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) ==
          0);
    return pid;
  }

  // Lets it come to the next entry or exit of a system call; false: it has ended.
  static bool next_boundary(pid_t pid) {
    CHECK(::ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr) == 0);
    int status = 0;
    CHECK(::waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status)) {
      CHECK(WEXITSTATUS(status) == 0);
      return false;
    }
    CHECK(WIFSTOPPED(status));
    return true;
  }

  static void kill(pid_t pid) {
    ::kill(pid, SIGKILL);
    CHECK(::waitpid(pid, nullptr, 0) == pid);
  }

  fs::path directory_;
  StoreSettings settings_;
};

TEST_F(KilledSave, LeavesTheOldOrTheNewStateAtEveryBoundary) {
  const FleetState old_state = state_of({1, 1}, {"old"});
  const FleetState new_state = following(state_of({1, 1}, {"new", "other"}));
  std::map<bool, int> found_new;
  for (int boundary = 0;; ++boundary) {
    save(old_state);
    const pid_t pid = saving_child(new_state);
    int passed = 0;
    while (passed < boundary && next_boundary(pid)) {
      ++passed;
    }
    if (passed < boundary) {  // it ended by itself before
      break;
    }
    kill(pid);
    const FleetState found = load();
    const bool is_new = same(found, new_state);
    ASSERT_TRUE(is_new || same(found, old_state)) << "boundary " << boundary;
    ASSERT_FALSE(is_new && found_new[false] == 0) << "new before anything was written";
    ++found_new[is_new];
    EXPECT_FALSE(fs::exists(settings_.path + ".tmp")) << "boundary " << boundary;
    save(new_state);  // a keyd that starts again can save
  }
  // A save is at least: open, write, fsync, close, rename, fsync, each with its two boundaries.
  EXPECT_GE(found_new[false], 8);
  EXPECT_GE(found_new[true], 3);
}

// Against a power cut no killed process helps: the order of the calls must be right.
TEST_F(KilledSave, TheContentIsDurableBeforeTheNameAndTheNameBeforeTheAnswer) {
  const pid_t pid = saving_child(state_of({1, 1}));
  std::string order;
  while (next_boundary(pid)) {
    __ptrace_syscall_info info{};
    CHECK(::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) {
      continue;
    }
    switch (info.entry.nr) {
      case SYS_write:
        order += 'w';
        break;
      case SYS_fsync:
        order += 'f';
        break;
#ifdef SYS_rename
      case SYS_rename:
#endif
      case SYS_renameat:
      case SYS_renameat2:
        order += 'r';
        break;
      default:
        break;
    }
  }
  EXPECT_NE(order.find("wfrf"), std::string::npos) << order;
  EXPECT_EQ(std::ranges::count(order, 'r'), 1);
}

}  // namespace
}  // namespace usher::keyd::test
