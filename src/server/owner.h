#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file.h"

namespace regatta::server {

// A state directory has at most one owner: the process that holds its lock. The owner runs the
// engine and the API; everybody else reads the owner's address from `endpoint.json` and asks there.
// docs/formats/state-directory.md has the files. A lock dies with its process, so what an owner
// left behind after `kill -9` is recognised as stale by the lock being free.

// Where the owner listens.
struct Endpoint {
  std::string address;  // "http://127.0.0.1:8470"
  int pid = 0;
  std::string program_version;
  base::Micros since = 0;
  // Ends with a command of its own (`regatta run`), and is not there to be found again.
  bool passing = false;
};

class Owner {
 public:
  // Makes the directory (mode 0700) when it does not exist and takes its lock. Waits while another
  // process is just starting up there, so that its answer is final. kAlreadyExists when there is an
  // owner: the message names its pid, its address and since when. kFailedPrecondition when a newer
  // Regatta has written the directory; the code of the cause when it cannot be made or written.
  static absl::StatusOr<std::unique_ptr<Owner>> Acquire(const std::string& home);
  // Retires, then gives the directory up.
  ~Owner();
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  // Makes the address durable and lets those go on who wait for it. Call once, when connections are
  // accepted.
  absl::Status Announce(const std::string& address, bool passing = false);

  // Call before the first connection is closed: from now on who looks for the owner, or wants to be
  // it, waits until this object is gone. So a client that was cut off finds the next owner, or a
  // free directory, and never the one that is going.
  void Retire();

  // The bearer token of the command line: 64 hexadecimal digits in `token` (mode 0600), made by the
  // first owner. Hidden in logs from now on.
  const std::string& token() const { return token_; }
  const std::string& home() const { return home_; }

 private:
  Owner(std::string home, base::UniqueFd lock) : home_(std::move(home)), lock_(std::move(lock)) {}
  absl::Status Prepare();

  std::string home_;
  base::UniqueFd lock_;
  std::string token_;
  bool announced_ = false;
};

// The owner of `home`, or nothing when there is none. Waits while one is starting or ending. An
// error when the directory cannot be read.
absl::StatusOr<std::optional<Endpoint>> FindOwner(const std::string& home);

// kFailedPrecondition when a newer Regatta has written `home`. A directory that is not there, or in
// which nothing was written yet, is fine.
absl::Status CheckStateVersion(const std::string& home);

// The command line's token in `home`. kPermissionDenied when the file belongs to somebody else.
absl::StatusOr<std::string> ReadToken(const std::string& home);

}  // namespace regatta::server
