#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "train/frames.h"

namespace regatta::train {

// How the agent on another host is started.
struct RemoteShell {
  // Words before the host's name. The default asks nothing and notices a host that vanishes.
  std::vector<std::string> command = {
      "ssh", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"};
  std::string program;  // `regatta` on the other hosts
};

// The launcher's end of the connection to one host's agent.
class AgentLink {
 public:
  // Starts the agent: this program itself here, or through the remote shell. Not an error where the
  // shell starts and then fails: that comes as the end of the stream.
  static base::Result<std::unique_ptr<AgentLink>> Start(const std::string& host,
                                                        const RemoteShell* remote);
  ~AgentLink();  // kills what it started, and waits for it
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  const std::string& host() const { return host_; }
  bool is_remote() const { return remote_; }
  int in() const { return in_.get(); }    // frames come from here
  int err() const { return err_.get(); }  // what the agent or the remote shell complains of
  int out() const { return out_.get(); }
  bool has_to_write() const { return !waiting_.empty(); }

  void Send(FrameKind kind, std::string_view body);
  void Flush();
  // What has come. `ended` is set at the end of the stream; the text says why, where one knows.
  base::Result<std::vector<Frame>> Read(bool* ended);
  // Whole lines that the agent or the shell wrote to standard error.
  std::vector<std::string> ReadErrors();
  // The end of the stream has come: how the process ended, and its last words.
  std::string Obituary();

  base::Micros heard = base::MonotonicMicros();  // when something came last

 private:
  AgentLink() = default;

  std::string host_;
  bool remote_ = false;
  pid_t pid_ = -1;
  base::UniqueFd in_;
  base::UniqueFd out_;
  base::UniqueFd err_;
  FrameReader reader_{kAgentGreeting};
  std::string waiting_;
  std::string error_rest_;
  std::string last_error_;
};

}  // namespace regatta::train
