#include "proxy/relay/access_log.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "proxy/base/log.h"
#include "proxy/base/unix_errors.h"

namespace usher::relay {
namespace {

constexpr std::size_t kPendingMax = 64 * 1024;
// A line stays below PIPE_BUF unless much of it must be escaped.
constexpr std::size_t kPathMax = 2048;
constexpr std::size_t kHostMax = 256;   // a DNS name and a port
constexpr std::size_t kMethodMax = 32;  // the longest registered one has 16 letters

// O_NONBLOCK: a named pipe without a reader must not stop the process, one with a slow reader no
// worker.
Result<UniqueFd> open_for_append(const std::string& path) {
  UniqueFd fd(::open(path.c_str(),
                     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  if (!fd) {
    return fail("access log " + path + ": " + errno_text(errno));
  }
  return fd;
}

bool is_regular_file(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

void append_text(std::string& line, log::Format format, std::string_view name,
                 std::string_view text) {
  if (!text.empty()) {
    log::append_field(line, format, name, text);
  }
}

void append_time(std::string& line, log::Format format, std::string_view name,
                 std::chrono::milliseconds time) {
  log::append_number(line, format, name,
                     static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)));
}

void append_entry(std::string& line, const AccessEntry& entry) {
  const log::Format format = log::format();
  log::begin_line(line, format);
  append_text(line, format, "listener", entry.listener);
  append_text(line, format, "client", entry.client);
  append_text(line, format, "sni", entry.sni);
  append_text(line, format, "version", entry.version);
  append_text(line, format, "cipher", entry.cipher);
  append_text(line, format, "alpn", entry.alpn);
  append_text(line, format, "resumption", entry.resumption);
  append_text(line, format, "offer", entry.offer);
  append_text(line, format, "backend", entry.backend);
  log::append_number(line, format, "bytes_in", entry.bytes_in);
  log::append_number(line, format, "bytes_out", entry.bytes_out);
  if (!entry.version.empty()) {
    append_time(line, format, "handshake_ms", entry.handshake);
  }
  append_time(line, format, "duration_ms", entry.duration);
  append_text(line, format, "reason", entry.reason);
  append_text(line, format, "detail", entry.detail);
  log::end_line(line, format);
}

void append_entry(std::string& line, const RequestEntry& entry) {
  const log::Format format = log::format();
  log::begin_line(line, format);
  append_text(line, format, "listener", entry.listener);
  append_text(line, format, "client", entry.client);
  append_text(line, format, "host", entry.host.substr(0, kHostMax));
  append_text(line, format, "method", entry.method.substr(0, kMethodMax));
  append_text(line, format, "path", entry.path.substr(0, kPathMax));
  append_text(line, format, "protocol", entry.protocol);
  log::append_number(line, format, "status", entry.status);
  log::append_number(line, format, "bytes_in", entry.bytes_in);
  log::append_number(line, format, "bytes_out", entry.bytes_out);
  append_text(line, format, "request_id", entry.request_id);
  append_text(line, format, "sni", entry.sni);
  append_text(line, format, "version", entry.version);
  append_text(line, format, "resumption", entry.resumption);
  append_text(line, format, "backend", entry.backend);
  append_text(line, format, "server", entry.server);
  append_time(line, format, "duration_ms", entry.duration);
  if (!entry.server.empty()) {
    append_time(line, format, "connect_ms", entry.connect);
    append_time(line, format, "wait_ms", entry.wait);
    log::append_number(line, format, "retries", entry.retries);
  }
  append_text(line, format, "reason", entry.reason);
  log::end_line(line, format);
}

}  // namespace

Result<std::unique_ptr<AccessSink>> AccessSink::open(const std::string& target) {
  auto sink = std::make_unique<AccessSink>();
  if (target == "stdout") {
    sink->fd_ = UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!sink->fd_) {
      return fail("access log stdout: " + errno_text(errno));
    }
  } else {
    auto fd = open_for_append(target);
    if (!fd) {
      return Unexpected(std::move(fd).error());
    }
    sink->path_ = target;
    sink->fd_ = *std::move(fd);
  }
  sink->atomic_bytes_ = is_regular_file(sink->fd()) ? kPendingMax : PIPE_BUF;
  return sink;
}

Result<void> AccessSink::reopen() {
  if (path_.empty()) {
    return {};
  }
  auto fresh = open_for_append(path_);
  if (!fresh) {
    return Unexpected(std::move(fresh).error());
  }
  if (::dup3(fresh->value(), fd_.value(), O_CLOEXEC) < 0) {
    return fail("access log " + path_ + ": " + errno_text(errno));
  }
  return {};
}

AccessLog::AccessLog(const AccessSink* sink) : sink_(sink) {}

void AccessLog::write(const AccessEntry& entry) {
  write_entry(entry);
}

void AccessLog::write(const RequestEntry& entry) {
  write_entry(entry);
}

template <class Entry>
void AccessLog::write_entry(const Entry& entry) {
  if (!enabled()) {
    return;
  }
  const std::size_t before = pending_.size();
  append_entry(pending_, entry);
  if (pending_.size() > sink_->atomic_bytes() && before > 0) {
    write_out(before);
  }
}

void AccessLog::flush() {
  if (!pending_.empty()) {
    write_out(pending_.size());
  }
}

void AccessLog::write_out(std::size_t count) {
  const ssize_t result = ::write(sink_->fd(), pending_.data(), count);
  const std::size_t written = result > 0 ? static_cast<std::size_t>(result) : 0;
  // A line never begins with a newline: this one ends what an earlier write left torn.
  const bool ends_torn_line = pending_.front() == '\n';
  const std::size_t lost_from = written == 0 && ends_torn_line ? 1 : written;
  lost_lines_ += static_cast<std::uint64_t>(
      std::count(pending_.data() + lost_from, pending_.data() + count, '\n'));
  const bool torn = written == 0 ? ends_torn_line : pending_[written - 1] != '\n';
  pending_.replace(0, count, torn ? "\n" : "");
}

}  // namespace usher::relay
