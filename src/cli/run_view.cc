#include "cli/run_view.h"

#include <cstdio>
#include <ctime>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace regatta::cli {
namespace {

constexpr base::Micros kRedraw = 100'000;         // at most ten times a second
constexpr base::Micros kMetricEvery = 1'000'000;  // plain lines of one step

void Write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string ClockText(base::Micros now) {
  const std::time_t seconds = now / 1'000'000;
  struct tm local = {};
  localtime_r(&seconds, &local);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &local);
  return text;
}

class TreeView final : public RunView {
 public:
  TreeView() { Write("\x1b[?25l"); }
  ~TreeView() override { Write("\x1b[?25h"); }

  void Say(const std::string& line) override {
    Erase();
    Write(line + "\n");
  }
  void OnStep(const RunModel& model, const StepRow&) override { OnTick(model); }
  void OnMetric(const RunModel& model, const StepRow&) override { OnTick(model); }
  void OnTick(const RunModel& model) override {
    const base::Micros now = base::MonotonicMicros();
    if (drawn_lines_ > 0 && now - drawn_at_ < kRedraw) return;
    drawn_at_ = now;
    Draw(RenderTree(model, LookAtTerminal(), base::NowMicros()));
  }
  void OnEnd(const RunModel& model) override {
    Draw(RenderSummary(model, LookAtTerminal(), base::NowMicros()));
    drawn_lines_ = 0;
  }

 private:
  void Erase() {
    if (drawn_lines_ > 0) Write(absl::StrCat("\x1b[", drawn_lines_, "A\r\x1b[J"));
    drawn_lines_ = 0;
  }
  void Draw(const std::vector<std::string>& lines) {
    // One write for the whole picture: no flicker.
    std::string text;
    if (drawn_lines_ > 0) text = absl::StrCat("\x1b[", drawn_lines_, "A\r");
    for (const std::string& line : lines) absl::StrAppend(&text, line, "\x1b[K\n");
    absl::StrAppend(&text, "\x1b[J");
    Write(text);
    drawn_lines_ = lines.size();
  }

  std::size_t drawn_lines_ = 0;
  base::Micros drawn_at_ = 0;
};

class PlainView final : public RunView {
 public:
  void Say(const std::string& line) override { Write(line + "\n"); }

  void OnStep(const RunModel&, const StepRow& step) override {
    if (step.state == "pending") return;
    PrintMetrics(step, base::MonotonicMicros());
    const base::Micros now = base::NowMicros();
    const bool is_start = started_.insert(step.id).second;
    if (is_start && IsFinalState(step.state) && !step.cached && step.started_at != 0) {
      // It was over before we looked. Its start is a change as well, and says why it ran, unless
      // the reason by now is why it failed.
      PrintLine(step.started_at, step.name, "running",
                step.state == "succeeded" ? step.reason : "");
    }
    std::string what = step.cached ? "cached" : step.state;
    const std::string time = DurationOf(step, now);
    if (IsFinalState(step.state) && !step.cached && !time.empty()) {
      absl::StrAppend(&what, " after ", time);
    }
    // Why a step runs is said when it starts.
    PrintLine(now, step.name, what, step.cached || step.state != "succeeded" ? step.reason : "");
  }

  void OnMetric(const RunModel&, const StepRow& step) override {
    const auto [it, is_new] = waiting_.try_emplace(step.id);
    it->second.text = step.metrics;
  }

  void OnTick(const RunModel& model) override {
    const base::Micros now = base::MonotonicMicros();
    for (auto& [id, metrics] : waiting_) {
      const StepRow* step = model.Find(id);
      if (step != nullptr && now - metrics.printed_at >= kMetricEvery) PrintMetrics(*step, now);
    }
  }

  void OnEnd(const RunModel& model) override {
    const Terminal terminal = LookAtTerminal();
    Write(absl::StrCat("\n", absl::StrJoin(RenderSummary(model, terminal, base::NowMicros()), "\n"),
                       "\n"));
  }

 private:
  static void PrintLine(base::Micros when, const std::string& name, const std::string& what,
                        const std::string& reason) {
    Write(absl::StrCat(ClockText(when), " ", name, " ", what, reason.empty() ? "" : ": ", reason,
                       "\n"));
  }

  struct Metrics {
    std::string text;  // empty: printed
    base::Micros printed_at = 0;
  };
  void PrintMetrics(const StepRow& step, base::Micros now) {
    const auto it = waiting_.find(step.id);
    if (it == waiting_.end() || it->second.text.empty()) return;
    Write(absl::StrCat(ClockText(base::NowMicros()), " ", step.name, " ", it->second.text, "\n"));
    it->second.text.clear();
    it->second.printed_at = now;
  }

  std::map<std::string, Metrics> waiting_;  // by step id
  std::set<std::string> started_;           // ids of steps that a line was printed for
};

class SilentView final : public RunView {
 public:
  void Say(const std::string& line) override { std::fprintf(stderr, "%s\n", line.c_str()); }
  void OnStep(const RunModel&, const StepRow&) override {}
  void OnMetric(const RunModel&, const StepRow&) override {}
  void OnTick(const RunModel&) override {}
  void OnEnd(const RunModel&) override {}
};

}  // namespace

std::unique_ptr<RunView> NewTreeView() { return std::make_unique<TreeView>(); }
std::unique_ptr<RunView> NewPlainView() { return std::make_unique<PlainView>(); }
std::unique_ptr<RunView> NewSilentView() { return std::make_unique<SilentView>(); }

}  // namespace regatta::cli
