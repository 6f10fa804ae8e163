#include "proxy/base/secret.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace usher {
namespace {

// The sanitizers turn mlock into nothing: what needs a real one is asked only of other builds.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMlockIsReal = false;
#else
constexpr bool kMlockIsReal = true;
#endif

bool all_are(std::span<const std::byte> bytes, std::byte value) {
  return std::ranges::all_of(bytes, [value](std::byte b) { return b == value; });
}

// The VmFlags of the mapping that holds `address`; none if nothing is mapped there.
std::optional<std::string> vm_flags_of(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(smaps, line)) {
    std::uintptr_t first = 0;
    std::uintptr_t last = 0;
    char dash = 0;
    std::istringstream head(line);
    if (head >> std::hex >> first >> dash >> last && dash == '-') {
      inside = first <= wanted && wanted < last;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line.substr(8) + " ";
    }
  }
  return std::nullopt;
}

TEST(Secret, BeginsAsZeroAndKeepsWhatIsWritten) {
  Secret<32> secret;
  EXPECT_TRUE(all_are(secret.bytes(), std::byte{0}));
  std::ranges::fill(secret.bytes(), std::byte{0xa5});
  EXPECT_TRUE(all_are(secret.bytes(), std::byte{0xa5}));
}

TEST(Secret, CopiesBytesIn) {
  std::array<std::byte, 16> key;
  key.fill(std::byte{7});
  const auto secret = Secret<16>::copy_of(key);
  EXPECT_TRUE(std::ranges::equal(secret.bytes(), key));
  wipe(key);
  EXPECT_TRUE(all_are(key, std::byte{0}));
  EXPECT_TRUE(all_are(secret.bytes(), std::byte{7}));
}

// The arena keeps its pages, so that what a freed secret left behind can be looked at.
TEST(Secret, IsWipedWhenItEndsAndItsPlaceUsedAgain) {
  const std::byte* place = nullptr;
  {
    Secret<32> secret;
    std::ranges::fill(secret.bytes(), std::byte{0xa5});
    place = secret.bytes().data();
  }
  EXPECT_TRUE(all_are({place, 32}, std::byte{0}));
  const Secret<32> next;
  EXPECT_EQ(next.bytes().data(), place);
}

TEST(Secret, AssigningWipesTheOldBytesAtOnce) {
  Secret<32> target;
  std::ranges::fill(target.bytes(), std::byte{0x11});
  const std::byte* old_place = target.bytes().data();
  Secret<32> source;
  std::ranges::fill(source.bytes(), std::byte{0x22});
  target = std::move(source);
  EXPECT_TRUE(all_are({old_place, 32}, std::byte{0}));
  EXPECT_TRUE(all_are(target.bytes(), std::byte{0x22}));
}

TEST(SecretDeathTest, MovedFromHasNoBytes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Secret<32> source;
  Secret<32> target = std::move(source);
  EXPECT_DEATH((void)source.bytes(), "CHECK failed");
  Secret<32> other;
  other = std::move(target);
  EXPECT_DEATH((void)target.bytes(), "CHECK failed");
}

TEST(SecretBuffer, OfNothingIsEmpty) {
  EXPECT_EQ(SecretBuffer().size(), 0U);
  EXPECT_TRUE(SecretBuffer(0).bytes().empty());
}

// Every size class beside every other: nobody's bytes overlap, all are aligned for any type.
TEST(SecretBuffer, ManyOfAllSizesStandApart) {
  std::vector<SecretBuffer> buffers;
  for (std::size_t i = 0; i < 400; ++i) {
    buffers.emplace_back(1 + (i * 37) % 5000);
    SecretBuffer& made = buffers.back();
    EXPECT_TRUE(all_are(made.bytes(), std::byte{0}));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(made.bytes().data()) % alignof(std::max_align_t),
              0U);
    std::ranges::fill(made.bytes(), static_cast<std::byte>(i));
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_TRUE(all_are(buffers[i].bytes(), static_cast<std::byte>(i)));
  }
}

TEST(SecretBuffer, LargeOnesGiveTheirPagesBack) {
  const std::byte* place = nullptr;
  {
    SecretBuffer buffer(100'000);
    std::ranges::fill(buffer.bytes(), std::byte{1});
    place = buffer.bytes().data();
    EXPECT_TRUE(vm_flags_of(place).has_value());
  }
  EXPECT_EQ(vm_flags_of(place), std::nullopt);
}

TEST(SecretArena, IsKeptOutOfDumpsChildrenAndSwap) {
  const Secret<32> small;
  const SecretBuffer large(10'000);
  for (const std::byte* place : {small.bytes().data(), large.bytes().data()}) {
    const std::string flags = vm_flags_of(place).value_or("");
    EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
    EXPECT_NE(flags.find(" wf "), std::string::npos) << flags;
    if (kMlockIsReal && secret_arena::locked()) {
      EXPECT_NE(flags.find(" lo "), std::string::npos) << flags;
    }
  }
}

TEST(SecretArena, ForkedChildrenSeeZeros) {
  Secret<32> secret;
  std::ranges::fill(secret.bytes(), std::byte{0xa5});
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::_exit(all_are(secret.bytes(), std::byte{0}) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(all_are(secret.bytes(), std::byte{0xa5}));
}

// In a process of its own that may lock nothing.
[[noreturn]] void allocate_without_the_right_to_lock() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_MEMLOCK, &none);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct no_rights[2]{};
  ::syscall(SYS_capset, &header, no_rights);
  SecretBuffer buffer(50'000);
  std::ranges::fill(buffer.bytes(), std::byte{3});
  ::_exit(secret_arena::locked() == !kMlockIsReal ? 0 : 1);
}

TEST(SecretArenaDeathTest, WorksAndSaysSoWhenMemoryCannotBeLocked) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(allocate_without_the_right_to_lock(), ::testing::ExitedWithCode(0), "");
}

TEST(SecretArena, ServesManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> spoiled{0};
  for (int id = 1; id <= 4; ++id) {
    threads.emplace_back([id, &spoiled] {
      for (int i = 0; i < 2000; ++i) {
        Secret<32> key;
        SecretBuffer buffer(static_cast<std::size_t>(1 + i % 300));
        std::ranges::fill(key.bytes(), static_cast<std::byte>(id));
        std::ranges::fill(buffer.bytes(), static_cast<std::byte>(id));
        if (!all_are(key.bytes(), static_cast<std::byte>(id)) ||
            !all_are(buffer.bytes(), static_cast<std::byte>(id))) {
          ++spoiled;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(spoiled, 0);
}

}  // namespace
}  // namespace usher
