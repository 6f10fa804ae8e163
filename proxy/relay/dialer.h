#pragma once

#include <chrono>
#include <cstddef>

#include "proxy/backend/connect_error.h"
#include "proxy/backend/hash.h"
#include "proxy/relay/services.h"
#include "proxy/uv/stream.h"

namespace usher::relay {

// Finds a backend server that takes the connection: one address after another, each once, none
// twice. It counts attempts and their failures; waiting and its time limit
// (settings().connect_timeout, per attempt) are the caller's. Thread: the worker's. Owner: a
// Connection while it dials; `listener` outlives it.
class Dialer {
 public:
  enum class Outcome {
    kConnecting,   // writable (or failed) readiness will come
    kExhausted,    // every address was tried
    kBusy,         // every usable server is at its max_connections
    kNoResources,  // no descriptor or memory here: no other server would do better
  };

  Dialer(const ListenerState& listener, const SocketAddress& client)
      : listener_(listener), key_(backend::hash_of(client.ip_bytes())) {}
  ~Dialer();
  Dialer(const Dialer&) = delete;

  // Begins the next attempt on `stream`, which is closed; readiness goes to (owner.*Method)(Ready).
  template <auto Method, class Owner>
  Outcome next(uv::Loop& loop, uv::Stream& stream, Owner& owner) {
    backend::Group::Found found = choose();
    for (; found == backend::Group::Found::kServer; found = choose()) {
      const int error = stream.connect<Method>(loop, choice_.address, owner);
      if (error == 0) {
        return Outcome::kConnecting;
      }
      stream.close();
      failed(error);
      if (backend::lacks_resources(error)) {
        return Outcome::kNoResources;
      }
    }
    return found == backend::Group::Found::kBusy ? Outcome::kBusy : Outcome::kExhausted;
  }
  // The attempt under way came to nothing: an errno, ETIMEDOUT for the caller's timeout.
  void failed(int error);
  // It connected. From now on the caller counts: Group::disconnected and the server's connections
  // cell.
  void succeeded();

  std::size_t server() const { return choice_.server; }  // of the attempt under way or the last one
  int last_error() const { return last_error_; }         // 0: no attempt has failed

 private:
  backend::Group::Found choose();

  const ListenerState& listener_;
  std::uint64_t key_;  // of hash balancing
  backend::Group::Tried tried_;
  backend::Group::Choice choice_;
  std::chrono::steady_clock::time_point began_;
  int last_error_ = 0;
  bool under_way_ = false;
};

}  // namespace usher::relay
