#include "proxy/server/key_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>

#include "proxy/keyring/ring_changes.h"
#include "proxy/uv/loop.h"
#include "tests/support/test_ca.h"
#include "tests/unit/server/support/run_until.h"

namespace usher::server {
namespace {

using keyring::KeyState;
using std::chrono::milliseconds;
using Paths = std::vector<std::string>;

// An nginx file of 80 bytes; another seed, another key.
std::string nginx_key(char seed) {
  return std::string(16, seed) + std::string(32, static_cast<char>(seed + 1)) +
         std::string(32, static_cast<char>(seed + 2));
}

keyring::KeyName name_of(char seed) {
  keyring::KeyName name;
  name.fill(static_cast<std::byte>(seed));
  return name;
}

constexpr char kA = '\x90';  // no text
constexpr char kB = '\xa0';
constexpr char kC = '\xb0';

class KeyFilesTest : public testing::Test {
 protected:
  ~KeyFilesTest() override {
    files_.close();
    rings_.close();
    mailbox_.close();
  }
  std::shared_ptr<const keyring::KeyRing> ring() const { return rings_.rings().latest(); }
  std::string write(const std::string& name, const std::string& content) {
    return directory_.write(name, content);
  }
  // As an operator's script does: the file is whole at every instant.
  void replace(const std::string& name, const std::string& content) {
    const std::string fresh = write(name + ".new", content);
    ASSERT_EQ(std::rename(fresh.c_str(), (directory_.path() + "/" + name).c_str()), 0);
  }
  void begin(const Paths& paths, keyring::AgePolicy policy = {}) {
    auto read = read_key_files(paths);
    ASSERT_TRUE(read) << read.error().message;
    const auto configured = files_.configure(paths, policy, *read);
    ASSERT_TRUE(configured) << configured.error().message;
  }
  bool await_current(char seed) {
    return test::run_until(loop_, [&] {
      const auto* current = keyring::find_key(*ring(), KeyState::kCurrent);
      return current != nullptr && current->key->name == name_of(seed);
    });
  }
  void let_it_look() { test::run_for(loop_, milliseconds(40)); }

