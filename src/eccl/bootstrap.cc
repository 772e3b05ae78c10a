#include "eccl/bootstrap.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/random.h"
#include "base/version.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// How long a rank that was named as missing is described: "ranks 1, 4".
std::string MissingRanks(const std::vector<base::UniqueFd>& sockets) {
  std::vector<std::string> missing;
  for (std::size_t rank = 1; rank < sockets.size(); ++rank) {
    if (!sockets[rank].valid()) missing.push_back(std::to_string(rank));
  }
  std::string text = missing.size() == 1 ? "rank " : "ranks ";
  constexpr std::size_t kShown = 16;
  for (std::size_t i = 0; i < std::min(missing.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + missing[i];
  }
  if (missing.size() > kShown) text += " and " + std::to_string(missing.size() - kShown) + " more";
  return text;
}

}  // namespace

Hello MakeHello(Hello::Purpose purpose, int rank, int size) {
  char name[256] = "?";
  gethostname(name, sizeof(name) - 1);
  return Hello{purpose,
               static_cast<std::uint32_t>(rank),
               static_cast<std::uint32_t>(size),
               static_cast<std::uint32_t>(getpid()),
               name,
               base::Version()};
}

base::Result<std::unique_ptr<Bootstrap>> Bootstrap::Join(BootstrapOptions options) {
  std::unique_ptr<Bootstrap> bootstrap(new Bootstrap(std::move(options)));
  if (bootstrap->options_.rank == 0) {
    BASE_RETURN_IF_ERROR(bootstrap->Host());
  } else {
    BASE_RETURN_IF_ERROR(bootstrap->Visit());
  }
  return bootstrap;
}

Status Bootstrap::Host() {
  const std::string place = options_.host + ":" + std::to_string(options_.port);
  base::UniqueFd listener = std::move(options_.listener);
  if (!listener.valid()) {
    auto made = Listen(options_.host, options_.port);
    if (!made.ok()) {
      return Status(made.status().code(),
                    "rank 0 cannot listen for the other ranks: " + made.status().message());
    }
    listener = *std::move(made);
  }
  local_address_ = LocalAddress(listener.get());
  nonce_.resize(16);
  base::FillRandom(nonce_.data(), nonce_.size());
  const auto size = static_cast<std::size_t>(options_.size);
  sockets_.resize(size);
  names_.resize(size);
  std::size_t joined = 1;

  Acceptor acceptor({listener.get()}, options_.key, [&](Acceptor::Guest& guest) {
    const Hello& hello = guest.hello;
    if (hello.purpose != Hello::kJoin) {
      return Status(Code::kInvalidArgument, "it wants something other than to join");
    }
    if (hello.size != size) {
      return Status(Code::kInvalidArgument, "it was started for " + std::to_string(hello.size) +
                                                " ranks, this job has " + std::to_string(size));
    }
    if (hello.rank == 0 || hello.rank >= size) {
      return Status(Code::kInvalidArgument,
                    hello.rank == 0 ? "rank 0 is taken by the process that listens at " + place
                                    : "ranks go from 0 to " + std::to_string(size - 1));
    }
    if (sockets_[hello.rank].valid()) {
      return Status(Code::kAlreadyExists, "its rank is taken by " + names_[hello.rank] +
                                              "; every process needs a rank of its own");
    }
    const std::string body = BodyWriter().Raw(nonce_).Text(PeerAddress(guest.fd.get())).body();
    BASE_RETURN_IF_ERROR(
        SendAll(guest.fd.get(), EncodeFrame(FrameType::kWelcome, body), options_.deadline));
    names_[hello.rank] = hello.Describe();
    sockets_[hello.rank] = std::move(guest.fd);
    ++joined;
    return Status();
  });
  Status status = acceptor.Run([&] { return joined == size; }, options_.deadline);
  if (status.ok()) return status;
  std::string text = MissingRanks(sockets_) + " of " + std::to_string(size) + " did not join at " +
                     place + " in time";
  for (const std::string& refusal : acceptor.refusals()) text += "; " + refusal;
  return Refuse(Status(status.code(), text));
}

