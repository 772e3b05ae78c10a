#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <thread>

#include "base/random.h"
#include "eccl/communicator.h"
#include "eccl/formats/compressor.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

thread_local std::string last_error;

// ecclComm_t is a number in this table, not an address: a handle that is used after its end is
// noticed, and a communicator lives until the last call inside it has returned.
struct Table {
  std::mutex mutex;
  std::uintptr_t next = 1;
  std::map<std::uintptr_t, std::shared_ptr<Communicator>> communicators;
  std::map<std::string, base::UniqueFd> listeners;  // of ecclGetUniqueId, by secret
};
Table& TheTable() {
  static Table& table = *new Table;  // Never destroyed: other threads may be inside at exit.
  return table;
}

ecclResult_t ResultOf(Code code) {
  switch (code) {
    case Code::kOk:
      return ecclSuccess;
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return ecclInvalidArgument;
    case Code::kFailedPrecondition:
    case Code::kAlreadyExists:
    case Code::kUnauthenticated:
      return ecclInvalidUsage;
    case Code::kUnavailable:
    case Code::kDataLoss:
      return ecclRemoteError;
    case Code::kDeadlineExceeded:
      return ecclTimeout;
    case Code::kCancelled:
      return ecclAborted;
    case Code::kAborted:
      return ecclMismatch;
    case Code::kInternal:
    case Code::kUnimplemented:
      return ecclInternalError;
    default:
      return ecclSystemError;
  }
}

// Every entry point runs inside this: nothing is thrown into C, and the text is kept.
template <typename Function>
ecclResult_t Guarded(Function function) {
  Status status;
  try {
    status = function();
  } catch (const std::bad_alloc&) {
    status = Status(Code::kResourceExhausted, "out of memory");
  } catch (const std::exception& error) {
    status = Status(Code::kInternal, error.what());
  }
  if (!status.ok()) last_error = status.message();
  return ResultOf(status.code());
}

std::shared_ptr<Communicator> Find(ecclComm_t comm) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const auto found = table.communicators.find(reinterpret_cast<std::uintptr_t>(comm));
  return found == table.communicators.end() ? nullptr : found->second;
}

std::shared_ptr<Communicator> Take(ecclComm_t comm) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  auto node = table.communicators.extract(reinterpret_cast<std::uintptr_t>(comm));
  return node.empty() ? nullptr : std::move(node.mapped());
}

ecclComm_t Put(std::shared_ptr<Communicator> comm) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const std::uintptr_t number = table.next++;
  table.communicators[number] = std::move(comm);
  // The number is never dereferenced.
  return reinterpret_cast<ecclComm_t>(number);  // NOLINT(performance-no-int-to-ptr)
}

template <typename Function>
ecclResult_t WithComm(ecclComm_t comm, Function function) {
  return Guarded([&]() -> Status {
    const std::shared_ptr<Communicator> found = Find(comm);
    if (found == nullptr) {
      return Status(Code::kInvalidArgument,
                    "comm is no communicator: it was never made, or it was destroyed or aborted");
    }
    return function(*found);
  });
}

Status NoCompressor() {
  return Status(Code::kInvalidArgument,
                "compressor is no compressor: it was never made, or it was destroyed");
}

template <typename Function>
ecclResult_t WithCompressor(ecclCompressor_t compressor, Function function) {
  return Guarded([&]() -> Status {
    const std::shared_ptr<Compressor> found = FindCompressor(compressor);
    return found == nullptr ? NoCompressor() : function(*found);
  });
}

Status CheckType(ecclDataType_t type) {
  if (SizeOf(type) != 0) return Status();
  return Status(Code::kInvalidArgument,
                "datatype is " + std::to_string(static_cast<int>(type)) + ", no ecclDataType_t");
}

