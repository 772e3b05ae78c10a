#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/ulid.h"
#include "flow/engine_impl.h"
#include "flow/resolve.h"

namespace regatta::flow {
namespace {

constexpr std::int64_t kInlineBytes = 1 << 20;
constexpr int kTailLines = 5;
// A step that takes the machine down with it must not do so for ever.
constexpr int kMostAttempts = 5;

const char* ReplicaStateName(job::ReplicaState state) {
  switch (state) {
    case job::ReplicaState::kPending:
      return "pending";
    case job::ReplicaState::kRunning:
      return "running";
    case job::ReplicaState::kSucceeded:
      return "succeeded";
    case job::ReplicaState::kFailed:
      return "failed";
    case job::ReplicaState::kTerminated:
      return "terminated";
  }
  return "pending";
}

// Null when none did.
const job::ReplicaStatus* FirstFailed(const job::JobStatus& status) {
  const job::ReplicaStatus* first = nullptr;
  for (const job::ReplicaStatus& replica : status.replicas) {
    if (replica.state != job::ReplicaState::kFailed) continue;
    if (first == nullptr || replica.finished_at < first->finished_at) first = &replica;
  }
  return first;
}

// Its message, and the end of the log of the replica that failed first.
std::string FailureReason(const job::JobStatus& status, const std::string& folder) {
  std::string reason = status.message.empty() ? "its command failed" : status.message;
  const job::ReplicaStatus* first = FirstFailed(status);
  if (first == nullptr) return reason;
  const std::string tail = job::LogTail(folder, first->rank, kTailLines);
  if (!tail.empty()) absl::StrAppend(&reason, "\n", tail);
  return reason;
}

struct ExpectedOutput {
  std::string name, path;
  Place place;        // where the pipeline asks for it
  std::string field;  // "train.artifacts.output.model"
};

absl::StatusOr<std::map<std::string, ArtifactList>> ReadOutputs(
    const std::vector<ExpectedOutput>& expected, const std::string& run_folder) {
  std::map<std::string, ArtifactList> outputs;
  for (const auto& [name, path, place, field] : expected) {
    auto artifact = DigestPath(path, run_folder);
    if (artifact.ok() && artifact->kind == "missing") {
      artifact = absl::FailedPreconditionError(
          absl::StrCat("its command succeeded but did not write its output artifact ", name,
                       " (expected at ", path, ")"));
    }
    if (!artifact.ok()) return At(place, field, artifact.status());
    outputs[name] = {*std::move(artifact)};
  }
  return outputs;
}

}  // namespace

std::vector<RankView> RanksOf(const job::JobStatus& status) {
  std::vector<RankView> ranks;
  for (const job::ReplicaStatus& replica : status.replicas) {
    RankView rank;
    rank.rank = replica.rank;
    rank.index = replica.index;
    rank.pid = replica.pid;
    rank.role = replica.role;
    rank.state = ReplicaStateName(replica.state);
    rank.message = replica.message;
    rank.exit_code = replica.exit_code;
    rank.signal = replica.signal;
    rank.started_at = replica.started_at;
    rank.finished_at = replica.finished_at;
    ranks.push_back(std::move(rank));
  }
  return ranks;
}

void EngineImpl::HandleEvent(const base::Event& event) {
  if (event.kind == "job.status") {
    HandleJobStatus(event.subject);
  } else if (event.kind == "job.metric") {
    HandleMetric(event);
  }
}

void EngineImpl::HandleJobStatus(const std::string& job_id) {
  const auto it = jobs_.find(job_id);
  if (it == jobs_.end()) return;
  StepRun& step = *it->second;
  if (step.busy || IsFinal(step.state)) return;
  const auto status = executor_->Status(job_id);
  if (!status.ok()) return;
  // The status may be ahead of the events; the one of the end comes after the last metric.
  if (job::IsFinal(status->state) && step.metrics_heard < status->metrics) return;
  Run& run = step.run();
  StepDetail& detail = *step.detail;
  detail.ranks = RanksOf(*status);
  detail.interpreter = status->interpreter;
  if (status->started_at != 0) step.started_at = status->started_at;
  run.Touch(step, true);
  switch (status->state) {
    case job::JobState::kPending:
      if (!status->message.empty() && !step.asked_to_stop) step.reason = status->message;
      return;
    case job::JobState::kRunning:
      if (!step.asked_to_stop) {
        step.reason = status->message.empty() ? detail.cache.reason : status->message;
        for (const std::string& warning : status->warnings) {
          absl::StrAppend(&step.reason, step.reason.empty() ? "" : "; ", warning);
        }
      }
      return;
    case job::JobState::kSucceeded:
      if (!step.asked_to_stop) step.reason = detail.cache.reason;
      return JobSucceeded(step);
    case job::JobState::kFailed:
      if (status->vanished && !step.asked_to_stop && step.attempts < kMostAttempts) {
        return RunAgain(step, status->message);
      }
      if (step.asked_to_stop) return FinishStep(step, StepState::kTerminated, "");
      if (TryAgain(step, &*status, status->message)) return;
      return FailStep(step, FailureReason(*status, step.job_folder));
    case job::JobState::kTerminated:
      if (step.asked_to_stop) return FinishStep(step, StepState::kTerminated, "");
      run.failing = true;
      if (run.message.empty()) {
        run.message = absl::StrCat("step \"", step.name, "\" was terminated by somebody else");
      }
      FinishStep(step, StepState::kTerminated, "was terminated though nobody asked for it here");
      if (run.pipeline->failure_strategy == FailureStrategy::kFailFast) {
        StopScope(*run.root, "because a step was terminated", false);
      }
      return;
  }
}

void EngineImpl::JobSucceeded(StepRun& step) {
  std::vector<ExpectedOutput> expected;
  std::int64_t bytes = 0;
  for (const OutputArtifact& output : step.node().outputs) {
    expected.push_back({output.name, OutputPath(step, output.name), output.place,
                        absl::StrCat(step.owner->path, ".artifacts.output.", output.name)});
    bytes += SizeUpTo(expected.back().path, kInlineBytes);
  }
  if (bytes <= kInlineBytes) return ApplyOutputs(step, ReadOutputs(expected, step.run().folder));
  step.busy = true;
  background_->Run(
      [this, expected, folder = step.run().folder, run_id = step.run().id, step_id = step.id] {
        auto outputs = ReadOutputs(expected, folder);
        Post([this, run_id, step_id, outputs = std::move(outputs)]() mutable {
          StepRun* step = FindStep(run_id, step_id);
          if (step == nullptr) return;
          step->busy = false;
          if (!IsFinal(step->state)) ApplyOutputs(*step, std::move(outputs));
        });
      });
}

void EngineImpl::ApplyOutputs(StepRun& step,
                              absl::StatusOr<std::map<std::string, ArtifactList>> outputs) {
  step.run().Touch(step, true);
  if (!outputs.ok()) {
    const std::string why(outputs.status().message());
    if (!TryAgain(step, nullptr, why)) FailStep(step, why);
    return;
  }
  step.outputs = *std::move(outputs);
  REGATTA_FAULT("flow.step.before_success");
  FinishStep(step, StepState::kSucceeded, "");
}

bool EngineImpl::TryAgain(StepRun& step, const job::JobStatus* status, const std::string& why) {
  constexpr base::Micros kLongestPause = 3600LL * 1'000'000;
  const auto& retry = step.node().retry;
  if (!retry || step.attempts > retry->limit || step.asked_to_stop) return false;
  if (!retry->exit_codes.empty()) {
    // The other replicas were stopped because of the one that failed first.
    const job::ReplicaStatus* first = status == nullptr ? nullptr : FirstFailed(*status);
    if (first == nullptr) return false;
    const int code = first->signal ? 128 + *first->signal : first->exit_code.value_or(0);
    const auto& codes = retry->exit_codes;
    if (std::find(codes.begin(), codes.end(), code) == codes.end()) return false;
  }
  base::Micros pause = retry->backoff.count() * 1000;
  for (int i = 1; i < step.attempts && pause < kLongestPause; ++i) pause *= 2;
  RunAgain(step, why, std::min(pause, kLongestPause));
  return true;
}

void EngineImpl::RunAgain(StepRun& step, const std::string& why, base::Micros pause) {
  Run& run = step.run();
  jobs_.erase(step.job_id);
  to_forget_.push_back(step.job_id);
  for (const OutputArtifact& output : step.node().outputs) {
    const absl::Status status = PrepareOutput(OutputPath(step, output.name));
    if (!status.ok()) return FailStep(step, std::string(status.message()));
  }
  step.metrics_heard = 0;
  step.metric_counts.clear();
  step.last_metrics.clear();
  std::erase_if(new_metrics_, [&](const MetricRecord& r) { return r.step_id == step.id; });
  stale_metrics_.push_back(step.id);
  job::JobSpec spec = *step.job_spec;
  ++step.attempts;
  spec.id = base::NewUlid();
  spec.directory = JobFolder(step, step.attempts);
  step.SetSpec(std::move(spec));
  step.reason = absl::StrCat("attempt ", step.attempts, " after: ", why);
  step.detail->cache.reason = step.reason;
  jobs_[step.job_id] = &step;
  if (pause == 0) {
    to_submit_.push_back(step.job_id);
  } else {
    to_submit_later_.emplace(base::MonotonicMicros() + pause, step.job_id);
  }
  run.Touch(step, true);
}

void EngineImpl::HandleMetric(const base::Event& event) {
  const auto it = jobs_.find(event.subject);
  if (it == jobs_.end()) return;
  StepRun& step = *it->second;
  ++step.metrics_heard;
  const base::Json& data = event.data;
  if (!data.is_object() || !data.contains("name") || !data["name"].is_string()) return;
  std::string series = data["name"];
  if (series.empty() || series.size() > 200) return;
  // Rank 0 speaks for the job; the others are told apart.
  const int rank = data.value("rank", 0);
  if (rank != 0) absl::StrAppend(&series, " (rank ", rank, ")");
  if (step.metric_counts.size() >= 1000 && !step.metric_counts.contains(series)) return;
  MetricPoint point;
  if (const auto value = data.find("value"); value != data.end() && value->is_number()) {
    point.value = value->get<double>();
  }
  if (const auto at = data.find("step"); at != data.end() && at->is_number_integer()) {
    point.step = at->get<std::int64_t>();
  }
  point.time = data.value("time", event.time);
  if (point.time == 0) point.time = base::NowMicros();
  const Run& run = step.run();
  new_metrics_.push_back(
      {step.id, run.id, run.project, run.created_by, series, step.metric_counts[series]++, point});
  step.last_metrics[series] = point;
}

}  // namespace regatta::flow
