#pragma once

#include <memory>

#include "eccl/communicator.h"

namespace regatta::eccl {

// ecclComm_t is a number in a table, not an address: a handle that is used after its end is
// noticed, and a communicator lives until the last call inside it has returned.
std::shared_ptr<Communicator> FindComm(ecclComm_t comm);
std::shared_ptr<Communicator> TakeComm(ecclComm_t comm);
ecclComm_t PutComm(std::shared_ptr<Communicator> comm);

// ecclRequest_t likewise.
std::shared_ptr<Request> FindRequest(ecclRequest_t request);
std::shared_ptr<Request> TakeRequest(ecclRequest_t request);
ecclRequest_t PutRequest(std::shared_ptr<Request> request);

// The socket that already listens for an id which this process made; invalid for other ids.
base::UniqueFd TakeListener(const UniqueId& id);
void PutListener(const UniqueId& id, base::UniqueFd listener);

}  // namespace regatta::eccl
