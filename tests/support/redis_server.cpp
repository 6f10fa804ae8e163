#include "tests/support/redis_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/unique_fd.h"

namespace usher {
namespace {

// Starts a program with its output going to `output` (−1: nowhere).
pid_t spawn(const std::vector<std::string>& arguments, int output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    const int nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(nowhere, 0);
    ::dup2(output >= 0 ? output : nowhere, 1);
    ::dup2(output >= 0 ? output : nowhere, 2);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  return pid;
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t count = 0; (count = ::read(fd, piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  return text;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::uint16_t free_port() {
  const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(probe.value(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(::getsockname(probe.value(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::vector<std::string> settings) : settings_(std::move(settings)) {
  std::string name = std::filesystem::temp_directory_path() / "usher-redis-XXXXXX";
  CHECK(::mkdtemp(name.data()) != nullptr);
  directory_ = name;
  start();
}

RedisServer::~RedisServer() {
  stop();
  std::filesystem::remove_all(directory_);
}

void RedisServer::start() {
  CHECK(pid_ < 0);
  for (int attempt = 0; attempt < 5; ++attempt) {  // another process may take the port first
    port_ = free_port();
    std::vector<std::string> arguments{"redis-server",
                                       "--port",
                                       std::to_string(port_),
                                       "--bind",
                                       "127.0.0.1",
                                       "--unixsocket",
                                       socket(),
                                       "--dir",
                                       directory_,
                                       "--save",
                                       "",
                                       "--appendonly",
                                       "no",
                                       "--daemonize",
                                       "no",
                                       "--logfile",
                                       directory_ / "log"};
    arguments.insert(arguments.end(), settings_.begin(), settings_.end());
    pid_ = spawn(arguments, -1);
    for (int wait = 0; wait < 2000; ++wait) {
      if (answers()) {
        return;
      }
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    stop();
  }
  CHECK(!"redis-server does not start (Debian: redis-server)");
}

bool RedisServer::answers() const {
  return std::filesystem::exists(socket()) && cli({"PING"}) == "PONG";
}

void RedisServer::stop(int signal) {
  if (pid_ > 0) {
    ::kill(pid_, signal);
    ::kill(pid_, SIGCONT);
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  std::filesystem::remove(socket());
}

void RedisServer::restart_empty() {
  stop();
  std::filesystem::remove(directory_ / "dump.rdb");
  start();
}

std::string RedisServer::dump() const {
  CHECK(cli({"SAVE"}) == "OK");
  return read_file(directory_ / "dump.rdb");
}

void RedisServer::restart_with(const std::string& dump) {
  stop();
  std::ofstream(directory_ / "dump.rdb", std::ios::binary) << dump;
  start();
}

void RedisServer::pause() {
  ::kill(pid_, SIGSTOP);
}

void RedisServer::resume() {
  ::kill(pid_, SIGCONT);
}

std::string RedisServer::cli(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all{"redis-cli", "-s", socket()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::array<int, 2> ends{};
  CHECK(::pipe2(ends.data(), O_CLOEXEC) == 0);
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t pid = spawn(all, theirs.value());
  theirs.reset();
  std::string answer = read_all(ours.value());
  (void)::waitpid(pid, nullptr, 0);
  while (!answer.empty() && answer.back() == '\n') {
    answer.pop_back();
  }
  return answer;
}

}  // namespace usher
