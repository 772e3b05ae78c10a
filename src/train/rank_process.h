#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"

namespace regatta::train {

struct RankSpec {
  std::string directory;             // where it starts
  std::vector<std::string> command;  // the program is looked for in its own PATH
  // "NAME=value", over what this process has itself; of equal names the last one counts.
  std::vector<std::string> environment;
};

// A process in a session of its own, without standard input. It is killed when the process that
// started it dies.
struct RankProcess {
  pid_t pid = -1;
  base::UniqueFd out;  // its standard output and error; they do not block
  base::UniqueFd err;
};

// kNotFound and so on, with the program's or folder's name, when it cannot be started. Only for
// programs with one thread: the rank lives as long as the thread that starts it.
base::Result<RankProcess> StartRank(const RankSpec& spec);

}  // namespace regatta::train
