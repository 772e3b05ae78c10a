#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "job/executor.h"

namespace regatta::job {

struct ContainerOptions {
  std::string socket;              // of containerd
  std::string images = "regatta";  // containerd's namespace for them
  // Absolute folder in which it notes what it holds, so that nothing is held for ever after a
  // crash.
  std::string folder;
  // The executable that knows `container` (container_main.h); empty: this process's.
  std::string program;
};

// Honours Role::image: fetches the image when it is missing, and starts each replica of the role in
// a container of its own, with runc, below the same shim as without one. Everything else, and roles
// without an image, is the work of the executor that `make_inner` makes for processes of this
// machine. A job is kPending while its images are fetched, and fails when they cannot be.
//
// Submit returns before the intent is durable when an image has to be prepared: who submits must
// submit again after a crash, as the workflow engine does.
absl::StatusOr<std::unique_ptr<Executor>> NewContainerExecutor(
    const ContainerOptions& options,
    const std::function<absl::StatusOr<std::unique_ptr<Executor>>(base::EventSink*)>& make_inner,
    base::EventSink* sink);

}  // namespace regatta::job
