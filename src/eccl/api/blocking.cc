#include "eccl/api/invoke.h"

using namespace regatta::eccl;  // NOLINT(google-build-using-namespace): the entry points follow

extern "C" {

ecclResult_t ecclAllReduce(const void* sendbuff, void* recvbuff, size_t count,
                           ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm) {
  return Invoke(comm, AllReduceCall{sendbuff, recvbuff, count, datatype, op});
}

ecclResult_t ecclAllReduceCompressed(const void* sendbuff, void* recvbuff, size_t count,
                                     ecclDataType_t datatype, ecclRedOp_t op,
                                     ecclCompressor_t compressor, ecclComm_t comm) {
  return Invoke(comm, AllReduceCompressedCall{sendbuff, recvbuff, count, datatype, op, compressor});
}

ecclResult_t ecclAllGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                           ecclDataType_t datatype, ecclComm_t comm) {
  return Invoke(comm, AllGatherCall{sendbuff, recvbuff, sendcount, datatype});
}

ecclResult_t ecclAllGatherV(const void* sendbuff, void* recvbuff, const size_t* counts,
                            ecclDataType_t datatype, ecclComm_t comm) {
  return Invoke(comm, AllGatherVCall{sendbuff, recvbuff, counts, datatype});
}

ecclResult_t ecclReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                               ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm) {
  return Invoke(comm, ReduceScatterCall{sendbuff, recvbuff, recvcount, datatype, op});
}

ecclResult_t ecclBroadcast(const void* sendbuff, void* recvbuff, size_t count,
                           ecclDataType_t datatype, int root, ecclComm_t comm) {
  return Invoke(comm, BroadcastCall{sendbuff, recvbuff, count, datatype, root});
}

ecclResult_t ecclReduce(const void* sendbuff, void* recvbuff, size_t count, ecclDataType_t datatype,
                        ecclRedOp_t op, int root, ecclComm_t comm) {
  return Invoke(comm, ReduceCall{sendbuff, recvbuff, count, datatype, op, root});
}

ecclResult_t ecclGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                        ecclDataType_t datatype, int root, ecclComm_t comm) {
  return Invoke(comm, GatherCall{sendbuff, recvbuff, sendcount, datatype, root});
}

ecclResult_t ecclScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                         ecclDataType_t datatype, int root, ecclComm_t comm) {
  return Invoke(comm, ScatterCall{sendbuff, recvbuff, recvcount, datatype, root});
}

ecclResult_t ecclAllToAll(const void* sendbuff, void* recvbuff, size_t count,
                          ecclDataType_t datatype, ecclComm_t comm) {
  return Invoke(comm, AllToAllCall{sendbuff, recvbuff, count, datatype});
}

ecclResult_t ecclAllToAllV(const void* sendbuff, const size_t* sendcounts, void* recvbuff,
                           const size_t* recvcounts, ecclDataType_t datatype, ecclComm_t comm) {
  return Invoke(comm, AllToAllVCall{sendbuff, sendcounts, recvbuff, recvcounts, datatype});
}

ecclResult_t ecclBarrier(ecclComm_t comm) { return Invoke(comm, BarrierCall{}); }

ecclResult_t ecclSend(const void* sendbuff, size_t count, ecclDataType_t datatype, int peer,
                      ecclComm_t comm) {
  return Invoke(comm, SendCall{sendbuff, count, datatype, peer});
}

ecclResult_t ecclRecv(void* recvbuff, size_t count, ecclDataType_t datatype, int peer,
                      ecclComm_t comm) {
  return Invoke(comm, RecvCall{recvbuff, count, datatype, peer});
}

ecclResult_t ecclSendRecv(const void* sendbuff, size_t sendcount, int sendpeer, void* recvbuff,
                          size_t recvcount, int recvpeer, ecclDataType_t datatype,
                          ecclComm_t comm) {
  return Invoke(
      comm, SendRecvCall{sendbuff, sendcount, sendpeer, recvbuff, recvcount, recvpeer, datatype});
}

}  // extern "C"