Status CheckOp(ecclRedOp_t op, ecclDataType_t type) {
  if (!IsValid(op)) {
    return Status(Code::kInvalidArgument,
                  "op is " + std::to_string(static_cast<int>(op)) + ", no ecclRedOp_t");
  }
  if (IsInteger(type) || !IsBitwise(op)) return Status();
  return Status(
      Code::kInvalidArgument,
      std::string("op ") + NameOf(op) + " combines bits of integers; datatype is " + NameOf(type));
}

Status CheckBuffer(const char* name, const void* buffer, std::size_t count) {
  if (buffer != nullptr || count == 0) return Status();
  return Status(Code::kInvalidArgument,
                std::string(name) + " is NULL, but count is " + std::to_string(count));
}

// `parts` times `count` elements have to fit into memory addresses.
Status CheckCount(std::size_t count, std::size_t parts, ecclDataType_t type) {
  if (count <= std::numeric_limits<std::ptrdiff_t>::max() / (parts * SizeOf(type))) return Status();
  return Status(Code::kInvalidArgument,
                "count is " + std::to_string(count) + ", more than the memory of any machine");
}

Status CheckRank(const char* name, int rank, int size) {
  if (rank >= 0 && rank < size) return Status();
  return Status(Code::kInvalidArgument, std::string(name) + " is " + std::to_string(rank) +
                                            "; ranks go from 0 to " + std::to_string(size - 1));
}

Status CheckPeer(const char* name, int peer, const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckRank(name, peer, comm.size()));
  if (peer != comm.rank()) return Status();
  return Status(Code::kInvalidArgument, std::string(name) + " is this rank itself");
}

base::Result<std::size_t> SumOf(const char* name, const std::size_t* counts, int parts,
                                ecclDataType_t type) {
  if (counts == nullptr) return Status(Code::kInvalidArgument, std::string(name) + " is NULL");
  std::size_t sum = 0;
  for (int i = 0; i < parts; ++i) {
    BASE_RETURN_IF_ERROR(CheckCount(counts[i], static_cast<std::size_t>(parts), type));
    sum += counts[i];
  }
  return sum;
}

// The socket that already listens for an id which this process made; invalid for other ids.
base::UniqueFd TakeListener(const UniqueId& id) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  auto node = table.listeners.extract(id.secret);
  return node.empty() ? base::UniqueFd() : std::move(node.mapped());
}

void PutListener(const UniqueId& id, base::UniqueFd listener) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  table.listeners[id.secret] = std::move(listener);
}

Status InitRank(ecclComm_t* out, int nranks, const ecclUniqueId& wire, int rank,
                const ecclConfig_t* config) {
  if (out == nullptr) return Status(Code::kInvalidArgument, "comm is NULL");
  *out = nullptr;
  if (nranks < 1) {
    return Status(Code::kInvalidArgument, "nranks is " + std::to_string(nranks) + ", less than 1");
  }
  BASE_RETURN_IF_ERROR(CheckRank("rank", rank, nranks));
  BASE_ASSIGN_OR_RETURN(const UniqueId id, DecodeUniqueId(wire));
  BASE_ASSIGN_OR_RETURN(const Options options, ReadOptions(config));
  base::UniqueFd listener = rank == 0 ? TakeListener(id) : base::UniqueFd();
  BASE_ASSIGN_OR_RETURN(auto comm,
                        Communicator::Join(rank, nranks, id, std::move(listener), options));
  *out = Put(std::move(comm));
  return Status();
}

Status GetUniqueId(ecclUniqueId* out, const ecclConfig_t* config) {
  if (out == nullptr) return Status(Code::kInvalidArgument, "id is NULL");
  BASE_ASSIGN_OR_RETURN(const Options options, ReadOptions(config));
  UniqueId id;
  id.host = options.host.empty() ? "127.0.0.1" : options.host;
  id.secret = base::RandomHex(16);
  BASE_ASSIGN_OR_RETURN(base::UniqueFd listener, Listen(id.host, 0));
  id.port = LocalPort(listener.get());
  BASE_ASSIGN_OR_RETURN(*out, EncodeUniqueId(id));
  PutListener(id, std::move(listener));
  return Status();
}

