#include "proxy/relay/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "proxy/base/log.h"

namespace usher::relay {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

AccessEntry some_entry() {
  AccessEntry entry;
  entry.listener = "web";
  entry.client = "192.0.2.1:1000";
  entry.sni = "www.example";
  entry.version = "TLSv1.3";
  entry.cipher = "TLS_AES_128_GCM_SHA256";
  entry.resumption = "ticket";
  entry.offer = "resumed";
  entry.backend = "127.0.0.1:8080";
  entry.bytes_in = 10;
  entry.bytes_out = 20;
  entry.handshake = std::chrono::milliseconds(3);
  entry.duration = std::chrono::milliseconds(70);
  entry.reason = "finished";
  return entry;
}

RequestEntry some_request() {
  RequestEntry entry;
  entry.listener = "web";
  entry.client = "192.0.2.1:1000";
  entry.host = "www.example";
  entry.method = "GET";
  entry.path = "/a?b=c";
  entry.protocol = "HTTP/2";
  entry.status = 200;
  entry.bytes_in = 10;
  entry.bytes_out = 20;
  entry.request_id = "4f2a";
  entry.sni = "www.example";
  entry.version = "TLSv1.3";
  entry.resumption = "psk";
  entry.backend = "app";
  entry.server = "127.0.0.1:8080";
  entry.duration = std::chrono::milliseconds(70);
  entry.connect = std::chrono::milliseconds(1);
  entry.wait = std::chrono::milliseconds(60);
  entry.retries = 1;
  entry.reason = "ok";
  return entry;
}

class AccessLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/usher_access_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ / "access.log";
  }
  void TearDown() override {
    log::configure(log::Level::kInfo, log::Format::kLogfmt);
    fs::remove_all(directory_);
  }
  std::unique_ptr<AccessSink> open() { return *AccessSink::open(path_.string()); }

  fs::path directory_;
  fs::path path_;
};

TEST_F(AccessLogTest, RequestLine) {
  const auto sink = open();
  AccessLog access(sink.get());
  access.write(some_request());
  access.flush();
  const std::string line = contents(path_);
  EXPECT_EQ(line.substr(line.find(" listener=")),
            " listener=web client=192.0.2.1:1000 host=www.example method=GET path=\"/a?b=c\" "
            "protocol=HTTP/2 status=200 bytes_in=10 bytes_out=20 request_id=4f2a sni=www.example "
            "version=TLSv1.3 resumption=psk backend=app server=127.0.0.1:8080 duration_ms=70 "
            "connect_ms=1 wait_ms=60 retries=1 reason=ok\n");
}

TEST_F(AccessLogTest, ARequestWithoutBackendHasNoTimesOfOne) {
  log::configure(log::Level::kInfo, log::Format::kJson);
  const auto sink = open();
  AccessLog access(sink.get());
  RequestEntry entry = some_request();
  entry.backend = entry.server = entry.method = entry.path = "";
  entry.status = 400;
  entry.reason = "bad_request_line";
  access.write(entry);
  access.flush();
  const auto line = nlohmann::json::parse(contents(path_));
  EXPECT_EQ(line["status"], 400);
  EXPECT_EQ(line["reason"], "bad_request_line");
  for (const char* name : {"backend", "server", "method", "path", "wait_ms", "connect_ms"}) {
    EXPECT_FALSE(line.contains(name)) << name;
  }
}

