#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "flow/artifacts.h"
#include "flow/cache_key.h"
#include "flow/views.h"
#include "store/store.h"

namespace regatta::flow {

// An earlier result with the same key whose outputs are still what they were.
struct CacheHit {
  bool failed = false;  // only where failures were asked for
  std::string run_id, step_id, job_folder;
  base::Micros time = 0;
  std::map<std::string, ArtifactList> outputs;
};

struct CacheQuestion {
  std::string project, pipeline, step_name, key;
  std::vector<ShownPart> parts;
  std::map<std::string, std::string> notes;  // part name -> said after "changed"
  std::int64_t max_expired_seconds = -1;     // negative: never
  bool failures = false;                     // are results, too (PaddleFlow)
};

// Where failures of a key are kept, so that who does not want them does not find them.
std::string FailureKey(const std::string& key);

struct CacheAnswer {
  std::optional<CacheHit> hit;
  CacheReport report;  // always says why
  // A hit, and the step's latest start had the same key and succeeded: it need not be noted anew.
  bool latest_is_this = false;
};

// Looks for a reusable result, newest first; without one, compares with the step's latest start to
// explain why it runs. An entry's outputs are read again and must have the recorded digests;
// nothing is returned when that would read more than `budget` bytes.
absl::StatusOr<std::optional<CacheAnswer>> LookUpCache(store::Store& store,
                                                       const CacheQuestion& question,
                                                       std::int64_t budget);

}  // namespace regatta::flow
