#pragma once

// Named fault points. A test sets REGATTA_FAULT=<name>[:<action>[:<nth>]] in the environment of a
// real process (several, separated by commas), which then, when the point is reached for the nth
// time (default 1):
//   kill   ends itself by SIGKILL (the default)
//   stop   stops itself by SIGSTOP, until the test continues or kills it
//   error  makes REGATTA_FAULT_ERROR(name) true there
// Compiled out unless REGATTA_FAULTS is set (presets debug, asan, tsan; not release).

#ifdef REGATTA_FAULTS
namespace regatta::base {
// True when the point was armed with `error` and fires now. Thread-safe.
bool ReachFaultPoint(const char* name);
}  // namespace regatta::base
#define REGATTA_FAULT(name) (void)::regatta::base::ReachFaultPoint(name)
#define REGATTA_FAULT_ERROR(name) ::regatta::base::ReachFaultPoint(name)
#else
#define REGATTA_FAULT(name) (void)0
#define REGATTA_FAULT_ERROR(name) false
#endif
