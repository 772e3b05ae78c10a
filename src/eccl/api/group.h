#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "eccl/communicator.h"

// Calls between ecclGroupStart and ecclGroupEnd of one thread.

namespace regatta::eccl {

// Whether the calling thread has begun a group.
bool GroupIsOpen();

// Counts a call of the open group; what is wrong with it, if anything, fails the group.
void CountInGroup(const char* name, const base::Status& status);

// Puts a call into the open group.
void AddToGroup(std::shared_ptr<Communicator> comm, const char* name,
                std::function<base::Status(Communicator&)> run);
void AddToGroup(std::shared_ptr<Communicator> comm, const char* name,
                const std::vector<Transfer>& transfers);

}  // namespace regatta::eccl
