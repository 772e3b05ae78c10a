#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "eccl/peers.h"
#include "eccl/rails/interfaces.h"
#include "regatta/eccl.h"

namespace regatta::eccl {

// What ecclConfig_t and the environment come to.
struct Options {
  std::chrono::milliseconds timeout{600'000};
  std::chrono::milliseconds init_timeout{300'000};
  TransportChoice transport = TransportChoice::kAuto;
  std::string algorithm;  // of an all-reduce, as in select.h; "": by size
  bool exact = false;     // the same algorithm for the same call in every run
  std::string job_token;
  std::string host;
  std::string host_id;
  InterfacePatterns interfaces;  // for rails
  int sockets_per_rail = 1;
  std::string device;                // "cuda:0"; "": values are in host memory
  std::string flight_record_folder;  // "": no records
  std::size_t ring_bytes =
      0;  // of one shared-memory ring, a power of two; 0: by how many there are

  // Those that have to be the same on every rank: "ECCL_ALGORITHM=auto ECCL_EXACT=0".
  std::string Choices() const;
};

// `config` may be null. kInvalidArgument names the variable or field and what it may be.
base::Result<Options> ReadOptions(const ecclConfig_t* config);

// The decoded ecclUniqueId: "eccl1 <port> <secret> <host>".
struct UniqueId {
  std::string host;
  std::uint16_t port = 0;
  std::string secret;
};
base::Result<ecclUniqueId> EncodeUniqueId(const UniqueId& id);
base::Result<UniqueId> DecodeUniqueId(const ecclUniqueId& id);
base::Result<UniqueId> UniqueIdFromEnvironment();

}  // namespace regatta::eccl
