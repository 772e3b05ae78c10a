#include <algorithm>
#include <functional>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/run_view.h"

namespace regatta::cli {
namespace {

constexpr std::size_t kMostIterations = 20;

struct Look {
  const char* unicode;
  const char* ascii;
  Colour colour;
};

Look LookOf(const StepRow& step) {
  if (step.state == "succeeded" && step.cached) return {"✓", "=", Colour::kBlue};
  if (step.state == "succeeded") return {"✓", "+", Colour::kGreen};
  if (step.state == "failed") return {"✗", "x", Colour::kRed};
  if (step.state == "running") return {"●", "*", Colour::kYellow};
  if (step.state == "terminating") return {"◐", "*", Colour::kYellow};
  if (step.state == "terminated") return {"■", "!", Colour::kRed};
  if (step.state == "cancelled") return {"⊘", "-", Colour::kGrey};
  if (step.state == "skipped") return {"↷", "-", Colour::kGrey};
  return {"○", ".", Colour::kGrey};
}

std::string StateText(const StepRow& step) { return step.cached ? "cached" : step.state; }

// One line of the tree: a step, or many iterations of one loop.
struct Line {
  int depth = 0;
  const StepRow* step = nullptr;
  std::vector<const StepRow*> group;
};

std::vector<Line> LinesOf(const RunModel& model) {
  std::map<std::string, std::vector<const StepRow*>> children;
  for (const StepRow& step : model.steps()) {
    children[model.Find(step.parent_id) == nullptr ? "" : step.parent_id].push_back(&step);
  }
  std::vector<Line> lines;
  // As people think of it: the iterations of a loop together, the post-process step last.
  for (auto& [parent, steps] : children) {
    std::map<std::string, std::size_t> first;
    for (std::size_t i = 0; i < steps.size(); ++i) first.try_emplace(steps[i]->node, i);
    const auto rank = [&](const StepRow* step) {
      return std::make_tuple(step->kind == "post_process", first[step->node], step->loop_index);
    };
    std::stable_sort(steps.begin(), steps.end(),
                     [&](const StepRow* a, const StepRow* b) { return rank(a) < rank(b); });
  }
  const std::function<void(const std::string&, int)> walk = [&](const std::string& parent,
                                                                int depth) {
    std::map<std::string, std::vector<const StepRow*>> loops;
    for (const StepRow* step : children[parent]) {
      if (step->loop_index >= 0) loops[step->node].push_back(step);
    }
    for (const StepRow* step : children[parent]) {
      const auto loop = loops.find(step->node);
      if (step->loop_index >= 0 && loop->second.size() > kMostIterations) {
        if (loop->second.front() == step) lines.push_back({.depth = depth, .group = loop->second});
        continue;
      }
      lines.push_back({.depth = depth, .step = step});
      walk(step->id, depth + 1);
    }
  };
  walk("", 0);
  return lines;
}

// "50 iterations: 30 succeeded, 5 running".
std::string CountText(const std::vector<const StepRow*>& steps, const char* noun) {
  std::map<std::string, int> counts;
  for (const StepRow* step : steps) ++counts[StateText(*step)];
  std::vector<std::string> parts;
  for (const auto& [state, count] : counts) parts.push_back(absl::StrCat(count, " ", state));
  return absl::StrCat(steps.size(), " ", noun, ": ", absl::StrJoin(parts, ", "));
}

std::string PadTo(std::string text, int columns) {
  const int have = ColumnsOf(text);
  if (have < columns) text.append(static_cast<std::size_t>(columns - have), ' ');
  return text;
}

class Painter {
 public:
  Painter(const Terminal& terminal, const std::vector<Line>& lines, base::Micros now)
      : terminal_(terminal), now_(now) {
    for (const Line& line : lines) {
      const StepRow& step = line.step != nullptr ? *line.step : *line.group.front();
      name_columns_ = std::max(name_columns_, 2 * line.depth + ColumnsOf(step.name));
    }
    name_columns_ = std::min(name_columns_, std::max(10, terminal.width / 3));
  }

