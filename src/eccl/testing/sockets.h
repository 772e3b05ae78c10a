#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <vector>

#include "eccl/rails/rail_channel.h"
#include "eccl/wire.h"

namespace regatta::eccl {

// Two ends of a TCP connection over loopback.
inline std::array<base::UniqueFd, 2> ConnectedSockets() {
  auto listener = Listen("127.0.0.1", 0);
  EXPECT_TRUE(listener.ok()) << listener.status().message();
  const Deadline deadline = Clock::now() + std::chrono::seconds(20);
  auto one = Connect("127.0.0.1", LocalPort(listener->get()), deadline);
  EXPECT_TRUE(one.ok()) << one.status().message();
  EXPECT_TRUE(WaitFor(listener->get(), POLLIN, deadline).ok());
  base::UniqueFd other(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  EXPECT_TRUE(other.valid());
  TuneSocket(other.get());
  return {*std::move(one), std::move(other)};
}

inline std::unique_ptr<Channel> MakeRails(std::vector<base::UniqueFd> sockets,
                                          RailOptions options = {}) {
  std::vector<std::unique_ptr<Rail>> rails;
  for (base::UniqueFd& socket : sockets) {
    rails.push_back(std::make_unique<Rail>(std::move(socket), "lo"));
  }
  return RailChannel::Make(std::move(rails), options);
}

}  // namespace regatta::eccl
