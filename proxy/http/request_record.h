#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/http/site.h"
#include "proxy/relay/application.h"

namespace usher::http {

// What is counted and logged of one request, at its end. Thread: the worker's. Owner: an Exchange.
class RequestRecord {
 public:
  using Clock = std::chrono::steady_clock;

  void begin() { began_ = Clock::now(); }
  // Keeps what the access line needs of the head, if there is to be one.
  void note_head(const RequestHead& head, bool logged);
  void note_attempt(std::size_t server) {
    server_ = static_cast<std::uint32_t>(server);
    attempts_ += 1;
  }
  bool attempted() const { return attempts_ > 0; }
  void note_connected() { connected_ = Clock::now(); }  // a new link only
  void note_sent() { sent_ = Clock::now(); }            // the request's head, to a backend
  void note_response() { answered_ = Clock::now(); }    // its first byte

  // Once.
  void report(relay::ClientPort& port, const Site& site, const backend::Group* group,
              std::string_view reason) const;

  std::string request_id;
  std::uint64_t bytes_in = 0;  // content
  std::uint64_t bytes_out = 0;
  unsigned status = 0;  // sent to the client

 private:
  static constexpr std::uint32_t kNoServer = 0xffff'ffff;
  void write_line(relay::ClientPort& port, const backend::Group* group, std::string_view reason,
                  Clock::time_point now) const;

  Clock::time_point began_;
  Clock::time_point connected_;
  Clock::time_point sent_;
  Clock::time_point answered_;
  std::uint32_t server_ = kNoServer;
  std::uint32_t attempts_ = 0;
  Version version_ = Version::k11;
  bool has_head_ = false;
  std::string host_;
  std::string method_;
  std::string path_;
};

}  // namespace usher::http
