#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/status.h"

namespace regatta::eccl {

class Communicator;

// Answers `regatta eccl status` for all communicators of this process, in a thread of its own, on a
// socket in the abstract namespace: it has no file that a killed process could leave behind. Only
// processes of the same user, and root, get an answer.
class StatusServer {
 public:
  // The process's; it ends with its last user. Null when there can be none: that is no reason not
  // to communicate.
  static std::shared_ptr<StatusServer> OfThisProcess();
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  // `communicator` is ready to describe itself until Remove returns.
  void Add(const Communicator* communicator);
  void Remove(const Communicator* communicator);

 private:
  StatusServer(base::UniqueFd listener, base::UniqueFd wake);
  void Run(const std::stop_token& stop);
  void Answer(const base::UniqueFd& client);

  const int pid_;
  base::UniqueFd listener_;
  base::UniqueFd wake_;
  std::mutex mutex_;
  std::set<const Communicator*> communicators_;
  std::jthread thread_;
};

// What each process on this host that uses libeccl says of itself, as JSON texts
// (docs/formats/eccl-status.md); those that do not answer within a second, or not to this user, are
// left out and named in `problems`. `pid`: only this one, 0: all.
base::Result<std::vector<std::string>> AskStatus(int pid, std::vector<std::string>* problems);

}  // namespace regatta::eccl
