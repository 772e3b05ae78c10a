#pragma once

#include <string>

namespace regatta::job {

// Ends (SIGKILL) every process that carries REGATTA_JOB_ID=<job> and REGATTA_RANK=<rank> in the
// environment it was started with. For the one case in which no shim can do it: the shim itself was
// killed. Returns how many were found.
int KillLeftovers(const std::string& job, int rank);

}  // namespace regatta::job
