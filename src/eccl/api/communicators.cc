#include <algorithm>
#include <thread>

#include "base/random.h"
#include "device/kinds.h"
#include "eccl/api/checks.h"
#include "eccl/api/guard.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

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
  *out = PutComm(std::move(comm));
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
  if (comm != nullptr) *out = PutComm(std::move(comm));
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
      if (const auto comm = TakeComm(comms[rank])) comm->Abort();
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
    TakeComm(comm);
    return Status();
  });
}

ecclResult_t ecclCommAbort(ecclComm_t comm) {
  return WithComm(comm, [&](Communicator& found) {
    TakeComm(comm);
    found.Abort();
    return Status();
  });
}

ecclResult_t ecclCommGetAsyncError(ecclComm_t comm, ecclResult_t* state) {
  return WithComm(comm, [&](const Communicator& found) {
    if (state == nullptr) return Status(Code::kInvalidArgument, "state is NULL");
    const Status status = found.state();
    *state = ResultOf(status.code());
    if (!status.ok()) LastError() = status.message();
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

ecclResult_t ecclCommSetStream(ecclComm_t comm, void* stream) {
  return WithComm(comm, [&](Communicator& found) { return found.SetStream(stream); });
}

ecclResult_t ecclGetDeviceApi(const char* kind, const regattaDeviceApi** api) {
  return Guarded([&]() -> Status {
    if (kind == nullptr) return Status(Code::kInvalidArgument, "kind is NULL");
    if (api == nullptr) return Status(Code::kInvalidArgument, "api is NULL");
    *api = nullptr;
    auto found = regatta::device::FindKind(kind);
    // There being none is about the argument, as for a rank that is none.
    if (!found.ok()) return Status(Code::kInvalidArgument, found.status().message());
    *api = *found;
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

}  // extern "C"
