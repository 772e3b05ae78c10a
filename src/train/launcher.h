#pragma once

#include <poll.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "train/agent_link.h"
#include "train/output.h"

namespace regatta::train {

// How a rank came to its end.
struct End {
  enum class How { kExit, kSignal, kNotStarted, kLost };
  How how = How::kExit;
  int number = 0;  // exit code or signal
  std::string text;

  bool ok() const { return how == How::kExit && number == 0; }
  // What the launcher's own exit code becomes: the rank's, or 128 and the signal.
  int code() const;
  // "ended with code 7", "was killed by signal 9 (Killed)".
  std::string Describe() const;
};

// What an agent says of its host.
struct HostAddress {
  std::string address;   // IPv4, at which other hosts reach it
  std::string ports[2];  // free there a moment ago
};

// What is to run, and what follows from events. Called by the launcher's loop, on its thread.
class Job {
 public:
  virtual ~Job() = default;
  virtual void Begin() = 0;
  virtual void HostReady(const std::string& host) = 0;
  virtual void HostLost(const std::string& host, const std::string& why) = 0;
  // The answer to Launcher::Ask; an error names what the agent could not find out.
  virtual void Addressed(const std::string& host, const base::Result<HostAddress>& address) = 0;
  virtual void Ended(const std::string& worker, const End& end) = 0;
  // A line that a rank of an elastic job sent.
  virtual void Received(const std::string& /*worker*/, const std::string& /*line*/) {}
  // Descriptors of its own to wait for, and when to be called at the latest.
  virtual void AddTo(std::vector<pollfd>* /*polled*/) {}
  virtual base::Micros WakeAt() { return base::MonotonicMicros() + 3'600'000'000; }
  virtual void Wake() {}
};

struct LauncherOptions {
  RemoteShell remote;
  base::Micros start_timeout = 30'000'000;  // for agents to answer
  base::Micros grace = 10'000'000;          // between asking ranks to stop and killing them
  std::string directory;                    // where ranks start, on every host
  std::string token;                        // of elastic jobs, else ""
  std::string interface;                    // network interface to take addresses of; "": any
  bool verbose = false;
};

// Owns the agents of one job and waits for all that can happen. One thread.
class Launcher {
 public:
  Launcher(LauncherOptions options, OutputOptions output);

  // Runs the job until Finish; returns its exit code. SIGINT, SIGTERM and SIGHUP go to all ranks
  // and end the job, at once when they come a second time; SIGUSR1 and SIGUSR2 are passed on.
  int Run(Job* job);

  // --- for the job ---
  void AddHost(const std::string& host);
  bool HasHost(const std::string& host) const { return hosts_.contains(host); }
  void Ask(const std::string& host, const std::string& peer);
  // Starts a rank on a host that is ready. `label` names it in the output.
  void Start(const std::string& worker, const std::string& label, const std::string& host,
             const std::vector<std::string>& command, const std::vector<std::string>& variables);
  void Send(const std::string& worker, const std::string& line);
  // Stops what runs and then returns `code` from Run. Ranks are asked after `notice`, in which they
  // may come to their own end. Only the first call counts.
  void Finish(int code, base::Micros notice = 0);
  Output& output() { return output_; }
  // Says how a rank ended, where, and what it said last.
  void ReportEnd(const std::string& who, const std::string& label, const std::string& host,
                 const End& end, const std::string& consequence);

 private:
  enum class Phase { kRunning, kStoppingRanks, kStoppingAgents };

  struct HostState {
    std::unique_ptr<AgentLink> link;
    bool ready = false;
    base::Micros started = 0;
    base::Micros pinged = 0;
  };
  struct Worker {
    std::string label;
    std::string host;
  };

  void Wait();
  void CheckTimes();
  void ReadHost(const std::string& host);
  void Handle(const std::string& host, const Frame& frame);
  void Lose(const std::string& host, const std::string& why);
  void EndWorker(const std::string& worker, const End& end);
  void ReadSignals();
  void SignalAll(int number);
  void AskToStop();
  void StopAgents();

  const LauncherOptions options_;
  base::UniqueFd signals_;
  base::UniqueFd drained_;  // an eventfd
  Output output_;
  Job* job_ = nullptr;
  std::map<std::string, HostState> hosts_;
  std::map<std::string, Worker> workers_;
  Phase phase_ = Phase::kRunning;
  int code_ = 0;
  base::Micros ask_at_ = 0;  // while stopping
  bool asked_ = false;
  base::Micros kill_at_ = 0;
  bool killed_ = false;
  bool congested_ = false;
};

}  // namespace regatta::train