  ::usher::test::TemporaryDirectory directory_;
  uv::Loop loop_;
  uv::Mailbox mailbox_{loop_};
  RingInForce rings_{loop_, mailbox_, [](RingInForce::Publication) {}};
  KeyFiles files_{loop_, rings_, milliseconds(5)};
};

TEST_F(KeyFilesTest, TheFirstFileSealsAndTheOthersOpen) {
  begin({write("a", nginx_key(kA)), write("b", nginx_key(kB))});
  EXPECT_EQ(ring()->sealing_key(BootClock::now())->name, name_of(kA));
  EXPECT_EQ(ring()->opening_key(name_of(kB), BootClock::now())->state, KeyState::kPrevious);
  EXPECT_EQ(ring()->version(), (keyring::KeyRing::Version{1, 1}));
}

TEST_F(KeyFilesTest, AFileThatIsReplacedIsTakenAndTheVersionGrows) {
  begin({write("a", nginx_key(kA))});
  replace("a", nginx_key(kB));
  ASSERT_TRUE(await_current(kB));
  EXPECT_EQ(ring()->version(), (keyring::KeyRing::Version{1, 2}));
  EXPECT_FALSE(ring()->opening_key(name_of(kA), BootClock::now()));
}

TEST_F(KeyFilesTest, AFileThatIsWrittenInPlaceIsTaken) {
  begin({write("a", nginx_key(kA))});
  (void)write("a", nginx_key(kB));
  EXPECT_TRUE(await_current(kB));
}

TEST_F(KeyFilesTest, AnOldTimeDoesNotHideAChange) {
  const std::string path = write("a", nginx_key(kA));
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  begin({path});
  (void)write("a", nginx_key(kB));
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_TRUE(await_current(kB));
}

TEST_F(KeyFilesTest, ABadFileKeepsTheOldKeysUntilItIsMended) {
  begin({write("a", nginx_key(kA))});
  for (const std::string& bad :
       {nginx_key(kB).substr(0, 79), std::string(), std::string(80, '\0'), std::string("none\n")}) {
    replace("a", bad);
    let_it_look();
    EXPECT_EQ(ring()->sealing_key(BootClock::now())->name, name_of(kA)) << bad.size();
  }
  EXPECT_EQ(ring()->version(), (keyring::KeyRing::Version{1, 1}));
  replace("a", nginx_key(kC));
  EXPECT_TRUE(await_current(kC));
}

TEST_F(KeyFilesTest, AFileThatIsGoneKeepsTheOldKeys) {
  const std::string path = write("a", nginx_key(kA));
  begin({path});
  ASSERT_EQ(std::remove(path.c_str()), 0);
  let_it_look();
  EXPECT_EQ(ring()->sealing_key(BootClock::now())->name, name_of(kA));
  (void)write("a", nginx_key(kB));
  EXPECT_TRUE(await_current(kB));
}

TEST_F(KeyFilesTest, TheSameKeysAgainAreNoNewRing) {
  const std::string path = write("a", nginx_key(kA));
  begin({path});
  replace("a", nginx_key(kA));
  let_it_look();
  begin({path});
  EXPECT_EQ(ring()->version(), (keyring::KeyRing::Version{1, 1}));
}

TEST_F(KeyFilesTest, AReloadTakesOtherFilesAndOtherLimits) {
  const std::string a = write("a", nginx_key(kA));
  begin({a});
  begin({write("b", nginx_key(kB)), a});
  EXPECT_EQ(ring()->sealing_key(BootClock::now())->name, name_of(kB));
  begin({a}, {std::chrono::hours(1), std::chrono::hours(7)});
  EXPECT_EQ(ring()->policy().seal_max_age, std::chrono::hours(1));
  EXPECT_EQ(ring()->version(), (keyring::KeyRing::Version{1, 3}));
}

TEST_F(KeyFilesTest, AKeyIsAsOldAsItsFile) {
  const std::string path = write("a", nginx_key(kA));
  const time_t old = std::time(nullptr) - 7200;
  const timespec times[] = {{old, 0}, {old, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  begin({path});
  const auto age = BootClock::now() - ring()->entries().front().key->created;
  EXPECT_GT(age, std::chrono::minutes(119));
  EXPECT_LT(age, std::chrono::minutes(121));
  EXPECT_NE(ring()->sealing_key(BootClock::now()), nullptr);  // no limit, as nginx has none
  begin({path}, {std::chrono::hours(1), std::chrono::hours(7)});
  EXPECT_EQ(ring()->sealing_key(BootClock::now()), nullptr);
}

TEST_F(KeyFilesTest, AfterAnotherSourceTheFilesCountAgain) {
  const std::string path = write("a", nginx_key(kA));
  begin({path});
  files_.stop();
  rings_.carry_over(std::chrono::hours(1));
  begin({path});
  EXPECT_EQ(ring()->sealing_key(BootClock::now())->name, name_of(kA));
}

TEST_F(KeyFilesTest, ErrorsNameTheFile) {
  const std::string missing = directory_.path() + "/missing";
  const auto gone = read_key_files({missing});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().message.find(missing + ": cannot be opened"), 0U) << gone.error().message;
  EXPECT_FALSE(read_key_files({directory_.path()}));
  const std::string fifo = directory_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(read_key_files({fifo}));
  ASSERT_EQ(std::remove(fifo.c_str()), 0);
  EXPECT_FALSE(read_key_files({write("large", std::string(65537, 'x'))}));
  const std::string empty = write("empty", "");
  const auto nothing = read_key_files({empty, write("a", nginx_key(kA))});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().message.find(empty + ": is empty"), 0U) << nothing.error().message;
}

TEST_F(KeyFilesTest, FilesOfTwoFormatsAreNotMixed) {
  const std::string line = "QUFBQUFBQUFBQUFBQUFBQUJCQkJCQkJCQkJCQkJCQkJDQ0NDQ0NDQ0NDQ0NDQ0ND\n";
  const std::string haproxy = write("h", line + line + line);
  const auto read = read_key_files({write("a", nginx_key(kA)), haproxy});
  ASSERT_TRUE(read);
  const auto ring = ring_of(*read, 1, {});
  ASSERT_FALSE(ring);
  EXPECT_EQ(ring.error().message.find(haproxy + ": is of another format"), 0U)
      << ring.error().message;
}

}  // namespace
}  // namespace usher::server
