#include <algorithm>

#include "eccl/api/invoke.h"

using namespace regatta::eccl;  // NOLINT(google-build-using-namespace): the entry points follow

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

Status NoRequest() {
  return Status(Code::kInvalidArgument,
                "request is no request: it was never made, or its end was taken by "
                "ecclRequestWait, or it was freed");
}

ecclResult_t Outcome(const std::optional<Status>& status) {
  if (!status) return ecclInProgress;
  if (!status->ok()) LastError() = status->message();
  return ResultOf(status->code());
}

ecclResult_t Wait(ecclRequest_t request, std::int64_t timeout_ms) {
  ecclResult_t outcome = ecclSuccess;
  const ecclResult_t result = Guarded([&]() -> Status {
    const std::shared_ptr<Request> found = FindRequest(request);
    if (found == nullptr) return NoRequest();
    if (timeout_ms < -1) {
      return Status(Code::kInvalidArgument, "timeout_ms is " + std::to_string(timeout_ms) +
                                                "; it is 0 or more, or -1 for no limit");
    }
    // No clock counts further, and nobody waits longer.
    constexpr std::int64_t kLongest = std::int64_t{1000} * 3600 * 24 * 365;
    std::optional<std::chrono::milliseconds> limit;
    if (timeout_ms >= 0) limit = std::chrono::milliseconds(std::min(timeout_ms, kLongest));
    outcome = Outcome(found->Wait(limit));
    if (outcome != ecclInProgress) TakeRequest(request);
    return Status();
  });
  return result == ecclSuccess ? outcome : result;
}

}  // namespace
}  // namespace regatta::eccl

extern "C" {

ecclResult_t ecclRequestWait(ecclRequest_t request, int64_t timeout_ms) {
  return Wait(request, timeout_ms);
}

ecclResult_t ecclRequestTest(ecclRequest_t request, ecclResult_t* result) {
  return Guarded([&]() -> Status {
    const std::shared_ptr<Request> found = FindRequest(request);
    if (found == nullptr) return NoRequest();
    if (result == nullptr) return Status(Code::kInvalidArgument, "result is NULL");
    *result = Outcome(found->Result());
    return Status();
  });
}

ecclResult_t ecclRequestFree(ecclRequest_t request) {
  return Guarded([&] { return TakeRequest(request) == nullptr ? NoRequest() : Status(); });
}

ecclResult_t ecclAllReduceAsync(const void* sendbuff, void* recvbuff, size_t count,
                                ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm,
                                ecclRequest_t* request) {
  return Submit(comm, AllReduceCall{sendbuff, recvbuff, count, datatype, op}, request);
}

ecclResult_t ecclAllReduceCompressedAsync(const void* sendbuff, void* recvbuff, size_t count,
                                          ecclDataType_t datatype, ecclRedOp_t op,
                                          ecclCompressor_t compressor, ecclComm_t comm,
                                          ecclRequest_t* request) {
  return Submit(comm, AllReduceCompressedCall{sendbuff, recvbuff, count, datatype, op, compressor},
                request);
}

ecclResult_t ecclAllGatherAsync(const void* sendbuff, void* recvbuff, size_t sendcount,
                                ecclDataType_t datatype, ecclComm_t comm, ecclRequest_t* request) {
  return Submit(comm, AllGatherCall{sendbuff, recvbuff, sendcount, datatype}, request);
}

ecclResult_t ecclAllGatherVAsync(const void* sendbuff, void* recvbuff, const size_t* counts,
                                 ecclDataType_t datatype, ecclComm_t comm, ecclRequest_t* request) {
  return Submit(comm, AllGatherVCall{sendbuff, recvbuff, counts, datatype}, request);
}

ecclResult_t ecclReduceScatterAsync(const void* sendbuff, void* recvbuff, size_t recvcount,
                                    ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm,
                                    ecclRequest_t* request) {
  return Submit(comm, ReduceScatterCall{sendbuff, recvbuff, recvcount, datatype, op}, request);
}

ecclResult_t ecclBroadcastAsync(const void* sendbuff, void* recvbuff, size_t count,
                                ecclDataType_t datatype, int root, ecclComm_t comm,
                                ecclRequest_t* request) {
  return Submit(comm, BroadcastCall{sendbuff, recvbuff, count, datatype, root}, request);
}

ecclResult_t ecclReduceAsync(const void* sendbuff, void* recvbuff, size_t count,
                             ecclDataType_t datatype, ecclRedOp_t op, int root, ecclComm_t comm,
                             ecclRequest_t* request) {
  return Submit(comm, ReduceCall{sendbuff, recvbuff, count, datatype, op, root}, request);
}

ecclResult_t ecclGatherAsync(const void* sendbuff, void* recvbuff, size_t sendcount,
                             ecclDataType_t datatype, int root, ecclComm_t comm,
                             ecclRequest_t* request) {
  return Submit(comm, GatherCall{sendbuff, recvbuff, sendcount, datatype, root}, request);
}

ecclResult_t ecclScatterAsync(const void* sendbuff, void* recvbuff, size_t recvcount,
                              ecclDataType_t datatype, int root, ecclComm_t comm,
                              ecclRequest_t* request) {
  return Submit(comm, ScatterCall{sendbuff, recvbuff, recvcount, datatype, root}, request);
}

ecclResult_t ecclAllToAllAsync(const void* sendbuff, void* recvbuff, size_t count,
                               ecclDataType_t datatype, ecclComm_t comm, ecclRequest_t* request) {
  return Submit(comm, AllToAllCall{sendbuff, recvbuff, count, datatype}, request);
}

ecclResult_t ecclAllToAllVAsync(const void* sendbuff, const size_t* sendcounts, void* recvbuff,
                                const size_t* recvcounts, ecclDataType_t datatype, ecclComm_t comm,
                                ecclRequest_t* request) {
  return Submit(comm, AllToAllVCall{sendbuff, sendcounts, recvbuff, recvcounts, datatype}, request);
}

ecclResult_t ecclBarrierAsync(ecclComm_t comm, ecclRequest_t* request) {
  return Submit(comm, BarrierCall{}, request);
}

ecclResult_t ecclSendAsync(const void* sendbuff, size_t count, ecclDataType_t datatype, int peer,
                           ecclComm_t comm, ecclRequest_t* request) {
  return Submit(comm, SendCall{sendbuff, count, datatype, peer}, request);
}

ecclResult_t ecclRecvAsync(void* recvbuff, size_t count, ecclDataType_t datatype, int peer,
                           ecclComm_t comm, ecclRequest_t* request) {
  return Submit(comm, RecvCall{recvbuff, count, datatype, peer}, request);
}

ecclResult_t ecclSendRecvAsync(const void* sendbuff, size_t sendcount, int sendpeer, void* recvbuff,
                               size_t recvcount, int recvpeer, ecclDataType_t datatype,
                               ecclComm_t comm, ecclRequest_t* request) {
  return Submit(
      comm, SendRecvCall{sendbuff, sendcount, sendpeer, recvbuff, recvcount, recvpeer, datatype},
      request);
}

}  // extern "C"
