#include "proxy/admin/control_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>

#include "tests/unit/admin/test_server.h"

namespace usher::admin {
namespace {

namespace fs = std::filesystem;

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

bool exists(const std::string& path) {
  return fs::exists(fs::symlink_status(path));
}

std::string error_of(const std::string& path, uid_t owner = ::geteuid()) {
  const auto socket = ControlSocket::listen(path, owner);
  return socket ? "" : socket.error().message;
}

void expect_error(const std::string& path, const std::string& what) {
  const std::string error = error_of(path);
  EXPECT_NE(error.find(what), std::string::npos) << error;
  EXPECT_NE(error.find(path), std::string::npos) << error;
}

// A socket file whose process has gone.
void leave_dead_socket(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

TEST(ControlSocket, ListensWithItsMode) {
  const TestDirectory directory;
  const std::string path = directory / "usher.sock";
  const mode_t before = ::umask(0077);
  auto socket = ControlSocket::listen(path);
  ::umask(before);
  ASSERT_TRUE(socket) << socket.error().message;
  EXPECT_EQ(status_of(path).st_mode, mode_t{S_IFSOCK | 0666});
  EXPECT_TRUE(TestClient(path).connected());
  const UniqueFd fd = socket->take_fd();
  EXPECT_NE(::fcntl(fd.value(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(fd.value(), F_GETFL) & O_NONBLOCK, 0);
  // Nothing but the socket is left behind.
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 1);
}

TEST(ControlSocket, MakesAMissingDirectoryWhateverTheUmask) {
  const TestDirectory directory;
  const mode_t before = ::umask(0077);
  const auto socket = ControlSocket::listen(directory / "run/usher.sock");
  ::umask(before);
  ASSERT_TRUE(socket) << socket.error().message;
  EXPECT_EQ(status_of(directory / "run").st_mode, mode_t{S_IFDIR | 0755});
  EXPECT_TRUE(exists(directory / "run/usher.sock"));
}

TEST(ControlSocket, DoesNotMakeParents) {
  const TestDirectory directory;
  expect_error(directory / "no/such/usher.sock", "cannot create the directory");
}

TEST(ControlSocket, RemovesItsFileAndOnlyItsOwn) {
  const TestDirectory directory;
  const std::string path = directory / "usher.sock";
  { const auto socket = ControlSocket::listen(path); }
  EXPECT_FALSE(exists(path));
  {
    const auto socket = ControlSocket::listen(path);
    fs::rename(path, path + ".moved");  // keeps the inode number in use
    leave_dead_socket(path);
  }
  EXPECT_TRUE(exists(path));
}

TEST(ControlSocket, MovingKeepsOneOwner) {
  const TestDirectory directory;
  const std::string path = directory / "usher.sock";
  auto first = ControlSocket::listen(path);
  ASSERT_TRUE(first);
  {
    ControlSocket second = *std::move(first);
    EXPECT_TRUE(TestClient(path).connected());
  }
  EXPECT_FALSE(exists(path));
}

TEST(ControlSocket, ReplacesADeadSocket) {
  const TestDirectory directory;
  const std::string path = directory / "usher.sock";
  leave_dead_socket(path);
  const auto socket = ControlSocket::listen(path);
  ASSERT_TRUE(socket) << socket.error().message;
  EXPECT_TRUE(TestClient(path).connected());
}

TEST(ControlSocket, NeverUnlinksALiveSocket) {
  const TestDirectory directory;
  const std::string path = directory / "usher.sock";
  const auto live = ControlSocket::listen(path);
  ASSERT_TRUE(live);
  expect_error(path, "another process is listening");
  EXPECT_TRUE(TestClient(path).connected());
}

TEST(ControlSocket, AFullQueueIsAlive) {
  const TestDirectory directory;
  const std::string path = directory / "usher.sock";
  auto live = ControlSocket::listen(path);
  ASSERT_TRUE(live);
  const UniqueFd fd = live->take_fd();
  ASSERT_EQ(::listen(fd.value(), 0), 0);
  const TestClient fills_the_queue(path);
  expect_error(path, "another process is listening");
  EXPECT_TRUE(exists(path));
}

TEST(ControlSocket, FilesThatAreNoSocketsStay) {
  const TestDirectory directory;
  const std::string path = directory / "usher.sock";
  std::ofstream(path) << "precious";
  expect_error(path, "not a socket");
  EXPECT_TRUE(exists(path));
  // A symbolic link, even to a dead socket, is not followed.
  leave_dead_socket(directory / "target");
  fs::create_symlink(directory / "target", directory / "link.sock");
  expect_error(directory / "link.sock", "not a socket");
  EXPECT_TRUE(exists(directory / "target"));
}

TEST(ControlSocket, PathsMustFit) {
  const TestDirectory directory;
  const std::string longest = directory / std::string(107 - (directory / "").size(), 's');
  ASSERT_EQ(longest.size(), 107u);
  EXPECT_EQ(error_of(longest), "");
  expect_error(longest + "s", "108 bytes");
  EXPECT_NE(error_of(directory / ""), "");
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of(std::string("a\0b", 3)), "");
}

TEST(ControlSocket, DirectoryOthersCanWriteIsRefused) {
  const TestDirectory directory;
  for (const mode_t mode : {0777, 01777, 0775, 0772}) {
    ASSERT_EQ(::chmod(directory.path().c_str(), mode), 0);
    expect_error(directory / "usher.sock", "can be written by others");
  }
  EXPECT_FALSE(exists(directory / "usher.sock"));
}

TEST(ControlSocket, DirectoryThatIsAFileIsRefused) {
  const TestDirectory directory;
  std::ofstream(directory / "file") << "x";
  expect_error(directory / "file/usher.sock", "cannot open the directory");
}

TEST(ControlSocket, WhoeverStartsAtTheSameMomentWaitsForNobody) {
  const TestDirectory directory;
  const std::string lock = directory / ".usher.sock.lock";
  {
    const UniqueFd held(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::flock(held.value(), LOCK_EX), 0);
    expect_error(directory / "usher.sock", "another process is starting");
  }
  // A lock file left by a crash is no obstacle.
  EXPECT_EQ(error_of(directory / "usher.sock"), "");
  EXPECT_FALSE(exists(lock));
}

// Many start on one dead socket at once: exactly one gets it, and it stays reachable.
TEST(ControlSocket, OneOfManyStartersWins) {
  for (int round = 0; round < 20; ++round) {
    const TestDirectory directory;
    const std::string path = directory / "usher.sock";
    leave_dead_socket(path);
    std::atomic<int> winners = 0;
    std::atomic<int> done = 0;
    constexpr int kStarters = 8;
    std::vector<std::thread> starters;
    for (int i = 0; i < kStarters; ++i) {
      starters.emplace_back([&] {
        const auto socket = ControlSocket::listen(path);
        winners += socket.has_value() ? 1 : 0;
        ++done;
        while (done < kStarters) {  // the winner stays while the others still try
          std::this_thread::yield();
        }
        EXPECT_TRUE(!socket || TestClient(path).connected());
      });
    }
    for (std::thread& starter : starters) {
      starter.join();
    }
    EXPECT_EQ(winners, 1);
  }
}

// ---- other users: needs root to become them ----

constexpr uid_t kStranger = 54321;
constexpr gid_t kStrangersGroup = 54322;
constexpr gid_t kReaders = 54323;

class ControlSocketAsRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "only root can act as other users; CI runs this as root";
    }
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  }

