#include "proxy/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace usher {
namespace {

int open_fd() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

TEST(UniqueFd, ClosesAtTheEnd) {
  const int fd = open_fd();
  {
    const UniqueFd owner(fd);
    EXPECT_TRUE(owner);
    EXPECT_EQ(owner.value(), fd);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, MovingMovesTheDuty) {
  UniqueFd source(open_fd());
  const int fd = source.value();
  UniqueFd target(open_fd());
  const int replaced = target.value();
  target = std::move(source);
  EXPECT_FALSE(source);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_TRUE(is_open(fd));
  target.reset();
  EXPECT_FALSE(target);
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, ReleaseHandsTheDutyOver) {
  UniqueFd owner(open_fd());
  const UniqueFd next(owner.release());
  EXPECT_FALSE(owner);
  EXPECT_TRUE(is_open(next.value()));
}

}  // namespace
}  // namespace usher