TEST_F(AccessLogTest, WhatAClientChoseIsCutAndEscaped) {
  const auto sink = open();
  AccessLog access(sink.get());
  RequestEntry entry = some_request();
  const std::string target = "/\"\n\xff" + std::string(40'000, 'a');
  entry.path = entry.host = entry.method = target;
  access.write(entry);
  access.flush();
  const std::string line = contents(path_);
  EXPECT_EQ(count_lines(line), 1U);
  EXPECT_LT(line.size(), 3000U);
  EXPECT_GT(line.size(), 2000U);
  EXPECT_EQ(line.find('\xff'), std::string::npos);
}

TEST_F(AccessLogTest, LogfmtLine) {
  const auto sink = open();
  AccessLog access(sink.get());
  access.write(some_entry());
  EXPECT_EQ(contents(path_), "");  // gathered until the turn ends
  access.flush();
  const std::string line = contents(path_);
  EXPECT_TRUE(line.starts_with("time=20"));
  EXPECT_EQ(line.substr(line.find(' ')),
            " listener=web client=192.0.2.1:1000 sni=www.example version=TLSv1.3"
            " cipher=TLS_AES_128_GCM_SHA256 resumption=ticket offer=resumed backend=127.0.0.1:8080"
            " bytes_in=10 bytes_out=20 handshake_ms=3 duration_ms=70 reason=finished\n");
}

TEST_F(AccessLogTest, JsonLine) {
  log::configure(log::Level::kInfo, log::Format::kJson);
  const auto sink = open();
  AccessLog access(sink.get());
  AccessEntry entry = some_entry();
  entry.sni = "evil\"\n\x1b[2J";
  access.write(entry);
  access.flush();
  const std::string text = contents(path_);
  EXPECT_EQ(count_lines(text), 1u);
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["sni"], "evil\"\n\x1b[2J");
  EXPECT_EQ(line["bytes_out"], 20);
  EXPECT_EQ(line["reason"], "finished");
  EXPECT_FALSE(line.contains("alpn"));
}

TEST_F(AccessLogTest, WithoutHandshakeNoHandshakeTime) {
  const auto sink = open();
  AccessLog access(sink.get());
  AccessEntry entry;
  entry.reason = "client_gone";
  access.write(entry);
  access.flush();
  const std::string line = contents(path_);
  EXPECT_EQ(line.substr(line.find(' ')),
            " bytes_in=0 bytes_out=0 duration_ms=0 reason=client_gone\n");
}

TEST_F(AccessLogTest, OffWritesNothing) {
  AccessLog access(nullptr);
  EXPECT_FALSE(access.enabled());
  access.write(some_entry());
  access.flush();
  EXPECT_EQ(access.lost_lines(), 0u);
}

