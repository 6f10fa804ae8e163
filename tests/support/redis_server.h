#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace usher {

// A port of 127.0.0.1 that was free a moment ago.
std::uint16_t free_port();

// A real redis-server of one test: in a directory of its own, on a Unix socket and on a free port
// of 127.0.0.1; gone with this object. Each member returns when what it asks for is so.
// Thread: one. Owner: a test.
class RedisServer {
 public:
  // `settings`: further words of its command line ("--maxmemory", "1mb").
  explicit RedisServer(std::vector<std::string> settings = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;

  std::string unix_url() const { return "unix://" + socket().string(); }
  std::uint16_t port() const { return port_; }
  std::filesystem::path directory() const { return directory_; }

  // One command through redis-cli; its answer as text, without the last line's end.
  std::string cli(const std::vector<std::string>& arguments) const;

  void stop(int signal = 9);  // what was not saved is lost
  void start();               // loads dump.rdb if there is one
  void restart_empty();       // as after the loss of its disk
  std::string dump() const;   // SAVE, and the file's bytes
  void restart_with(const std::string& dump);
  void pause();  // SIGSTOP: connections stay, nothing is answered
  void resume();

 private:
  std::filesystem::path socket() const { return directory_ / "redis.sock"; }
  bool answers() const;

  const std::vector<std::string> settings_;
  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace usher
