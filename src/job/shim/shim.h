#pragma once

// The shim: the small process between the engine and one replica. It outlives the engine, so it
// knows nothing of it but a request on descriptor 3. What it reads and leaves is specified byte by
// byte in docs/formats/shim.md. Everything in this folder is compiled twice: into the static
// executable that the job room carries inside (quick to start: no libraries, no constructors), and
// into the room itself for `regatta shim`. It therefore uses the C library only.

namespace regatta::job::shim {

inline constexpr int kRequestFd = 3;  // the request, a memfd
inline constexpr int kStatusFd = 4;   // a pipe to the engine: one line once the replica runs

// Why a replica was stopped: the value that comes with SIGTERM (politely) or SIGUSR1 (now).
enum StopReason : int {
  kNotStopped = 0,
  kStoppedByUser = 1,
  kStoppedByPeer = 2,  // another replica of the job failed
  kStoppedByTimeout = 3,
  kStoppedBySignal = 4,  // somebody else sent SIGTERM to the shim
};

// Exit codes of the shim itself; the replica's result is in its exit file.
enum ExitCode : int {
  kDone = 0,
  kBadRequest = 70,
  kDiskFull = 73,     // no room for token and exit file: nobody has taken the rank, try again later
  kCannotWrite = 74,  // token or exit file could not be written
  kNotMine = 75,      // another shim holds this rank's token, or the engine is gone
};

// The name of a reason in the exit file: "none", "user", "peer", "timeout", "signal".
const char* StopReasonName(int reason);

// Runs one replica to its end. `argv` is for people who read ps: regatta shim <job id> <rank>.
int ShimMain(int argc, char** argv);

}  // namespace regatta::job::shim