  // Exit status of `work` done in a child with these credentials.
  static int as_user(uid_t uid, gid_t gid, const std::vector<gid_t>& groups,
                     const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setgroups(groups.size(), groups.data()) != 0 || ::setresgid(gid, gid, gid) != 0 ||
          ::setresuid(uid, uid, uid) != 0) {
        ::_exit(99);
      }
      ::_exit(work());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // What peer_access says of somebody with these credentials.
  Access access_of(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
    const std::string path = directory_ / "usher.sock";
    auto socket = ControlSocket::listen(path);
    EXPECT_TRUE(socket);
    const UniqueFd listening = socket->take_fd();
    EXPECT_EQ(as_user(uid, gid, groups, [&] { return TestClient(path).connected() ? 0 : 1; }), 0);
    const UniqueFd peer(::accept(listening.value(), nullptr, nullptr));
    return peer_access(peer.value(), {kReaders});
  }

  TestDirectory directory_;
};

TEST_F(ControlSocketAsRoot, PeersAreJudgedByTheirCredentials) {
  EXPECT_EQ(access_of(0, kStrangersGroup, {}), Access::kChange);
  EXPECT_EQ(access_of(kStranger, kStrangersGroup, {}), Access::kNone);
  EXPECT_EQ(access_of(kStranger, kReaders, {}), Access::kRead);
  EXPECT_EQ(access_of(kStranger, kStrangersGroup, {kReaders}), Access::kRead);
  EXPECT_EQ(access_of(kStranger, 0, {0}), Access::kNone);  // root's group is not root
  std::vector<gid_t> many(300);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i] = static_cast<gid_t>(60'000 + i);
  }
  EXPECT_EQ(access_of(kStranger, kStrangersGroup, many), Access::kNone);
  many.back() = kReaders;
  EXPECT_EQ(access_of(kStranger, kStrangersGroup, many), Access::kRead);
}