  std::string Draw(const Line& line) const {
    const StepRow& step = line.step != nullptr ? *line.step : *line.group.front();
    const Look look = line.step != nullptr ? LookOf(step) : GroupLook(line.group);
    const std::string name =
        PadTo(Fit(terminal_, std::string(static_cast<std::size_t>(2 * line.depth), ' ') + step.name,
                  name_columns_),
              name_columns_);
    std::string rest;
    if (line.step == nullptr) {
      rest = CountText(line.group, "iterations");
    } else {
      const std::string time = DurationOf(step, now_);
      rest = absl::StrCat(PadTo(StateText(step), 11), " ", PadTo(time, 8), " ", Note(step));
    }
    const int room = terminal_.width - 1 - 2 - name_columns_ - 1;
    return absl::StrCat(
        Paint(terminal_, look.colour, terminal_.unicode ? look.unicode : look.ascii), " ", name,
        " ",
        Paint(terminal_, Tone(step, line.step != nullptr),
              Fit(terminal_, rest, std::max(0, room))));
  }

 private:
  static std::string Note(const StepRow& step) {
    if (step.state == "running" && !step.metrics.empty()) return step.metrics;
    if (step.state == "succeeded" && !step.cached && !step.metrics.empty()) {
      return step.reason.empty() ? step.metrics : absl::StrCat(step.metrics, "  ", step.reason);
    }
    return step.reason;
  }
  static Look GroupLook(const std::vector<const StepRow*>& group) {
    const StepRow* worst = group.front();
    const auto weight = [](const StepRow* step) {
      return step->state == "failed"                                   ? 4
             : step->state == "running"                                ? 3
             : step->state == "pending"                                ? 2
             : IsFinalState(step->state) && step->state != "succeeded" ? 1
                                                                       : 0;
    };
    for (const StepRow* step : group) {
      if (weight(step) > weight(worst)) worst = step;
    }
    return LookOf(*worst);
  }
  static Colour Tone(const StepRow& step, bool single) {
    if (!single) return Colour::kNone;
    if (step.state == "failed") return Colour::kRed;
    if (step.state == "pending" || step.state == "skipped" || step.state == "cancelled") {
      return Colour::kGrey;
    }
    return Colour::kNone;
  }

  const Terminal& terminal_;
  base::Micros now_;
  int name_columns_ = 10;
};

}  // namespace

std::vector<std::string> RenderTree(const RunModel& model, const Terminal& terminal,
                                    base::Micros now) {
  std::vector<Line> lines = LinesOf(model);
  const auto most = static_cast<std::size_t>(std::max(3, terminal.height - 3));
  std::vector<const StepRow*> left_out;
  // Finished steps give way first, then waiting ones: what runs or failed is what people look for.
  for (const int round : {0, 1}) {
    for (std::size_t i = 0; i < lines.size() && lines.size() + 1 > most;) {
      const StepRow* step = lines[i].step;
      const bool gives_way =
          step != nullptr && (round == 0 ? step->state == "succeeded" || step->state == "skipped"
                                         : step->state == "pending");
      if (!gives_way) {
        ++i;
        continue;
      }
      left_out.push_back(step);
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (lines.size() > most) lines.resize(most);
  std::vector<std::string> text;
  const Painter painter(terminal, lines, now);
  for (const Line& line : lines) text.push_back(painter.Draw(line));
  if (!left_out.empty()) {
    text.push_back(Fit(terminal, "  and " + CountText(left_out, "more"), terminal.width - 1));
  }
  return text;
}

std::vector<std::string> RenderSummary(const RunModel& model, const Terminal& terminal,
                                       base::Micros now) {
  const std::vector<Line> lines = LinesOf(model);
  // In a file or a pipe, lines are as long as they must be.
  Terminal wide = terminal;
  if (!terminal.is_terminal) wide.width = 100'000;
  std::vector<std::string> text;
  const Painter painter(wide, lines, now);
  for (const Line& line : lines) text.push_back(painter.Draw(line));
  return text;
}

}  // namespace regatta::cli
