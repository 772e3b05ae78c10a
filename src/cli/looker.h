#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/config.h"

namespace regatta::cli {

// The API on a state directory that nobody owns, for this process alone and only to look: answers
// come from what was stored, nothing is resumed, started or written. Takes no lock, so an owner may
// come meanwhile; what that one stores is seen.
class Looker {
 public:
  // kNotFound when nothing was stored yet; kFailedPrecondition when another version of the program
  // wrote the directory.
  static absl::StatusOr<std::unique_ptr<Looker>> Open(const base::Config& settings);
  virtual ~Looker() = default;

  virtual std::string url() const = 0;
  virtual std::string token() const = 0;
};

}  // namespace regatta::cli
