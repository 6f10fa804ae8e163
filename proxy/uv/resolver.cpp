#include "proxy/uv/resolver.h"

#include <netdb.h>
#include <uv.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/uv/loop.h"

namespace usher::uv {

// Lives until libuv's callback, also when the Resolver is gone by then (`owner` null).
struct Resolver::Request {
  uv_getaddrinfo_t request{};
  std::vector<Request*>* pending = nullptr;
  std::string host;
  std::uint16_t port = 0;
  OnResolved on_resolved;
};

namespace {

std::vector<SocketAddress> addresses_of(const addrinfo* list, std::uint16_t port) {
  std::vector<SocketAddress> addresses;
  for (; list != nullptr; list = list->ai_next) {
    SocketAddress address = SocketAddress::from(*list->ai_addr);
    address.set_port(port);
    if (std::ranges::find(addresses, address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

}  // namespace

Resolver::Resolver(Loop& loop) : loop_(loop) {}

Resolver::~Resolver() {
  for (Request* request : pending_) {
    request->pending = nullptr;
    (void)uv_cancel(reinterpret_cast<uv_req_t*>(&request->request));
  }
}

void Resolver::resolve(const std::string& host, std::uint16_t port, OnResolved on_resolved) {
  loop_.assert_thread();
  auto request = std::make_unique<Request>();
  request->pending = &pending_;
  request->host = host;
  request->port = port;
  request->on_resolved = std::move(on_resolved);
  request->request.data = request.get();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const auto done = [](uv_getaddrinfo_t* finished, int status, addrinfo* list) {
    const std::unique_ptr<Request> owned(static_cast<Request*>(finished->data));
    std::vector<SocketAddress> addresses = addresses_of(list, owned->port);
    uv_freeaddrinfo(list);
    if (owned->pending == nullptr) {
      return;
    }
    std::erase(*owned->pending, owned.get());
    if (addresses.empty()) {
      const char* why = status == 0 ? "no IPv4 or IPv6 address" : uv_strerror(status);
      owned->on_resolved(fail("cannot resolve '" + owned->host + "': " + why));
    } else {
      owned->on_resolved(std::move(addresses));
    }
  };
  const int error =
      uv_getaddrinfo(loop_.raw(), &request->request, done, host.c_str(), nullptr, &hints);
  pending_.push_back(request.get());
  if (error != 0) {  // a name that is too long, or no memory: answered from the loop like any other
    loop_.defer([failed = std::shared_ptr<Request>(std::move(request)), error] {
      if (failed->pending != nullptr) {
        std::erase(*failed->pending, failed.get());
        failed->on_resolved(fail("cannot resolve '" + failed->host + "': " + uv_strerror(error)));
      }
    });
    return;
  }
  (void)request.release();  // the callback owns it now
}

}  // namespace usher::uv
