#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/run_model.h"
#include "cli/terminal.h"

namespace regatta::cli {

// Shows a run while it goes on. One thread.
class RunView {
 public:
  virtual ~RunView() = default;
  // A line for people that stays: "stopping politely; press Ctrl-C again to stop now".
  virtual void Say(const std::string& line) = 0;
  virtual void OnStep(const RunModel& model, const StepRow& step) = 0;
  virtual void OnMetric(const RunModel& model, const StepRow& step) = 0;
  // About four times a second, and after changes.
  virtual void OnTick(const RunModel& model) = 0;
  // The run is final: everything that stays is printed.
  virtual void OnEnd(const RunModel& model) = 0;
};

// A tree that is redrawn in place.
std::unique_ptr<RunView> NewTreeView();
// One line a change; for files and pipes.
std::unique_ptr<RunView> NewPlainView();
// Nothing: for `--output json`.
std::unique_ptr<RunView> NewSilentView();

// The tree as lines that fit the terminal. Loops with more than 20 iterations are one line; where
// the tree is higher than the screen, what is finished gives way to a count.
std::vector<std::string> RenderTree(const RunModel& model, const Terminal& terminal,
                                    base::Micros now);
// What stays at the end: each step with state, time and the reason for it.
std::vector<std::string> RenderSummary(const RunModel& model, const Terminal& terminal,
                                       base::Micros now);

}  // namespace regatta::cli