// A communicator made of another one's ranks: `make(options)`, where null stands for the other
// one's.
template <typename Make>
Status Regroup(ecclComm_t* out, const ecclConfig_t* config, Make make) {
  if (out == nullptr) return Status(Code::kInvalidArgument, "newcomm is NULL");
  *out = nullptr;
  Options options;
  if (config != nullptr) {
    BASE_ASSIGN_OR_RETURN(options, ReadOptions(config));
  }
  BASE_ASSIGN_OR_RETURN(std::shared_ptr<Communicator> comm,
                        make(config != nullptr ? &options : nullptr));
  if (comm != nullptr) *out = Put(std::move(comm));
  return Status();
}

// The part of a grown communicator's older ranks: those that were not given the id get it from rank
// 0.
Status GrowOlder(Communicator& comm, int nranks, const ecclUniqueId* id, ecclComm_t* out,
                 const ecclConfig_t* config) {
  if (nranks <= comm.size()) {
    return Status(Code::kInvalidArgument, "nranks is " + std::to_string(nranks) +
                                              "; the communicator has " +
                                              std::to_string(comm.size()) + " ranks already");
  }
  if (comm.rank() == 0 && id == nullptr) {
    return Status(Code::kInvalidArgument, "id is NULL; rank 0 gives what ecclCommGetUniqueId made");
  }
  ecclUniqueId shared = comm.rank() == 0 ? *id : ecclUniqueId{};
  BASE_RETURN_IF_ERROR(comm.Broadcast(&shared, &shared, sizeof(shared), ecclUint8, 0));
  return InitRank(out, nranks, shared, comm.rank(), config);
}

Status InitAll(ecclComm_t* comms, int nranks, const ecclConfig_t* config) {
  if (comms == nullptr) return Status(Code::kInvalidArgument, "comms is NULL");
  if (nranks < 1) {
    return Status(Code::kInvalidArgument, "nranks is " + std::to_string(nranks) + ", less than 1");
  }
  ecclUniqueId id;
  BASE_RETURN_IF_ERROR(GetUniqueId(&id, config));
  std::vector<Status> statuses(static_cast<std::size_t>(nranks));
  {
    std::vector<std::jthread> threads;
    threads.reserve(statuses.size());
    for (int rank = 0; rank < nranks; ++rank) {
      threads.emplace_back([&, rank] {
        statuses[static_cast<std::size_t>(rank)] = InitRank(&comms[rank], nranks, id, rank, config);
      });
    }
  }
  for (const Status& status : statuses) {
    if (status.ok()) continue;
    for (int rank = 0; rank < nranks; ++rank) {
      if (const auto comm = Take(comms[rank])) comm->Abort();
      comms[rank] = nullptr;
    }
    return status;
  }
  return Status();
}

}  // namespace
}  // namespace regatta::eccl

using namespace regatta::eccl;  // NOLINT(google-build-using-namespace): the entry points follow
using regatta::base::Code;
using regatta::base::Status;

