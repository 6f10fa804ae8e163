#include "proxy/push/channel.h"

#include <utility>

#include "proxy/push/socket_channel.h"

namespace usher::push {

std::unique_ptr<Channel> Channel::accept(uv::Loop& loop, UniqueFd socket,
                                         std::shared_ptr<const ChannelTls> tls, Events events,
                                         const ChannelLimits& limits) {
  auto channel = std::make_unique<SocketChannel>(loop, std::move(tls), std::move(events), limits);
  channel->begin_accepted(std::move(socket));
  return channel;
}

std::unique_ptr<Channel> Channel::connect(uv::Loop& loop, const Endpoint& endpoint,
                                          std::shared_ptr<const ChannelTls> tls, Events events,
                                          const ChannelLimits& limits) {
  auto channel = std::make_unique<SocketChannel>(loop, std::move(tls), std::move(events), limits);
  channel->begin_connect(endpoint);
  return channel;
}

}  // namespace usher::push
