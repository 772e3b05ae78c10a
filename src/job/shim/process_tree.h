#pragma once

#include <sys/types.h>

namespace regatta::job::shim {

// Sends `signal` to every process below `root` (not to `root` itself), however deep. Returns how
// many there were. Processes that are forked meanwhile are missed: repeat until none are left.
int SignalDescendants(pid_t root, int signal);

// Field 22 of /proc/<pid>/stat, the start time in clock ticks since boot: together with the pid it
// names one process for ever. 0 when there is no such process.
unsigned long long StartTime(pid_t pid);

}  // namespace regatta::job::shim
