#pragma once

#include <memory>

#include "base/status.h"
#include "eccl/executor.h"
#include "eccl/islands/library.h"
#include "eccl/islands/start.h"
#include "eccl/staging.h"

namespace regatta::eccl {

// Ranks with a device each, of one kind, which talk through their vendor's library: values stay on
// the devices. Used by one thread at a time, but for Abort.
class Island {
 public:
  // Every rank calls it, in any order; returns when all have, or as StartIsland.
  static base::Result<std::unique_ptr<Island>> Join(StartOptions options, Staging* staging,
                                                    Links* links);
  ~Island();
  Island(const Island&) = delete;
  Island& operator=(const Island&) = delete;

  // For ever.
  const char* name() const { return name_; }
  // Whether the library has such a call; the same on all ranks.
  bool Takes(const Call& call) const;
  // Makes it, and waits for its end; after a failure the island is of no use any more.
  base::Status Run(const Call& call);

 private:
  Island(std::shared_ptr<const IslandLibrary> library, Staging* staging, Links* links, int rank,
         int size)
      : library_(std::move(library)),
        name_(LastingText(library_->name)),
        staging_(staging),
        links_(links),
        rank_(rank),
        size_(size) {}
  base::Status Launch(const Call& call, const void* input, void* output);
  base::Status LaunchAndWait(const Call& call);
  base::Status Failed(int code, const char* call) const;
  void Abort();

  std::shared_ptr<const IslandLibrary> library_;
  const char* name_;
  Staging* staging_;
  Links* links_;
  const int rank_;
  const int size_;
  IslandLibrary::Comm comm_ = nullptr;
  device::Event over_;
  // Where values of a rank are that gave host memory.
  device::Buffer input_, output_;
};

}  // namespace regatta::eccl
