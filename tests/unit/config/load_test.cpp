#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/config/support/sample.h"

namespace usher::config {
namespace {

namespace fs = std::filesystem;

class Load : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "usher-load-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  static std::string problem_of(const fs::path& path) {
    const auto config = load(path.string());
    return config ? "" : config.error().messages.front();
  }

  fs::path directory_;
};

TEST_F(Load, ReadsAFile) {
  const fs::path path = directory_ / "usher.toml";
  std::ofstream(path) << Sample().text();
  const auto config = load(path.string());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->path, path.string());
  EXPECT_EQ(config->listeners.at(0).place.to_string(), path.string() + ":7");
}

TEST_F(Load, SaysWhyItCannotRead) {
  const std::string absent = (directory_ / "absent.toml").string();
  EXPECT_EQ(problem_of(absent), absent +
                                    ": cannot be opened: No such file or directory; expected a "
                                    "configuration file; check path and permissions");
  EXPECT_NE(problem_of(directory_).find(": is no regular file; "), std::string::npos);
  const fs::path fifo = directory_ / "fifo";  // nobody writes: opening it must not wait
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_NE(problem_of(fifo).find(": is no regular file; "), std::string::npos);
}

TEST_F(Load, RefusesMoreThanAMegabyte) {
  const fs::path path = directory_ / "long.toml";
  std::ofstream(path) << std::string(3 << 20, '#');
  EXPECT_EQ(problem_of(path),
            path.string() + ":1: more than 1 MiB; expected a configuration; check the path");
}

// The examples that are installed with the program.
TEST_F(Load, TheExamplesAreGood) {
  const fs::path conf = fs::path(__FILE__).parent_path() / "../../../conf";
  for (const char* name : {"usher.toml", "minimal.toml"}) {
    const auto config = load((conf / name).string());
    ASSERT_TRUE(config) << config.error().messages.front();
    EXPECT_TRUE(config->warnings.empty()) << config->warnings.front();
  }
}

}  // namespace
}  // namespace usher::config