extern "C" {

ecclResult_t ecclGetVersion(int* version) {
  return Guarded([&]() -> Status {
    if (version == nullptr) return Status(Code::kInvalidArgument, "version is NULL");
    *version = ECCL_VERSION_CODE;
    return Status();
  });
}

const char* ecclGetErrorString(ecclResult_t result) {
  switch (result) {
    case ecclSuccess:
      return "no error";
    case ecclSystemError:
      return "system error";
    case ecclInternalError:
      return "internal error";
    case ecclInvalidArgument:
      return "invalid argument";
    case ecclInvalidUsage:
      return "invalid usage";
    case ecclRemoteError:
      return "remote error";
    case ecclTimeout:
      return "timed out";
    case ecclAborted:
      return "aborted";
    case ecclMismatch:
      return "ranks called different operations";
  }
  return "unknown result code";
}

const char* ecclGetLastError(ecclComm_t) { return last_error.c_str(); }

ecclResult_t ecclSetCallSite(const char* text) {
  SetCallSite(text);
  return ecclSuccess;
}

ecclResult_t ecclGetUniqueId(ecclUniqueId* id) {
  return Guarded([&] { return GetUniqueId(id, nullptr); });
}

ecclResult_t ecclGetUniqueIdConfig(ecclUniqueId* id, const ecclConfig_t* config) {
  return Guarded([&] { return GetUniqueId(id, config); });
}

ecclResult_t ecclUniqueIdFromEnvironment(ecclUniqueId* id) {
  return Guarded([&]() -> Status {
    if (id == nullptr) return Status(Code::kInvalidArgument, "id is NULL");
    BASE_ASSIGN_OR_RETURN(const UniqueId found, UniqueIdFromEnvironment());
    BASE_ASSIGN_OR_RETURN(*id, EncodeUniqueId(found));
    return Status();
  });
}

ecclResult_t ecclCommInitRank(ecclComm_t* comm, int nranks, ecclUniqueId id, int rank) {
  return Guarded([&] { return InitRank(comm, nranks, id, rank, nullptr); });
}

ecclResult_t ecclCommInitRankConfig(ecclComm_t* comm, int nranks, ecclUniqueId id, int rank,
                                    const ecclConfig_t* config) {
  return Guarded([&] { return InitRank(comm, nranks, id, rank, config); });
}

ecclResult_t ecclCommInitAll(ecclComm_t* comms, int nranks, const ecclConfig_t* config) {
  return Guarded([&] { return InitAll(comms, nranks, config); });
}

ecclResult_t ecclCommSplit(ecclComm_t comm, int color, int key, ecclComm_t* newcomm,
                           const ecclConfig_t* config) {
  return WithComm(comm, [&](Communicator& found) {
    return Regroup(
        newcomm, config,
        [&](const Options* options) -> regatta::base::Result<std::shared_ptr<Communicator>> {
          if (color < ECCL_SPLIT_NOCOLOR) {
            return Status(Code::kInvalidArgument, "color is " + std::to_string(color) +
                                                      "; it is 0 or more, or ECCL_SPLIT_NOCOLOR");
          }
          return found.Split(color, key, options);
        });
  });
}

ecclResult_t ecclCommShrink(ecclComm_t comm, const int* excluded, int count, ecclComm_t* newcomm,
                            const ecclConfig_t* config) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    if (count < 0 || (count > 0 && excluded == nullptr)) {
      return Status(Code::kInvalidArgument, "excluded is not a list of count ranks");
    }
    const std::vector<int> ranks(excluded, excluded + count);
    for (const int rank : ranks) {
      BASE_RETURN_IF_ERROR(CheckRank("an excluded rank", rank, found.size()));
    }
    return Regroup(newcomm, config,
                   [&](const Options* options) { return found.Shrink(ranks, options); });
  });
}

ecclResult_t ecclCommGetLostRanks(ecclComm_t comm, int* ranks, int capacity, int* count) {
  return WithComm(comm, [&](const Communicator& found) {
    if (count == nullptr) return Status(Code::kInvalidArgument, "count is NULL");
    if (capacity < 0 || (capacity > 0 && ranks == nullptr)) {
      return Status(Code::kInvalidArgument, "ranks has no room for capacity numbers");
    }
    const std::vector<int> gone = found.Gone();
    *count = static_cast<int>(gone.size());
    std::copy_n(gone.begin(), std::min(*count, capacity), ranks);
    return Status();
  });
}

ecclResult_t ecclCommGetUniqueId(ecclComm_t comm, ecclUniqueId* id) {
  return WithComm(comm, [&](const Communicator& found) -> Status {
    if (id == nullptr) return Status(Code::kInvalidArgument, "id is NULL");
    if (found.rank() != 0) {
      return Status(Code::kFailedPrecondition, "rank " + std::to_string(found.rank()) +
                                                   " called ecclCommGetUniqueId; rank 0 does");
    }
    regatta::base::UniqueFd listener;
    BASE_ASSIGN_OR_RETURN(const UniqueId made, found.MakeId(&listener));
    BASE_ASSIGN_OR_RETURN(*id, EncodeUniqueId(made));
    PutListener(made, std::move(listener));
    return Status();
  });
}

