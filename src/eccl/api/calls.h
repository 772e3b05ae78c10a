#pragma once

#include <memory>
#include <vector>

#include "eccl/communicator.h"

// One call of the C API with its arguments, checked and run apart, so that it may run later, in
// another thread or in a group. Buffers stay the caller's; Check copies lists of counts.

namespace regatta::eccl {

struct AllReduceCall {
  static constexpr const char* kName = "ecclAllReduce";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  ecclRedOp_t op;
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.AllReduce(send, receive, count, type, op, places);
  }
};

struct AllReduceCompressedCall {
  static constexpr const char* kName = "ecclAllReduceCompressed";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  ecclRedOp_t op;
  ecclCompressor_t handle;
  std::shared_ptr<Compressor> compressor{};
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.AllReduceCompressed(send, receive, count, type, op, compressor.get(), places);
  }
};

struct AllGatherCall {
  static constexpr const char* kName = "ecclAllGather";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  std::vector<std::size_t> counts{};
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.AllGather(send, receive, counts, type, places);
  }
};

struct AllGatherVCall {
  static constexpr const char* kName = "ecclAllGatherV";
  const void* send;
  void* receive;
  const std::size_t* list;
  ecclDataType_t type;
  std::vector<std::size_t> counts{};
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.AllGather(send, receive, counts, type, places);
  }
};

struct ReduceScatterCall {
  static constexpr const char* kName = "ecclReduceScatter";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  ecclRedOp_t op;
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.ReduceScatter(send, receive, count, type, op, places);
  }
};

struct BroadcastCall {
  static constexpr const char* kName = "ecclBroadcast";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  int root;
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.Broadcast(send, receive, count, type, root, places);
  }
};

struct ReduceCall {
  static constexpr const char* kName = "ecclReduce";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  ecclRedOp_t op;
  int root;
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.Reduce(send, receive, count, type, op, root, places);
  }
};

struct GatherCall {
  static constexpr const char* kName = "ecclGather";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  int root;
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.Gather(send, receive, count, type, root, places);
  }
};

struct ScatterCall {
  static constexpr const char* kName = "ecclScatter";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  int root;
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.Scatter(send, receive, count, type, root, places);
  }
};

struct AllToAllCall {
  static constexpr const char* kName = "ecclAllToAll";
  const void* send;
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  std::vector<std::size_t> counts{};
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.AllToAll(send, counts, receive, counts, type, places);
  }
};

struct AllToAllVCall {
  static constexpr const char* kName = "ecclAllToAllV";
  const void* send;
  const std::size_t* send_list;
  void* receive;
  const std::size_t* receive_list;
  ecclDataType_t type;
  std::vector<std::size_t> send_counts{};
  std::vector<std::size_t> receive_counts{};
  Places places{};
  base::Status Check(const Communicator& comm);
  base::Status Run(Communicator& comm) const {
    return comm.AllToAll(send, send_counts, receive, receive_counts, type, places);
  }
};

struct BarrierCall {
  static constexpr const char* kName = "ecclBarrier";
  base::Status Check(const Communicator&) { return base::Status(); }
  base::Status Run(Communicator& comm) const { return comm.Barrier(); }
};

struct SendCall {
  static constexpr const char* kName = "ecclSend";
  const void* send;
  std::size_t count;
  ecclDataType_t type;
  int peer;
  base::Status Check(const Communicator& comm);
  // In a group, which runs all its messages at the same time.
  std::vector<Transfer> Transfers() const {
    return {{.sending = true,
             .peer = peer,
             .from = static_cast<const std::byte*>(send),
             .count = count,
             .type = type}};
  }
  base::Status Run(Communicator& comm) const {
    std::size_t failed = 0;
    return comm.Exchange(Transfers(), &failed);
  }
};

struct RecvCall {
  static constexpr const char* kName = "ecclRecv";
  void* receive;
  std::size_t count;
  ecclDataType_t type;
  int peer;
  base::Status Check(const Communicator& comm);
  // In a group, which runs all its messages at the same time.
  std::vector<Transfer> Transfers() const {
    return {{.peer = peer, .to = static_cast<std::byte*>(receive), .count = count, .type = type}};
  }
  base::Status Run(Communicator& comm) const {
    std::size_t failed = 0;
    return comm.Exchange(Transfers(), &failed);
  }
};

struct SendRecvCall {
  static constexpr const char* kName = "ecclSendRecv";
  const void* send;
  std::size_t send_count;
  int to;
  void* receive;
  std::size_t receive_count;
  int from;
  ecclDataType_t type;
  base::Status Check(const Communicator& comm);
  // In a group, which runs all its messages at the same time.
  std::vector<Transfer> Transfers() const {
    return {{.sending = true,
             .peer = to,
             .from = static_cast<const std::byte*>(send),
             .count = send_count,
             .type = type},
            {.peer = from,
             .to = static_cast<std::byte*>(receive),
             .count = receive_count,
             .type = type}};
  }
  base::Status Run(Communicator& comm) const {
    std::size_t failed = 0;
    return comm.Exchange(Transfers(), &failed);
  }
};

}  // namespace regatta::eccl
