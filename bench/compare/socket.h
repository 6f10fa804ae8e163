#pragma once

#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "proxy/base/unique_fd.h"

/// What the load client and the backend share. Both are measuring tools: whatever they did not
/// expect ends the process with a message, because a figure taken after a surprise is worth
/// nothing.
namespace usher::bench {

[[noreturn]] void die(std::string_view what);
[[noreturn]] void die_errno(std::string_view what);

/// A non-blocking listener on 127.0.0.1; `port` 0 lets the kernel choose.
UniqueFd listen_on_loopback(uint16_t port);
uint16_t port_of(const UniqueFd& socket);

/// A non-blocking connection to 127.0.0.1, usually still being made. Nagle is off.
UniqueFd connect_to_loopback(uint16_t port);

/// The error that ended an attempt to connect, as errno; 0 when it succeeded.
int connect_error(const UniqueFd& socket);

/// An epoll instance that reports edges of `socket`, in both directions, with `tag`.
UniqueFd new_epoll();
void watch_edges(const UniqueFd& epoll, const UniqueFd& socket, void* tag);

}  // namespace usher::bench
