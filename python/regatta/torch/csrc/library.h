#pragma once

#include <string>

#include "regatta/eccl.h"

namespace regatta::c10d_eccl {

// libeccl's functions. It is loaded at run time, from where the Python package found it, so that
// the adapter and ctypes use one copy of it and the adapter is linked with torch alone.
struct Library {
  decltype(&ecclGetLastError) GetLastError;
  decltype(&ecclGetUniqueIdConfig) GetUniqueIdConfig;
  decltype(&ecclCommInitRankConfig) CommInitRankConfig;
  decltype(&ecclCommDestroy) CommDestroy;
  decltype(&ecclCommAbort) CommAbort;
  decltype(&ecclCommGetAsyncError) CommGetAsyncError;
  decltype(&ecclCommSetTimeout) CommSetTimeout;
  decltype(&ecclAllReduce) AllReduce;
  decltype(&ecclAllGather) AllGather;
  decltype(&ecclAllGatherV) AllGatherV;
  decltype(&ecclReduceScatter) ReduceScatter;
  decltype(&ecclBroadcast) Broadcast;
  decltype(&ecclReduce) Reduce;
  decltype(&ecclGather) Gather;
  decltype(&ecclScatter) Scatter;
  decltype(&ecclAllToAllV) AllToAllV;
  decltype(&ecclBarrier) Barrier;
  decltype(&ecclSend) Send;
  decltype(&ecclRecv) Recv;
};

// Once, before anything else here. Throws std::runtime_error when the file is no libeccl, or one
// too old to have all of these.
void LoadLibrary(const std::string& path);
const Library& Eccl();

}  // namespace regatta::c10d_eccl
