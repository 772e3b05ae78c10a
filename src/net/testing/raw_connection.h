#pragma once

// A plain TCP client for tests which send what no well-behaved client would.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "base/file.h"

namespace regatta::net {

class RawConnection {
 public:
  explicit RawConnection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{.tv_sec = 20};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  void Write(std::string_view bytes) {
    // A server that has closed already is not this helper's business.
    while (!bytes.empty()) {
      const ssize_t put = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) {
        reset_ = true;
        return;
      }
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }

  // Whether the server broke the connection instead of closing it in order. What it had sent may be
  // lost then, though Linux still delivers it.
  bool reset() const { return reset_; }

  // Everything until the server closes.
  std::string ReadToEnd() {
    while (ReadSome()) {
    }
    return std::exchange(received_, "");
  }

  // Everything up to and including `text`; fails the test when the server closes before.
  std::string ReadUntil(std::string_view text) {
    while (true) {
      const std::size_t at = received_.find(text);
      if (at != std::string::npos) {
        std::string out = received_.substr(0, at + text.size());
        received_.erase(0, at + text.size());
        return out;
      }
      if (!ReadSome()) {
        ADD_FAILURE() << "closed before \"" << text << "\"; received: " << received_;
        return "";
      }
    }
  }

 private:
  bool ReadSome() {
    char buffer[16 * 1024];
    const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got < 0) reset_ = errno == ECONNRESET;
    if (got <= 0) return false;
    received_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  base::UniqueFd fd_;
  std::string received_;
  bool reset_ = false;
};

}  // namespace regatta::net
