#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "proxy/base/bytes.h"
#include "tests/unit/keyd/support/stored.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::keyd::test {
namespace {

namespace fs = std::filesystem;

class FileStoreTest : public uv::LoopTest {
 protected:
  FileStoreTest() {
    std::string name = fs::temp_directory_path() / "usher-keyd-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    settings_.path = directory_ / "state";
  }
  ~FileStoreTest() override { fs::remove_all(directory_); }

  Result<std::unique_ptr<Store>> open(unsigned char key = 7, std::string fleet = "default") {
    return open_store(loop_, settings_, store_key(key), {std::move(fleet), "a"});
  }
  Result<void> check() { return check_store(settings_, store_key(), {"default", "a"}); }
  std::string refusal() {
    const auto opened = open();
    const auto checked = check();
    EXPECT_FALSE(opened);
    EXPECT_FALSE(checked);
    if (opened || checked) {
      return "";
    }
    EXPECT_EQ(opened.error().message, checked.error().message);
    return opened.error().message;
  }

  struct Leading {
    std::optional<FleetState> state;
    std::uint64_t term = 0;
  };
  // Starts it and runs until it leads.
  Leading lead(Store& store) {
    std::optional<Leading> leading;
    Store::Events events;
    events.on_leading = [&](std::optional<FleetState> state, std::uint64_t term) {
      leading = Leading{std::move(state), term};
      loop_.stop();
    };
    store.start(events);
    EXPECT_FALSE(leading) << "inside start()";
    run();
    return std::move(leading).value_or(Leading{});
  }
  Result<void> save(Store& store, const FleetState& state) {
    std::optional<Result<void>> saved;
    store.save(state, [&](Result<void> result) {
      saved = std::move(result);
      loop_.stop();
    });
    EXPECT_FALSE(saved) << "inside save()";
    run();
    return saved.value_or(fail("never told"));
  }
  // Opens, leads, saves `state` and closes again; the term.
  std::uint64_t live_once(const FleetState& state) {
    const auto store = open();
    EXPECT_TRUE(store) << store.error().message;
    const Leading leading = lead(**store);
    EXPECT_TRUE(save(**store, state));
    return leading.term;
  }

  fs::path directory_;
  StoreSettings settings_;
};

TEST_F(FileStoreTest, ANewFleetLeadsWithNothing) {
  ASSERT_TRUE(check());
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  const Leading leading = lead(**store);
  EXPECT_FALSE(leading.state);
  EXPECT_EQ(leading.term, 1U);
  EXPECT_TRUE((*store)->up());
}

TEST_F(FileStoreTest, WhatWasSavedIsThereAfterARestartUnderAHigherTerm) {
  const FleetState state = state_of({1, 1}, {"a", "b"});
  EXPECT_EQ(live_once(state), 1U);
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  const Leading leading = lead(**store);
  ASSERT_TRUE(leading.state);
  EXPECT_TRUE(same(*leading.state, state));
  EXPECT_EQ(leading.term, 2U);
}

TEST_F(FileStoreTest, TheTermRisesWithEachStartAndAboveARollback) {
  std::uint64_t term = 1;
  for (int start = 0; start < 4; ++start) {
    EXPECT_EQ(live_once(state_of({term, 1})), term);
    ++term;
  }
  live_once(state_of({900, 1}));  // the daemon heard of a higher pair
  EXPECT_EQ(live_once(state_of({901, 1})), 901U);
}

TEST_F(FileStoreTest, OnlyTheOwnerMayReadTheFileAndTheKeysAreSealed) {
  const FleetState state = state_of({1, 1}, {"some-node"});
  const mode_t before = ::umask(0);
  live_once(state);
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(settings_.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  std::ifstream file(settings_.path, std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(content.find("some-node"), std::string::npos);
  for (const auto& entry : state.ring.entries()) {
    EXPECT_EQ(content.find(text_of(entry.key->aes.bytes())), std::string::npos);
    EXPECT_EQ(content.find(text_of(entry.key->name)), std::string::npos);
  }
}

TEST_F(FileStoreTest, TwoKeydsCannotUseOneFile) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another usher-keyd"), std::string::npos);
  EXPECT_TRUE(check()) << "a running keyd is no reason against its configuration";
}

TEST_F(FileStoreTest, TheLockGoesWithItsHolder) {
  { ASSERT_TRUE(open()); }
  EXPECT_TRUE(open());
}

TEST_F(FileStoreTest, LeftOversOfAnInterruptedSaveAreRemoved) {
  const FleetState state = state_of({1, 1});
  live_once(state);
  std::ofstream(settings_.path + ".tmp") << "half a sta";
  EXPECT_TRUE(check());
  EXPECT_TRUE(fs::exists(settings_.path + ".tmp")) << "--check changes nothing";
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_FALSE(fs::exists(settings_.path + ".tmp"));
  EXPECT_TRUE(same(*lead(**store).state, state));
}

TEST_F(FileStoreTest, RightsForOthersAreRefused) {
  live_once(state_of({1, 1}));
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    ::chmod(settings_.path.c_str(), mode);
    EXPECT_NE(refusal().find("chmod 600"), std::string::npos) << std::oct << mode;
  }
  ::chmod(settings_.path.c_str(), 0600);
  EXPECT_TRUE(open());
}

TEST_F(FileStoreTest, AnotherOwnersFileIsRefused) {
  live_once(state_of({1, 1}));
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(settings_.path.c_str(), 12345, 0), 0);
  } else {
    settings_.path = "/etc/passwd";  // root's, as good as any
  }
  EXPECT_NE(refusal().find("belongs to uid"), std::string::npos);
}

