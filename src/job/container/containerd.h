#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace regatta::job {

// What a container starts from: folders that lie on top of each other, the uppermost first.
struct ImageFiles {
  std::vector<std::string> layers;  // absolute, read-only
  // Of the image's configuration.
  std::map<std::string, std::string> env;
  std::vector<std::string> entry_point, arguments;
  std::string working_directory;  // empty: it names none
};

// The images that a containerd of this machine keeps. Asks through its own client `ctr`, which
// speaks the same version as the daemon; needs root. Thread-safe.
class Containerd {
 public:
  // `socket`: path of containerd's socket. `images`: containerd's namespace for them.
  Containerd(std::string socket, std::string images);

  // Of the daemon that answers: "1.6.20".
  absl::StatusOr<std::string> Version() const;

  // Fetches and unpacks the image unless it is there. kNotFound with what the registry said;
  // kUnavailable when nobody answers at the socket; kCancelled once `*cancel` is true.
  absl::Status Fetch(const std::string& image, const std::atomic<bool>* cancel) const;

  // Holds the image's files under a name until Release: they stay even if the image is removed.
  // Idempotent.
  absl::StatusOr<ImageFiles> Hold(const std::string& image, const std::string& name) const;
  // OK when nothing is held under that name.
  absl::Status Release(const std::string& name) const;

 private:
  absl::StatusOr<std::string> Ask(std::vector<std::string> arguments,
                                  const std::atomic<bool>* cancel = nullptr) const;
  // Digest of the image's manifest or index; "" when it is not there.
  absl::StatusOr<std::string> Find(const std::string& image) const;
  absl::StatusOr<std::string> Content(const std::string& digest) const;
  absl::Status HoldSnapshot(const std::string& name, const std::string& layers) const;

  const std::string socket_;
  const std::string images_;
};

// The layers in a line that `ctr snapshots mounts` prints, `mount -t overlay overlay /x -o
// index=off,lowerdir=/a:/b` or `mount -t bind /a /x -o ro,rbind`. kInvalidArgument for others.
absl::StatusOr<std::vector<std::string>> LayersOf(const std::string& mount_line);

// What Docker and Kubernetes mean by a short name: "tiny" is "docker.io/library/tiny:latest".
std::string FullImageName(const std::string& image);

// The name under which containerd keeps the files of unpacked layers, made from the digests of all
// of them (https://github.com/opencontainers/image-spec/blob/main/config.md, "Layer ChainID").
std::string ChainId(const std::vector<std::string>& diff_ids);

}  // namespace regatta::job
