#pragma once

#include <poll.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"

namespace regatta::train {

// Ranks of an elastic job reach the launcher through this: a small server on loopback inside the
// agent, so that nothing of the launcher is open to the network. A rank says who it is (`hello`,
// with the job's token); from then on its lines are passed on as they are.
// docs/design/python.md has the messages.
class Relay {
 public:
  using Receive = std::function<void(const std::string& worker, const std::string& line)>;

  static base::Result<Relay> Open(std::string token, Receive receive);

  // "127.0.0.1:port".
  const std::string& address() const { return address_; }

  // What to wait for, and what to do about what came.
  void AddTo(std::vector<pollfd>* polled) const;
  void Handle(const std::vector<pollfd>& polled);

  // Sends a line to a worker, if it is connected.
  void Send(const std::string& worker, const std::string& line);

 private:
  struct Peer {
    base::UniqueFd fd;
    std::string worker;  // "" until it has said hello
    std::string in;
    std::string out;
    bool closed = false;
  };

  void Accept();
  void Read(Peer* peer);
  void Line(Peer* peer, const std::string& line);
  static void Flush(Peer* peer);

  std::string token_;
  Receive receive_;
  std::string address_;
  base::UniqueFd listener_;
  std::map<int, Peer> peers_;  // by descriptor
};

}  // namespace regatta::train