TEST_F(FileStoreTest, ADirectoryInWhichOthersMayReplaceFilesIsRefused) {
  ::chmod(directory_.c_str(), 0770);
  EXPECT_NE(refusal().find("chmod go-w"), std::string::npos);
  ::chmod(directory_.c_str(), 01777);
  EXPECT_NE(refusal().find("chmod go-w"), std::string::npos);
}

TEST_F(FileStoreTest, WhatIsNoFileIsRefused) {
  fs::create_directory(settings_.path);
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
  fs::remove(settings_.path);
  ::mkfifo(settings_.path.c_str(), 0600);
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
  fs::remove(settings_.path);
  fs::create_symlink("elsewhere", settings_.path);
  EXPECT_NE(refusal().find("symbolic link"), std::string::npos);
  settings_.path = directory_ / "missing" / "state";
  EXPECT_NE(refusal().find("No such file or directory"), std::string::npos);
}

TEST_F(FileStoreTest, DamageIsRefusedAndTheFileKept) {
  live_once(state_of({1, 1}, {"a"}));
  const auto size = fs::file_size(settings_.path);
  for (const std::uintmax_t cut : {std::uintmax_t{0}, std::uintmax_t{10}, size / 2, size - 1}) {
    fs::resize_file(settings_.path, cut);
    EXPECT_NE(refusal().find("restore the right file"), std::string::npos) << cut;
    EXPECT_EQ(fs::file_size(settings_.path), cut);
  }
  std::ofstream(settings_.path, std::ios::binary) << std::string(3'000'000, 'x');
  EXPECT_NE(refusal().find("too large"), std::string::npos);
}

TEST_F(FileStoreTest, AnotherKeyOrFleetIsRefused) {
  live_once(state_of({1, 1}));
  const auto other_key = open(8);
  ASSERT_FALSE(other_key);
  EXPECT_NE(other_key.error().message.find("another key_file"), std::string::npos);
  EXPECT_FALSE(open(7, "other"));
  EXPECT_TRUE(open());
}

TEST_F(FileStoreTest, ASaveThatFailsIsToldAndTheOldStateStays) {
  const FleetState state = state_of({1, 1}, {"a"});
  live_once(state);
  auto store = open();
  ASSERT_TRUE(store);
  lead(**store);
  fs::create_directory(settings_.path + ".tmp");
  std::ofstream(settings_.path + ".tmp/in-the-way");
  EXPECT_FALSE(save(**store, following(state)));
  EXPECT_FALSE((*store)->up());
  fs::remove_all(settings_.path + ".tmp");
  {
    store->reset();
    store = open();
    ASSERT_TRUE(store);
    EXPECT_TRUE(same(*lead(**store).state, state));
  }
  EXPECT_TRUE(save(**store, following(state)));
  EXPECT_TRUE((*store)->up());
}

TEST_F(FileStoreTest, NobodyNeedsReportsAndStopIsTold) {
  const auto store = open();
  ASSERT_TRUE(store);
  lead(**store);
  bool reported = false;
  bool stopped = false;
  (*store)->report({member("a"), false}, [&](const Result<void>& done) { reported = bool{done}; });
  (*store)->stop([&] { stopped = true; });
  EXPECT_FALSE(reported || stopped);
  turn();
  EXPECT_TRUE(reported && stopped);
}

}  // namespace
}  // namespace usher::keyd::test