TEST_F(ControlSocketAsRoot, OwnUserMayChange) {
  ASSERT_EQ(::chown(directory_.path().c_str(), kStranger, kStrangersGroup), 0);
  const auto work = [&] {
    auto socket = ControlSocket::listen(directory_ / "usher.sock");
    if (!socket) {
      return 1;
    }
    const UniqueFd listening = socket->take_fd();
    const TestClient client(directory_ / "usher.sock");
    const UniqueFd peer(::accept(listening.value(), nullptr, nullptr));
    return peer_access(peer.value(), {}) == Access::kChange ? 0 : 2;
  };
  EXPECT_EQ(as_user(kStranger, kStrangersGroup, {}, work), 0);
}

TEST_F(ControlSocketAsRoot, DirectoryOfAStrangerIsRefused) {
  ASSERT_EQ(::chown(directory_.path().c_str(), kStranger, kStrangersGroup), 0);
  expect_error(directory_ / "usher.sock", "belongs to uid 54321");
  // Unless it is the user that the process will run as.
  EXPECT_EQ(error_of(directory_ / "usher.sock", kStranger), "");
}

TEST_F(ControlSocketAsRoot, MissingDirectoryIsMadeForTheOwnerWhoCanThenCleanUp) {
  const std::string path = directory_ / "run/usher.sock";
  auto socket = ControlSocket::listen(path, kStranger);
  ASSERT_TRUE(socket) << socket.error().message;
  EXPECT_EQ(status_of(directory_ / "run").st_uid, kStranger);
  EXPECT_EQ(status_of(directory_ / "run").st_mode, mode_t{S_IFDIR | 0755});
  const auto end = [&] {
    { const ControlSocket dropped = *std::move(socket); }
    return exists(path) ? 1 : 0;
  };
  EXPECT_EQ(as_user(kStranger, kStrangersGroup, {}, end), 0);
}

TEST_F(ControlSocketAsRoot, OthersCannotTakeTheDirectory) {
  const auto socket = ControlSocket::listen(directory_ / "usher.sock");
  ASSERT_TRUE(socket);
  const auto attack = [&] {
    const std::string path = directory_ / "usher.sock";
    const bool harmed =
        ::unlink(path.c_str()) == 0 || ::rename(path.c_str(), (path + "2").c_str()) == 0 ||
        ::open((directory_ / ".usher.sock.lock").c_str(), O_CREAT | O_RDWR, 0600) >= 0;
    return harmed ? 1 : 0;
  };
  EXPECT_EQ(as_user(kStranger, kStrangersGroup, {}, attack), 0);
}

TEST(PeerAccess, NoPeerNoAccess) {
  const UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(peer_access(fd.value(), {0}), Access::kNone);
  EXPECT_EQ(peer_access(-1, {0}), Access::kNone);
}

TEST(GroupIds, NamesAreLookedUp) {
  const auto ids = group_ids({"root", "daemon"});
  ASSERT_TRUE(ids);
  EXPECT_EQ(*ids, (std::vector<gid_t>{0, 1}));
  const auto unknown = group_ids({"root", "no-such-group"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "group \"no-such-group\": there is no such group");
}

}  // namespace
}  // namespace usher::admin