Status Bootstrap::Visit() {
  auto fd = Connect(options_.host, options_.port, options_.deadline);
  if (!fd.ok()) {
    return Status(fd.status().code(), "rank " + std::to_string(options_.rank) +
                                          " cannot reach rank 0 at " + fd.status().message());
  }
  local_address_ = LocalAddress(fd->get());
  auto welcome = Introduce(fd->get(), MakeHello(Hello::kJoin, options_.rank, options_.size),
                           options_.key, options_.deadline);
  if (!welcome.ok()) {
    return Status(welcome.status().code(), "rank 0 at " + options_.host + ":" +
                                               std::to_string(options_.port) + ": " +
                                               welcome.status().message());
  }
  BodyReader reader(*welcome);
  nonce_ = reader.Raw(16);
  public_address_ = reader.Text();
  if (!reader.ok()) return Status(Code::kDataLoss, "rank 0 sent a malformed welcome");
  sockets_.push_back(*std::move(fd));
  return Status();
}

base::Result<std::vector<std::string>> Bootstrap::AllGather(std::string_view blob) {
  const auto size = static_cast<std::size_t>(options_.size);
  std::vector<std::string> all(size);
  if (options_.rank != 0) {
    BASE_RETURN_IF_ERROR(
        SendAll(sockets_[0].get(), EncodeFrame(FrameType::kData, blob), options_.deadline));
    auto answer = ReceiveFrame(sockets_[0].get(), options_.deadline);
    if (!answer.ok()) {
      return Status(answer.status().code(), "rank 0 at " + options_.host + ":" +
                                                std::to_string(options_.port) +
                                                " during start-up: " + answer.status().message());
    }
    BodyReader reader(answer->body);
    if (answer->header.type == FrameType::kRefuse) {
      return Status(Code::kUnavailable, reader.Text());
    }
    for (std::string& one : all) one = reader.Text();
    if (!reader.ok() || reader.left() != 0) {
      return Status(Code::kDataLoss, "rank 0 sent a malformed table");
    }
    return all;
  }
  all[0] = blob;
  for (std::size_t rank = 1; rank < size; ++rank) {
    auto frame = ReceiveFrame(sockets_[rank].get(), options_.deadline, 64u << 10);
    if (!frame.ok()) {
      return Refuse(Status(frame.status().code(),
                           names_[rank] + " failed during start-up: " + frame.status().message()));
    }
    all[rank] = std::move(frame->body);
  }
  BodyWriter table;
  for (const std::string& one : all) table.Text(one);
  BASE_RETURN_IF_ERROR(Broadcast(FrameType::kData, table.body()));
  return all;
}

Status Bootstrap::Check() {
  for (std::size_t peer = 0; peer < sockets_.size(); ++peer) {
    if (!sockets_[peer].valid()) continue;
    char first = 0;
    const ssize_t got = recv(sockets_[peer].get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) continue;
    // A rank may be further on than rank 0, but rank 0 says nothing before this rank has spoken,
    // unless it gives up.
    if (got > 0 && options_.rank == 0) continue;
    if (got > 0) {
      BASE_ASSIGN_OR_RETURN(const Frame frame, ReceiveFrame(sockets_[0].get(), options_.deadline));
      return Status(Code::kUnavailable, BodyReader(frame.body).Text());
    }
    const std::string why =
        got == 0 ? "its process is gone" : base::ErrnoStatus(errno, "its connection").message();
    if (options_.rank == 0) {
      return Refuse(Status(Code::kUnavailable, names_[peer] + " left during start-up: " + why));
    }
    return Status(Code::kUnavailable, "rank 0 at " + options_.host + ":" +
                                          std::to_string(options_.port) +
                                          " left during start-up: " + why);
  }
  return Status();
}

Status Bootstrap::Broadcast(FrameType type, const std::string& body) {
  const std::string frame = EncodeFrame(type, body);
  for (std::size_t rank = 1; rank < sockets_.size(); ++rank) {
    const Status sent = SendAll(sockets_[rank].get(), frame, options_.deadline);
    if (!sent.ok()) {
      return Refuse(
          Status(sent.code(), names_[rank] + " failed during start-up: " + sent.message()));
    }
  }
  return Status();
}

Status Bootstrap::Refuse(Status why) {
  const std::string frame =
      EncodeFrame(FrameType::kRefuse, BodyWriter().Text(why.message()).body());
  for (const base::UniqueFd& socket : sockets_) {
    // Best effort: whoever cannot be told sees the connection close.
    if (socket.valid()) (void)SendAll(socket.get(), frame, Clock::now() + std::chrono::seconds(1));
  }
  return why;
}

}  // namespace regatta::eccl
