#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>

#include "eccl/transport.h"
#include "eccl/wire.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

class TcpChannel : public Channel {
 public:
  TcpChannel(base::UniqueFd socket, const std::string& interface)
      : socket_(std::move(socket)), interface_(interface) {
    name_ = LocalAddress(socket_.get()) + " - " + PeerAddress(socket_.get());
    if (!interface.empty()) name_ = interface + " " + name_;
  }

  base::Result<std::size_t> TrySend(std::span<const std::byte> data) override {
    const ssize_t sent = send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return Count(&sent_, sent);
    return Failed("cannot send");
  }

  base::Result<std::size_t> TryReceive(std::span<std::byte> data) override {
    const ssize_t got = recv(socket_.get(), data.data(), data.size(), MSG_DONTWAIT);
    if (got > 0) return Count(&received_, got);
    if (got == 0) return Status(Code::kUnavailable, "the peer closed the connection");
    return Failed("cannot receive");
  }

  bool has_bell() const override { return false; }
  void AddPolls(bool sending, std::vector<Waiter::FdInterest>* polls,
                std::chrono::microseconds* /*limit*/) const override {
    polls->push_back({socket_.get(), static_cast<short>(sending ? POLLOUT : POLLIN)});
  }
  const char* name() const override { return "tcp"; }
  Traffic traffic() const override {
    return {sent_.load(std::memory_order_relaxed), received_.load(std::memory_order_relaxed)};
  }
  std::vector<RailInfo> rails() const override {
    const Traffic both = traffic();
    return {{.name = name_, .interface = interface_, .sent = both.sent, .received = both.received}};
  }

 private:
  // One thread counts, others may look.
  static std::size_t Count(std::atomic<std::uint64_t>* total, ssize_t bytes) {
    const auto more = static_cast<std::size_t>(bytes);
    total->store(total->load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    return more;
  }
  static base::Result<std::size_t> Failed(const char* what) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return std::size_t{0};
    // Whatever the reason, the stream is broken: reset, timed out, host unreachable.
    return Status(Code::kUnavailable, base::ErrnoStatus(errno, what).message());
  }

  base::UniqueFd socket_;
  std::string interface_, name_;
  std::atomic<std::uint64_t> sent_{0}, received_{0};
};

}  // namespace

std::unique_ptr<Channel> MakeTcpChannel(base::UniqueFd socket, const std::string& interface) {
  return std::make_unique<TcpChannel>(std::move(socket), interface);
}

}  // namespace regatta::eccl