ecclResult_t ecclCommGrow(ecclComm_t comm, int nranks, const ecclUniqueId* id, int rank,
                          ecclComm_t* newcomm, const ecclConfig_t* config) {
  if (comm != nullptr) {
    return WithComm(comm, [&](Communicator& found) -> Status {
      if (rank == -1) return GrowOlder(found, nranks, id, newcomm, config);
      return Status(Code::kInvalidArgument, "rank is " + std::to_string(rank) +
                                                "; a rank of comm keeps its own, and passes -1");
    });
  }
  return Guarded([&]() -> Status {
    if (id == nullptr) {
      return Status(Code::kInvalidArgument, "id is NULL; a new rank needs what rank 0 made");
    }
    return InitRank(newcomm, nranks, *id, rank, config);
  });
}

ecclResult_t ecclCommDestroy(ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) {
    found.Leave();
    Take(comm);
    return Status();
  });
}

ecclResult_t ecclCommAbort(ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) {
    Take(comm);
    found.Abort();
    return Status();
  });
}

ecclResult_t ecclCommGetAsyncError(ecclComm_t comm, ecclResult_t* state) {
  return WithComm(comm, [&](const Communicator& found) {
    if (state == nullptr) return Status(Code::kInvalidArgument, "state is NULL");
    const Status status = found.state();
    *state = ResultOf(status.code());
    if (!status.ok()) last_error = status.message();
    return Status();
  });
}

ecclResult_t ecclCommSetTimeout(ecclComm_t comm, int64_t timeout_ms) {
  return WithComm(comm, [&](Communicator& found) {
    if (timeout_ms < 1) {
      return Status(Code::kInvalidArgument,
                    "timeout_ms is " + std::to_string(timeout_ms) + ", less than 1");
    }
    found.SetTimeout(std::chrono::milliseconds(timeout_ms));
    return Status();
  });
}

ecclResult_t ecclCommCount(ecclComm_t comm, int* count) {
  return WithComm(comm, [&](const Communicator& found) {
    if (count == nullptr) return Status(Code::kInvalidArgument, "count is NULL");
    *count = found.size();
    return Status();
  });
}

ecclResult_t ecclCommUserRank(ecclComm_t comm, int* rank) {
  return WithComm(comm, [&](const Communicator& found) {
    if (rank == nullptr) return Status(Code::kInvalidArgument, "rank is NULL");
    *rank = found.rank();
    return Status();
  });
}

ecclResult_t ecclCommGetLastOp(ecclComm_t comm, ecclOpInfo_t* info) {
  return WithComm(comm, [&](const Communicator& found) {
    if (info == nullptr) return Status(Code::kInvalidArgument, "info is NULL");
    *info = found.last_op();
    return Status();
  });
}

ecclResult_t ecclAllReduce(const void* sendbuff, void* recvbuff, size_t count,
                           ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckOp(op, datatype));
    BASE_RETURN_IF_ERROR(CheckCount(count, 1, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, count));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, count));
    return found.AllReduce(sendbuff, recvbuff, count, datatype, op);
  });
}

ecclResult_t ecclAllReduceCompressed(const void* sendbuff, void* recvbuff, size_t count,
                                     ecclDataType_t datatype, ecclRedOp_t op,
                                     ecclCompressor_t compressor, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    const std::shared_ptr<Compressor> with = FindCompressor(compressor);
    if (with == nullptr) return NoCompressor();
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckOp(op, datatype));
    BASE_RETURN_IF_ERROR(CheckCount(count, 1, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, count));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, count));
    return found.AllReduceCompressed(sendbuff, recvbuff, count, datatype, op, with.get());
  });
}

ecclResult_t ecclCompressorCreate(ecclCompressor_t* compressor,
                                  const ecclCompressorConfig_t* config) {
  return Guarded([&] { return CreateCompressor(config, compressor); });
}

