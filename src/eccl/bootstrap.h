#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "eccl/acceptor.h"
#include "eccl/wire.h"

namespace regatta::eccl {

struct BootstrapOptions {
  int rank = 0;
  int size = 1;
  std::string host;  // where rank 0 listens
  std::uint16_t port = 0;
  std::string key;  // what hellos are proved with
  Deadline deadline;
  // Rank 0 only: a socket that already listens (ecclGetUniqueId made it); else one is made.
  base::UniqueFd listener;
};

// The meeting of all ranks: a star of TCP connections around rank 0, over which small blobs are
// gathered. Afterwards the same connections serve the Monitor. Used by one thread.
class Bootstrap {
 public:
  static base::Result<std::unique_ptr<Bootstrap>> Join(BootstrapOptions options);

  // Every rank gives a blob and gets those of all, by rank. The ranks make the same calls in the
  // same order. An error names the rank that left.
  base::Result<std::vector<std::string>> AllGather(std::string_view blob);

  // Between two gatherings, whether all are still there: an error names the rank that left. Rank 0
  // then tells the others. Does not wait.
  base::Status Check();

  // Random bytes that this communicator's ranks share and nobody else knows.
  const std::string& nonce() const { return nonce_; }
  // Numeric: where this rank should listen for its peers, and where they reach it.
  const std::string& local_address() const { return local_address_; }
  const std::string& public_address() const { return public_address_; }
  // The address at which this rank reached rank 0; "" on rank 0.
  std::string hub_address() const {
    return options_.rank == 0 ? "" : PeerAddress(sockets_[0].get());
  }
  // Rank 0: one socket a rank, its own invalid. Others: sockets[0] is the one to rank 0.
  std::vector<base::UniqueFd> TakeSockets() { return std::move(sockets_); }

 private:
  explicit Bootstrap(BootstrapOptions options) : options_(std::move(options)) {}
  base::Status Host();
  base::Status Visit();
  base::Status Broadcast(FrameType type, const std::string& body);
  // Rank 0 gives up: tells everybody why, and returns that.
  base::Status Refuse(base::Status why);

  BootstrapOptions options_;
  std::vector<base::UniqueFd> sockets_;
  std::vector<std::string> names_;
  std::string nonce_;
  std::string local_address_;
  std::string public_address_;
};

// Who this process is, for hellos and messages.
Hello MakeHello(Hello::Purpose purpose, int rank, int size);

}  // namespace regatta::eccl
