#pragma once

#include <map>
#include <string>
#include <vector>

#include "train/launcher.h"
#include "train/placement.h"

namespace regatta::train {

struct FixedJobSpec {
  std::vector<Host> hosts;
  int size = 1;
  std::vector<std::string> command;
  std::vector<std::string> variables;  // "NAME=value", for every rank
  // Here ranks have the launcher's environment by themselves; elsewhere they get these, too.
  std::vector<std::string> remote_variables;
  std::string master_address;  // of rank 0's host; "": found out
};

// A job of as many ranks as were asked for: it ends with the first one that fails, and with the
// last one that succeeds.
class FixedJob : public Job {
 public:
  FixedJob(FixedJobSpec spec, Launcher* launcher);

  void Begin() override;
  void HostReady(const std::string& host) override;
  void HostLost(const std::string& host, const std::string& why) override;
  void Addressed(const std::string& host, const base::Result<HostAddress>& address) override;
  void Ended(const std::string& worker, const End& end) override;

 private:
  bool Distributed() const { return names_.size() > 1; }
  void StartAll();

  const FixedJobSpec spec_;
  Launcher* const launcher_;
  const std::string token_;
  std::vector<PlacedRank> ranks_;
  std::vector<std::string> names_;  // of the hosts that have ranks, in rank order
  std::map<std::string, HostAddress> addresses_;
  std::size_t ready_ = 0;
  std::size_t ended_ = 0;
};

}  // namespace regatta::train
