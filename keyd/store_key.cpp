#include "keyd/store_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "proxy/base/unique_fd.h"
#include "proxy/base/unix_errors.h"

namespace usher::keyd {
namespace {

constexpr std::string_view kCredential = "credential:";
constexpr std::size_t kKeySize = 32;
constexpr const char* kHowToMake = "make one with: (umask 077; head -c 32 /dev/urandom > FILE)";

struct Source {
  std::string path;
  bool credential = false;
};

Result<Source> source_of(const std::string& key_file) {
  if (!key_file.starts_with(kCredential)) {
    return Source{key_file, false};
  }
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0') {
    return fail(key_file +
                ": CREDENTIALS_DIRECTORY is not set; expected LoadCredential= in the unit");
  }
  return Source{std::string(directory) + "/" + key_file.substr(kCredential.size()), true};
}

// A credential is read through an ACL, whose mask shows as group permission (systemd.exec(5)).
Result<void> check_permissions(const struct stat& status, bool credential) {
  if (!S_ISREG(status.st_mode)) {
    return fail("is no regular file");
  }
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return fail(fmt::format("belongs to uid {}; expected root or uid {}; chown it", status.st_uid,
                            ::geteuid()));
  }
  const mode_t forbidden = credential ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((status.st_mode & forbidden) != 0) {
    return fail(fmt::format("others may use it (mode {:04o}); expected 0600; chmod it",
                            status.st_mode & 07777));
  }
  return {};
}

// Up to one byte more than a key has.
Result<std::size_t> read_into(int fd, std::span<std::byte> into) {
  std::size_t size = 0;
  while (size < into.size()) {
    const ssize_t count = ::read(fd, into.data() + size, into.size() - size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail("cannot be read: " + errno_text(errno));
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  return size;
}

Result<StoreKey> read_key(const Source& source) {
  const UniqueFd fd(::open(source.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!fd || ::fstat(fd.value(), &status) != 0) {
    return fail("cannot be opened: " + errno_text(errno) + "; " + kHowToMake);
  }
  if (auto checked = check_permissions(status, source.credential); !checked) {
    return Unexpected(std::move(checked).error());
  }
  Secret<kKeySize + 1> bytes;
  const auto size = read_into(fd.value(), bytes.bytes());
  if (!size) {
    return Unexpected(size.error());
  }
  if (*size != kKeySize) {
    return fail(fmt::format("has {}{} bytes; expected exactly 32 random ones; {}",
                            *size > kKeySize ? "more than " : "", std::min(*size, kKeySize),
                            kHowToMake));
  }
  const auto key = bytes.bytes().first<kKeySize>();
  if (std::ranges::all_of(key, [](std::byte byte) { return byte == std::byte{0}; })) {
    return fail(std::string("is all zero; ") + kHowToMake);
  }
  return StoreKey::copy_of(key);
}

}  // namespace

Result<StoreKey> load_store_key(const std::string& key_file) {
  const auto source = source_of(key_file);
  if (!source) {
    return Unexpected(source.error());
  }
  auto key = read_key(*source);
  return key ? std::move(key) : Unexpected(std::move(key).error().within(source->path));
}

}  // namespace usher::keyd
