#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace regatta::cli {

// A step as the terminal shows it.
struct StepRow {
  std::string id, parent_id, name, node, kind, state;
  std::string reason;  // its first line; the rest is in the log or in the console
  bool cached = false;
  int loop_index = -1;
  base::Micros started_at = 0, finished_at = 0;
  std::string metrics;  // "epoch 3: loss=0.12 accuracy=0.95"
};

// One run as it is known from the API: a snapshot, then events on top. Events may repeat what the
// snapshot already says; a final state is never left.
class RunModel {
 public:
  void SetRun(const base::Json& run);
  // True when the step is new or its state changed.
  bool SetStep(const base::Json& step);
  // True when it belongs to a step that is known.
  bool SetMetric(const base::Json& event);

  const base::Json& run() const { return run_; }
  std::string state() const { return run_.value("state", "pending"); }
  bool final() const;
  // In the order in which they were made.
  const std::vector<StepRow>& steps() const { return steps_; }
  const StepRow* Find(const std::string& id) const;

 private:
  base::Json run_ = base::Json::object();
  std::vector<StepRow> steps_;
  std::map<std::string, std::size_t> index_;
  std::map<std::string, std::map<std::string, base::Json>> metrics_;  // by step id, by name
};

bool IsFinalState(const std::string& state);
// How long a step took or has been running; "" before it began.
std::string DurationOf(const StepRow& step, base::Micros now);

}  // namespace regatta::cli
