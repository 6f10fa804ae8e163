#include "proxy/server/key_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/unique_fd.h"
#include "proxy/base/unix_errors.h"

namespace usher::server {
namespace {

Unexpected<Error> refuse(const std::string& path, const std::string& what) {
  return fail(path + ": " + what +
              "; expected a file with ticket keys; check path and permissions");
}

FileStamp stamp_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size,
          std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec};
}

FileStamp stamp_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? stamp_of(status) : FileStamp();
}

std::vector<FileStamp> stamps_of(const std::vector<std::string>& paths) {
  std::vector<FileStamp> stamps;
  stamps.reserve(paths.size());
  for (const std::string& path : paths) {
    stamps.push_back(stamp_of(path));
  }
  return stamps;
}

// The file's last change on the clock that keys age by; one in the future counts as now.
BootClock::time_point last_change(const struct stat& status) {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const auto changed = std::chrono::seconds(status.st_mtim.tv_sec) +
                       std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  return BootClock::now() - std::max<std::chrono::nanoseconds>(wall - changed, {});
}

// One byte more than the file has, so that one that grows meanwhile is noticed.
Result<SecretBuffer> read_all(int fd, std::size_t size_told, const std::string& path) {
  SecretBuffer buffer(std::min(size_told, keyring::kKeyFileBytesMax) + 1);
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t count = ::read(fd, buffer.bytes().data() + size, buffer.size() - size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return refuse(path, "cannot be read: " + errno_text(errno));
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  if (size == buffer.size()) {
    return refuse(path,
                  size_told > keyring::kKeyFileBytesMax
                      ? "is larger than " + std::to_string(keyring::kKeyFileBytesMax) + " bytes"
                      : "grows while it is read");
  }
  SecretBuffer exact(size);
  std::ranges::copy(buffer.bytes().first(size), exact.bytes().begin());
  return exact;
}

// The wall clock, by which files are dated, and the clock of ages drift apart a little.
bool same_age(const keyring::TicketKey& a, const keyring::TicketKey& b) {
  return std::chrono::abs(a.created - b.created) < std::chrono::seconds(1);
}

bool same_ring(const keyring::KeyRing& a, const keyring::KeyRing& b) {
  return a.policy() == b.policy() && a.lineage_not_before() == b.lineage_not_before() &&
         std::ranges::equal(a.entries(), b.entries(),
                            [](const keyring::KeyRing::Entry& x, const keyring::KeyRing::Entry& y) {
                              return x.state == y.state && x.key->name == y.key->name &&
                                     same_age(*x.key, *y.key) &&
                                     std::ranges::equal(x.key->aes_bytes(), y.key->aes_bytes()) &&
                                     std::ranges::equal(x.key->hmac_bytes(), y.key->hmac_bytes());
                            });
}

}  // namespace

Result<KeyFilesRead> read_key_files(const std::vector<std::string>& paths) {
  KeyFilesRead read;
  for (const std::string& path : paths) {
    // Not blocking: opening a FIFO would wait for its writer.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) {
      return refuse(path, "cannot be opened: " + errno_text(errno));
    }
    struct stat status {};
    if (::fstat(fd.value(), &status) != 0 || !S_ISREG(status.st_mode)) {
      return refuse(path, "is no regular file");
    }
    auto bytes = read_all(fd.value(), static_cast<std::size_t>(status.st_size), path);
    if (!bytes) {
      return Unexpected(std::move(bytes).error());
    }
    if (bytes->size() == 0) {  // without a format, so ring_of would blame the other files
      return fail(path + ": is empty; expected a file with ticket keys");
    }
    read.files.push_back({path, *std::move(bytes), last_change(status)});
    read.stamps.push_back(stamp_of(status));
  }
  return read;
}

Result<keyring::KeyRing> ring_of(const KeyFilesRead& read, std::uint64_t version,
                                 keyring::AgePolicy policy) {
  const keyring::KeyFileFormat format = keyring::format_of(read.files.front().bytes.bytes());
  for (const keyring::KeyFile& file : read.files) {
    if (keyring::format_of(file.bytes.bytes()) != format) {
      return fail(file.path + ": is of another format than " + read.files.front().path +
                  "; expected all files to be nginx's, or one file of HAProxy or usherctl");
    }
  }
  return keyring::parse_key_files(format, read.files, version, policy);
}

KeyFiles::KeyFiles(uv::Loop& loop, RingInForce& ring, std::chrono::milliseconds look_every)
    : ring_(ring), look_every_(look_every) {
  timer_.open<&KeyFiles::on_timer>(loop, *this);
}

Result<void> KeyFiles::configure(std::vector<std::string> paths, keyring::AgePolicy policy,
                                 const KeyFilesRead& read) {
  paths_ = std::move(paths);
  policy_ = policy;
  unsettled_.clear();
  timer_.start(look_every_);
  return take(read);
}

void KeyFiles::stop() {
  timer_.stop();
}

void KeyFiles::close() {
  timer_.close();
}

void KeyFiles::on_timer() {
  std::vector<FileStamp> seen = stamps_of(paths_);
  if (seen == tried_) {
    unsettled_.clear();
  } else if (seen == unsettled_) {
    read_again();
  } else {
    unsettled_ = std::move(seen);
  }
  timer_.start(look_every_);
}

void KeyFiles::read_again() {
  tried_ = std::exchange(unsettled_, {});  // a file that stays bad is not read, or told of, again
  auto read = read_key_files(paths_);
  const Result<void> taken = read ? take(*read) : Unexpected(std::move(read).error());
  if (!taken) {
    log::error("the ticket key files have changed and cannot be taken; the old keys stay",
               {{"error", taken.error().message}});
  }
}

Result<void> KeyFiles::take(const KeyFilesRead& read) {
  tried_ = read.stamps;
  auto ring = ring_of(read, version_ + 1, policy_);
  if (!ring) {
    return Unexpected(std::move(ring).error());
  }
  if (version_ > 0 && same_ring(*ring, ring_.source_ring())) {
    return {};
  }
  ++version_;
  const std::size_t keys = ring->entries().size();
  (void)ring_.publish(*std::move(ring));
  log::info("took the keys of files", {{"version", version_}, {"keys", keys}});
  return {};
}

}  // namespace usher::server