ecclResult_t ecclCompressorDestroy(ecclCompressor_t compressor) {
  return Guarded([&] { return TakeCompressor(compressor) == nullptr ? NoCompressor() : Status(); });
}

ecclResult_t ecclCompressorReset(ecclCompressor_t compressor) {
  return WithCompressor(compressor, [](Compressor& found) {
    found.Reset();
    return Status();
  });
}

ecclResult_t ecclCompressorGetInfo(ecclCompressor_t compressor, ecclCompressorInfo_t* info) {
  return WithCompressor(compressor, [&](Compressor& found) {
    if (info == nullptr) return Status(Code::kInvalidArgument, "info is NULL");
    *info = found.info();
    return Status();
  });
}

ecclResult_t ecclCompressorSave(ecclCompressor_t compressor, void* buffer, size_t* bytes) {
  return WithCompressor(compressor, [&](Compressor& found) {
    if (bytes == nullptr) return Status(Code::kInvalidArgument, "bytes is NULL");
    const std::vector<std::byte> state = found.Save();
    const std::size_t room = std::exchange(*bytes, state.size());
    if (buffer == nullptr) return Status();
    if (room < state.size()) {
      return Status(Code::kInvalidArgument, "the buffer has " + std::to_string(room) +
                                                " bytes; the state needs " +
                                                std::to_string(state.size()));
    }
    std::memcpy(buffer, state.data(), state.size());
    return Status();
  });
}

ecclResult_t ecclCompressorRestore(ecclCompressor_t compressor, const void* state, size_t bytes) {
  return WithCompressor(compressor, [&](Compressor& found) -> Status {
    if (state == nullptr) return Status(Code::kInvalidArgument, "state is NULL");
    return found.Restore({static_cast<const std::byte*>(state), bytes});
  });
}

ecclResult_t ecclAllGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                           ecclDataType_t datatype, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    const auto parts = static_cast<std::size_t>(found.size());
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckCount(sendcount, parts, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, sendcount));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, sendcount));
    return found.AllGather(sendbuff, recvbuff, std::vector<std::size_t>(parts, sendcount),
                           datatype);
  });
}

ecclResult_t ecclAllGatherV(const void* sendbuff, void* recvbuff, const size_t* counts,
                            ecclDataType_t datatype, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_ASSIGN_OR_RETURN(const std::size_t sum, SumOf("counts", counts, found.size(), datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, counts[found.rank()]));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, sum));
    return found.AllGather(sendbuff, recvbuff, {counts, static_cast<std::size_t>(found.size())},
                           datatype);
  });
}

ecclResult_t ecclReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                               ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckOp(op, datatype));
    BASE_RETURN_IF_ERROR(CheckCount(recvcount, static_cast<std::size_t>(found.size()), datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, recvcount));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, recvcount));
    return found.ReduceScatter(sendbuff, recvbuff, recvcount, datatype, op);
  });
}

ecclResult_t ecclBroadcast(const void* sendbuff, void* recvbuff, size_t count,
                           ecclDataType_t datatype, int root, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckRank("root", root, found.size()));
    BASE_RETURN_IF_ERROR(CheckCount(count, 1, datatype));
    if (found.rank() == root) BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, count));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, count));
    return found.Broadcast(sendbuff, recvbuff, count, datatype, root);
  });
}

ecclResult_t ecclReduce(const void* sendbuff, void* recvbuff, size_t count, ecclDataType_t datatype,
                        ecclRedOp_t op, int root, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckOp(op, datatype));
    BASE_RETURN_IF_ERROR(CheckRank("root", root, found.size()));
    BASE_RETURN_IF_ERROR(CheckCount(count, 1, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, count));
    if (found.rank() == root) BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, count));
    return found.Reduce(sendbuff, recvbuff, count, datatype, op, root);
  });
}

