#include "eccl/api/calls.h"

#include <limits>

#include "eccl/api/checks.h"
#include "eccl/formats/compressor.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

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

// Puts down where it is.
Status CheckBuffer(const Communicator& comm, const char* name, const void* buffer,
                   std::size_t count, std::optional<bool>* on_device) {
  if (count == 0) return Status();
  if (buffer == nullptr) {
    return Status(Code::kInvalidArgument,
                  std::string(name) + " is NULL, but count is " + std::to_string(count));
  }
  BASE_ASSIGN_OR_RETURN(*on_device, comm.PlaceOf(name, buffer));
  return Status();
}

// Both buffers. What is in place is looked up once: drivers take their time.
Status CheckBuffers(const Communicator& comm, const void* send, std::size_t send_count,
                    const void* receive, std::size_t receive_count, Places* places) {
  BASE_RETURN_IF_ERROR(CheckBuffer(comm, "sendbuff", send, send_count, &places->input));
  if (receive == send && places->input.has_value()) {
    places->output = places->input;
    return Status();
  }
  return CheckBuffer(comm, "recvbuff", receive, receive_count, &places->output);
}

// `parts` times `count` elements have to fit into memory addresses.
Status CheckCount(std::size_t count, std::size_t parts, ecclDataType_t type) {
  if (count <= std::numeric_limits<std::ptrdiff_t>::max() / (parts * SizeOf(type))) return Status();
  return Status(Code::kInvalidArgument,
                "count is " + std::to_string(count) + ", more than the memory of any machine");
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

}  // namespace

Status CheckRank(const char* name, int rank, int size) {
  if (rank >= 0 && rank < size) return Status();
  return Status(Code::kInvalidArgument, std::string(name) + " is " + std::to_string(rank) +
                                            "; ranks go from 0 to " + std::to_string(size - 1));
}

Status AllReduceCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckOp(op, type));
  BASE_RETURN_IF_ERROR(CheckCount(count, 1, type));
  return CheckBuffers(comm, send, count, receive, count, &places);
}

Status AllReduceCompressedCall::Check(const Communicator& comm) {
  compressor = FindCompressor(handle);
  if (compressor == nullptr) return NoCompressor();
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckOp(op, type));
  BASE_RETURN_IF_ERROR(CheckCount(count, 1, type));
  return CheckBuffers(comm, send, count, receive, count, &places);
}

Status AllGatherCall::Check(const Communicator& comm) {
  const auto parts = static_cast<std::size_t>(comm.size());
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckCount(count, parts, type));
  BASE_RETURN_IF_ERROR(CheckBuffers(comm, send, count, receive, count, &places));
  counts.assign(parts, count);
  return Status();
}

Status AllGatherVCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_ASSIGN_OR_RETURN(const std::size_t sum, SumOf("counts", list, comm.size(), type));
  BASE_RETURN_IF_ERROR(CheckBuffers(comm, send, list[comm.rank()], receive, sum, &places));
  counts.assign(list, list + comm.size());
  return Status();
}

Status ReduceScatterCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckOp(op, type));
  BASE_RETURN_IF_ERROR(CheckCount(count, static_cast<std::size_t>(comm.size()), type));
  return CheckBuffers(comm, send, count, receive, count, &places);
}

Status BroadcastCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckRank("root", root, comm.size()));
  BASE_RETURN_IF_ERROR(CheckCount(count, 1, type));
  const std::size_t sends = comm.rank() == root ? count : 0;
  return CheckBuffers(comm, send, sends, receive, count, &places);
}

Status ReduceCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckOp(op, type));
  BASE_RETURN_IF_ERROR(CheckRank("root", root, comm.size()));
  BASE_RETURN_IF_ERROR(CheckCount(count, 1, type));
  const std::size_t receives = comm.rank() == root ? count : 0;
  return CheckBuffers(comm, send, count, receive, receives, &places);
}

Status GatherCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckRank("root", root, comm.size()));
  BASE_RETURN_IF_ERROR(CheckCount(count, static_cast<std::size_t>(comm.size()), type));
  const std::size_t receives = comm.rank() == root ? count : 0;
  return CheckBuffers(comm, send, count, receive, receives, &places);
}

Status ScatterCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckRank("root", root, comm.size()));
  BASE_RETURN_IF_ERROR(CheckCount(count, static_cast<std::size_t>(comm.size()), type));
  const std::size_t sends = comm.rank() == root ? count : 0;
  return CheckBuffers(comm, send, sends, receive, count, &places);
}

Status AllToAllCall::Check(const Communicator& comm) {
  const auto parts = static_cast<std::size_t>(comm.size());
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckCount(count, parts, type));
  BASE_RETURN_IF_ERROR(CheckBuffers(comm, send, count, receive, count, &places));
  counts.assign(parts, count);
  return Status();
}

Status AllToAllVCall::Check(const Communicator& comm) {
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_ASSIGN_OR_RETURN(const std::size_t out, SumOf("sendcounts", send_list, comm.size(), type));
  BASE_ASSIGN_OR_RETURN(const std::size_t in, SumOf("recvcounts", receive_list, comm.size(), type));
  BASE_RETURN_IF_ERROR(CheckBuffers(comm, send, out, receive, in, &places));
  if (send_list[comm.rank()] != receive_list[comm.rank()]) {
    return Status(Code::kInvalidArgument, "sendcounts and recvcounts differ for this rank itself");
  }
  send_counts.assign(send_list, send_list + comm.size());
  receive_counts.assign(receive_list, receive_list + comm.size());
  return Status();
}

Status SendCall::Check(const Communicator& comm) {
  std::optional<bool> on_device;  // messages look where they begin
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckPeer("peer", peer, comm));
  BASE_RETURN_IF_ERROR(CheckCount(count, 1, type));
  return CheckBuffer(comm, "sendbuff", send, count, &on_device);
}

Status RecvCall::Check(const Communicator& comm) {
  std::optional<bool> on_device;  // messages look where they begin
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckPeer("peer", peer, comm));
  BASE_RETURN_IF_ERROR(CheckCount(count, 1, type));
  return CheckBuffer(comm, "recvbuff", receive, count, &on_device);
}

Status SendRecvCall::Check(const Communicator& comm) {
  std::optional<bool> on_device;  // messages look where they begin
  BASE_RETURN_IF_ERROR(CheckType(type));
  BASE_RETURN_IF_ERROR(CheckPeer("sendpeer", to, comm));
  BASE_RETURN_IF_ERROR(CheckPeer("recvpeer", from, comm));
  BASE_RETURN_IF_ERROR(CheckCount(send_count, 1, type));
  BASE_RETURN_IF_ERROR(CheckCount(receive_count, 1, type));
  BASE_RETURN_IF_ERROR(CheckBuffer(comm, "sendbuff", send, send_count, &on_device));
  return CheckBuffer(comm, "recvbuff", receive, receive_count, &on_device);
}

}  // namespace regatta::eccl
