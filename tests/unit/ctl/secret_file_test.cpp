#include "proxy/ctl/secret_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tests/unit/ctl/support/test_directory.h"

namespace usher::ctl {
namespace {

using test::content_of;
using test::write_file;

class SecretFile : public testing::Test {
 protected:
  static mode_t mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  static void expect_refused(const Result<void>& done, const char* why) {
    ASSERT_FALSE(done) << why;
    EXPECT_NE(done.error().message.find(why), std::string::npos) << done.error().message;
  }

  const test::TestDirectory directory_;
  const std::string path_ = directory_ / "keys";
};

TEST_F(SecretFile, IsTheOwnersOnly) {
  const mode_t before = ::umask(0);
  const auto written = write_secret_file(path_, bytes_of("secret"), false);
  ::umask(before);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(content_of(path_), "secret");
  EXPECT_EQ(mode_of(path_), 0600u);
  EXPECT_EQ(directory_.files(), 1u);  // nothing is left beside it
}

TEST_F(SecretFile, AnExistingFileIsLeftAlone) {
  write_file(path_, "precious");
  expect_refused(check_target(path_, false), "it exists already; --replace replaces it");
  expect_refused(write_secret_file(path_, bytes_of("secret"), false), "it exists already");
  EXPECT_EQ(content_of(path_), "precious");
  EXPECT_EQ(directory_.files(), 1u);
}

TEST_F(SecretFile, ALinkCountsAsAFile) {
  ASSERT_EQ(::symlink((directory_ / "elsewhere").c_str(), path_.c_str()), 0);
  expect_refused(write_secret_file(path_, bytes_of("secret"), false), "it exists already");
  expect_refused(write_secret_file(path_, bytes_of("secret"), true), "is no regular file");
  EXPECT_EQ(directory_.files(), 1u);
}

TEST_F(SecretFile, ReplacingPutsAnotherFileInItsPlace) {
  write_file(path_, "old");
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  ASSERT_EQ(::link(path_.c_str(), (directory_ / "other name").c_str()), 0);
  ASSERT_TRUE(check_target(path_, true));
  const auto written = write_secret_file(path_, bytes_of("new"), true);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(content_of(path_), "new");
  EXPECT_EQ(mode_of(path_), 0600u);
  EXPECT_EQ(content_of(directory_ / "other name"), "old");  // who had the old file has no new keys
}

TEST_F(SecretFile, WhatIsNoFilesName) {
  for (const char* path : {"", "-", "/", "keys/"}) {
    expect_refused(check_target(path, false), "that is no file's name");
  }
  expect_refused(write_secret_file(directory_ / "", bytes_of("x"), true), "no file's name");
}

TEST_F(SecretFile, DirectoriesAndDevicesAreNotReplaced) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  expect_refused(check_target(path_, true), "is no regular file");
  expect_refused(check_target("/dev/null", true), "is no regular file");
}

TEST_F(SecretFile, ADirectoryThatIsNotThere) {
  expect_refused(write_secret_file(directory_ / "no/keys", bytes_of("x"), false),
                 "No such file or directory");
}

TEST_F(SecretFile, AFileThatDoesNotFitLeavesNothing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100, before.rlim_max};
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = write_secret_file(path_, bytes_of(std::string(1000, 'x')), false);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  expect_refused(written, "File too large");
  EXPECT_EQ(directory_.files(), 0u);
}

TEST_F(SecretFile, IsReadWhole) {
  write_file(path_, std::string(100'000, 'k'));
  const auto read = read_secret_file(path_, 100'000);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(text_of(read->bytes()), std::string(100'000, 'k'));
}

TEST_F(SecretFile, ReadingHasItsLimits) {
  const auto message = [](const std::string& path, std::size_t bytes_max) {
    const auto read = read_secret_file(path, bytes_max);
    return read ? std::string("read") : read.error().message;
  };
  write_file(path_, "12345");
  EXPECT_EQ(message(path_, 5), "read");
  EXPECT_EQ(message(path_, 4), path_ + ": it has more than 4 bytes");
  EXPECT_EQ(message("/dev/zero", 1000), "/dev/zero: it has more than 1000 bytes");
  EXPECT_EQ(message("/dev/null", 1000), "/dev/null: it is empty");
  EXPECT_EQ(message(directory_ / "no\nsuch", 5),
            directory_ / "no\\x0asuch: No such file or directory");
  EXPECT_EQ(message(directory_ / "", 5), directory_ / ": Is a directory");
}

TEST_F(SecretFile, ComesFromStandardInput) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "one", 3), 3);
  ::close(ends[1]);
  const int before = ::dup(STDIN_FILENO);
  ASSERT_EQ(::dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
  const auto read = read_secret_file("-", 10);
  const auto again = read_secret_file("-", 10);
  ::dup2(before, STDIN_FILENO);
  ::close(before);
  ::close(ends[0]);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(text_of(read->bytes()), "one");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message, "standard input: it is empty");
}

}  // namespace
}  // namespace usher::ctl