ecclResult_t ecclGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                        ecclDataType_t datatype, int root, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckRank("root", root, found.size()));
    BASE_RETURN_IF_ERROR(CheckCount(sendcount, static_cast<std::size_t>(found.size()), datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, sendcount));
    if (found.rank() == root) BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, sendcount));
    return found.Gather(sendbuff, recvbuff, sendcount, datatype, root);
  });
}

ecclResult_t ecclScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                         ecclDataType_t datatype, int root, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckRank("root", root, found.size()));
    BASE_RETURN_IF_ERROR(CheckCount(recvcount, static_cast<std::size_t>(found.size()), datatype));
    if (found.rank() == root) BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, recvcount));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, recvcount));
    return found.Scatter(sendbuff, recvbuff, recvcount, datatype, root);
  });
}

ecclResult_t ecclAllToAll(const void* sendbuff, void* recvbuff, size_t count,
                          ecclDataType_t datatype, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    const auto parts = static_cast<std::size_t>(found.size());
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckCount(count, parts, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, count));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, count));
    const std::vector<std::size_t> counts(parts, count);
    return found.AllToAll(sendbuff, counts, recvbuff, counts, datatype);
  });
}

ecclResult_t ecclAllToAllV(const void* sendbuff, const size_t* sendcounts, void* recvbuff,
                           const size_t* recvcounts, ecclDataType_t datatype, ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    const auto parts = static_cast<std::size_t>(found.size());
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_ASSIGN_OR_RETURN(const std::size_t out,
                          SumOf("sendcounts", sendcounts, found.size(), datatype));
    BASE_ASSIGN_OR_RETURN(const std::size_t in,
                          SumOf("recvcounts", recvcounts, found.size(), datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, out));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, in));
    if (sendcounts[found.rank()] != recvcounts[found.rank()]) {
      return Status(Code::kInvalidArgument,
                    "sendcounts and recvcounts differ for this rank itself");
    }
    return found.AllToAll(sendbuff, {sendcounts, parts}, recvbuff, {recvcounts, parts}, datatype);
  });
}

ecclResult_t ecclBarrier(ecclComm_t comm) {
  return WithComm(comm, [](Communicator& found) { return found.Barrier(); });
}

ecclResult_t ecclSend(const void* sendbuff, size_t count, ecclDataType_t datatype, int peer,
                      ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckPeer("peer", peer, found));
    BASE_RETURN_IF_ERROR(CheckCount(count, 1, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, count));
    return found.SendReceive(sendbuff, {count, peer}, nullptr, {0, -1}, datatype);
  });
}

ecclResult_t ecclRecv(void* recvbuff, size_t count, ecclDataType_t datatype, int peer,
                      ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckPeer("peer", peer, found));
    BASE_RETURN_IF_ERROR(CheckCount(count, 1, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, count));
    return found.SendReceive(nullptr, {0, -1}, recvbuff, {count, peer}, datatype);
  });
}

ecclResult_t ecclSendRecv(const void* sendbuff, size_t sendcount, int sendpeer, void* recvbuff,
                          size_t recvcount, int recvpeer, ecclDataType_t datatype,
                          ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) -> Status {
    BASE_RETURN_IF_ERROR(CheckType(datatype));
    BASE_RETURN_IF_ERROR(CheckPeer("sendpeer", sendpeer, found));
    BASE_RETURN_IF_ERROR(CheckPeer("recvpeer", recvpeer, found));
    BASE_RETURN_IF_ERROR(CheckCount(sendcount, 1, datatype));
    BASE_RETURN_IF_ERROR(CheckCount(recvcount, 1, datatype));
    BASE_RETURN_IF_ERROR(CheckBuffer("sendbuff", sendbuff, sendcount));
    BASE_RETURN_IF_ERROR(CheckBuffer("recvbuff", recvbuff, recvcount));
    return found.SendReceive(sendbuff, {sendcount, sendpeer}, recvbuff, {recvcount, recvpeer},
                             datatype);
  });
}

}  // extern "C"
