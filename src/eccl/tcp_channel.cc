#include <sys/socket.h>

#include <cerrno>

#include "eccl/transport.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

class TcpChannel : public Channel {
 public:
  explicit TcpChannel(base::UniqueFd socket) : socket_(std::move(socket)) {}

  base::Result<std::size_t> TrySend(std::span<const std::byte> data) override {
    const ssize_t sent = send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    return Failed("cannot send");
  }

  base::Result<std::size_t> TryReceive(std::span<std::byte> data) override {
    const ssize_t got = recv(socket_.get(), data.data(), data.size(), MSG_DONTWAIT);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return Status(Code::kUnavailable, "the peer closed the connection");
    return Failed("cannot receive");
  }

  int poll_fd() const override { return socket_.get(); }
  const char* name() const override { return "tcp"; }

 private:
  static base::Result<std::size_t> Failed(const char* what) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return std::size_t{0};
    // Whatever the reason, the stream is broken: reset, timed out, host unreachable.
    return Status(Code::kUnavailable, base::ErrnoStatus(errno, what).message());
  }

  base::UniqueFd socket_;
};

}  // namespace

std::unique_ptr<Channel> MakeTcpChannel(base::UniqueFd socket) {
  return std::make_unique<TcpChannel>(std::move(socket));
}

}  // namespace regatta::eccl