TEST_F(AccessLogTest, FileIsNotForEveryone) {
  const auto sink = open();
  EXPECT_EQ(static_cast<unsigned>(fs::status(path_).permissions()) & 0137u, 0u);
  EXPECT_NE(::fcntl(sink->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(AccessLogTest, ReopenFollowsARotation) {
  const auto sink = open();
  AccessLog access(sink.get());
  access.write(some_entry());
  access.flush();
  const int number = sink->fd();
  fs::rename(path_, directory_ / "access.log.1");
  access.write(some_entry());
  access.flush();
  ASSERT_TRUE(sink->reopen());
  EXPECT_EQ(sink->fd(), number);
  EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
  access.write(some_entry());
  access.flush();
  EXPECT_EQ(count_lines(contents(directory_ / "access.log.1")), 2u);
  EXPECT_EQ(count_lines(contents(path_)), 1u);
}

TEST_F(AccessLogTest, FailedReopenKeepsTheOldFile) {
  const auto sink = open();
  AccessLog access(sink.get());
  fs::rename(path_, directory_ / "old");
  fs::create_directory(path_);
  const auto reopened = sink->reopen();
  ASSERT_FALSE(reopened);
  EXPECT_NE(reopened.error().message.find(path_.string()), std::string::npos);
  access.write(some_entry());
  access.flush();
  EXPECT_EQ(count_lines(contents(directory_ / "old")), 1u);
}

TEST_F(AccessLogTest, ErrorsNameThePath) {
  const auto sink = AccessSink::open("/nowhere/at/all.log");
  ASSERT_FALSE(sink);
  EXPECT_EQ(sink.error().message, "access log /nowhere/at/all.log: No such file or directory");
}

TEST_F(AccessLogTest, ANamedPipeWithoutReaderIsAnErrorNotAHang) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(AccessSink::open(path_.string()));
}

TEST_F(AccessLogTest, StdoutStaysAtReopen) {
  const auto sink = *AccessSink::open("stdout");
  const int number = sink->fd();
  EXPECT_NE(number, STDOUT_FILENO);
  EXPECT_TRUE(sink->reopen());
  EXPECT_EQ(sink->fd(), number);
}

TEST_F(AccessLogTest, WritesBeforeTheTurnEndsWhenMuchIsPending) {
  const auto sink = open();
  AccessLog access(sink.get());
  for (int i = 0; i < 1000; ++i) {
    access.write(some_entry());
  }
  const std::string early = contents(path_);
  EXPECT_GT(early.size(), 64u * 1024);
  EXPECT_EQ(early.back(), '\n');
  access.flush();
  EXPECT_EQ(count_lines(contents(path_)), 1000u);
}

TEST_F(AccessLogTest, AFullDiskLosesAndCountsLines) {
  const auto sink = *AccessSink::open("/dev/full");
  AccessLog access(sink.get());
  access.write(some_entry());
  access.write(some_entry());
  access.flush();
  EXPECT_EQ(access.lost_lines(), 2u);
  access.flush();
  EXPECT_EQ(access.lost_lines(), 2u);
}

// A pipe as sink: small, and its free space decides how much a write takes.
class AccessPipeTest : public AccessLogTest {
 protected:
  void SetUp() override {
    AccessLogTest::SetUp();
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    reader_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    sink_ = open();
    ASSERT_GT(::fcntl(reader_.value(), F_SETPIPE_SZ, PIPE_BUF), 0);
  }
  std::string drain() {
    std::string text(1 << 20, '\0');
    const ssize_t size = ::read(reader_.value(), text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

  UniqueFd reader_;
  std::unique_ptr<AccessSink> sink_;
};

TEST_F(AccessPipeTest, WholeLinesInAtomicPieces) {
  AccessLog access(sink_.get());
  std::size_t lines = 0;
  for (int i = 0; i < 100; ++i) {
    access.write(some_entry());
    const std::string piece = drain();
    EXPECT_LE(piece.size(), std::size_t{PIPE_BUF});
    EXPECT_TRUE(piece.empty() || piece.back() == '\n');
    lines += count_lines(piece);
  }
  access.flush();
  EXPECT_EQ(lines + count_lines(drain()), 100u);
  EXPECT_EQ(access.lost_lines(), 0u);
}

TEST_F(AccessPipeTest, AStuckReaderDoesNotBlock) {
  AccessLog access(sink_.get());
  for (int i = 0; i < 1000; ++i) {
    access.write(some_entry());
  }
  access.flush();
  const std::size_t kept = count_lines(drain());
  EXPECT_GT(kept, 0u);
  EXPECT_EQ(kept + access.lost_lines(), 1000u);
}

TEST_F(AccessPipeTest, ATornLineIsEndedBeforeTheNext) {
  AccessLog access(sink_.get());
  AccessEntry entry = some_entry();
  const std::string detail(8000, 'x');  // longer than the pipe: written in part
  entry.detail = detail;
  access.write(entry);
  access.flush();
  EXPECT_EQ(access.lost_lines(), 1u);
  access.write(some_entry());
  access.flush();  // the pipe is full: lost as well
  EXPECT_EQ(access.lost_lines(), 2u);
  EXPECT_EQ(count_lines(drain()), 0u);
  access.write(some_entry());
  access.flush();
  const std::string after = drain();
  EXPECT_EQ(count_lines(after), 2u);
  EXPECT_TRUE(after.starts_with("\ntime="));
  EXPECT_EQ(access.lost_lines(), 2u);
}

}  // namespace
}  // namespace usher::relay
