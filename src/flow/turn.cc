#include <algorithm>
#include <chrono>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "flow/engine_impl.h"
#include "flow/stored_text.h"

namespace regatta::flow {
namespace {

constexpr base::Micros kFirstBackoff = 50'000;
constexpr base::Micros kLastBackoff = 2'000'000;
// Between two looks whether a full disk has room again.
constexpr base::Micros kLookAgain = 500'000;
// A turn stops taking on steps after this, so that answers and events are never far.
constexpr base::Micros kTurnLength = 20'000;
// A run's counts change with every step; who watches a list is told this often at most.
constexpr base::Micros kRunEventEvery = 250'000;

}  // namespace

void EngineImpl::Post(std::function<void()> work) {
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_.push_back(std::move(work));
  }
  inbox_wake_.notify_one();
}

void EngineImpl::Publish(base::Event event) {
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_events_.push_back(std::move(event));
  }
  inbox_wake_.notify_one();
}

void EngineImpl::Loop() {
  while (true) {
    std::vector<std::function<void()>> requests;
    std::vector<base::Event> events;
    bool closing = false;
    {
      std::unique_lock lock(inbox_mutex_);
      const auto something = [this] {
        return closing_ || !inbox_.empty() || !inbox_events_.empty();
      };
      if (runs_to_serve_.empty() || retry_at_ != 0) {
        if (retry_at_ != 0) {
          const base::Micros wait = retry_at_ - base::MonotonicMicros();
          if (wait > 0) inbox_wake_.wait_for(lock, std::chrono::microseconds(wait), something);
        } else if (const base::Micros due = NextWake(); due != 0) {
          const base::Micros wait = due - base::MonotonicMicros();
          if (wait > 0) inbox_wake_.wait_for(lock, std::chrono::microseconds(wait), something);
        } else {
          inbox_wake_.wait(lock, something);
        }
      }
      requests.swap(inbox_);
      events.swap(inbox_events_);
      closing = closing_;
    }
    for (auto& request : requests) request();
    for (const base::Event& event : events) HandleEvent(event);
    if (!closing) {
      const base::Micros deadline = base::MonotonicMicros() + kTurnLength;
      std::vector<std::string> runs;
      runs.swap(runs_to_serve_);
      for (const std::string& id : runs) {
        const auto it = runs_.find(id);
        if (it == runs_.end()) continue;
        it->second->in_service = false;
        if (!ServeRun(*it->second, deadline)) Serve(*it->second);
      }
    }

    TellOwedRuns();
    const absl::Status status = Commit();
    std::vector<Answer> answers;
    answers.swap(answers_);
    if (!status.ok()) {
      backoff_ = backoff_ == 0 ? kFirstBackoff : std::min(backoff_ * 2, kLastBackoff);
      retry_at_ = base::MonotonicMicros() + backoff_;
      base::Log(base::LogLevel::kError, "flow", "cannot store the state of runs; trying again",
                {{"error", std::string(status.message())}});
      {
        const std::lock_guard lock(problem_mutex_);
        storage_problem_ = std::string(status.message());
      }
      for (const Answer& answer : answers) answer(status);
    } else {
      retry_at_ = 0;
      if (backoff_ != 0) {
        backoff_ = 0;
        const std::lock_guard lock(problem_mutex_);
        storage_problem_.clear();
      }
      const std::int64_t before = last_event_id_;
      AfterCommit();
      for (const Answer& answer : answers) answer(status);
      if (last_event_id_ != before) Wake();
      SubmitWhatIsDue();
      LaunchAndStop();
      ForgetFinishedRuns();
    }
    if (closing) return;
  }
}

absl::Status EngineImpl::Commit() {
  if (dirty_runs_.empty() && new_metrics_.empty() && new_cache_records_.empty() &&
      new_latest_.empty() && to_delete_.empty()) {
    return absl::OkStatus();
  }
  static base::Counter& commits =
      base::GetCounter("regatta_flow_commits_total", "Transactions of the workflow engine");
  static base::Histogram& seconds = base::GetHistogram(
      "regatta_flow_commit_seconds", "How long the workflow engine's transactions took");
  const base::Micros begin = base::MonotonicMicros();
  REGATTA_FAULT("flow.turn.before_commit");
  const std::int64_t first_event_id = next_event_id_;
  absl::Status status = WriteTurn();
  if (!in_doubt_.empty()) status = SettleDoubt(std::move(status));
  if (!status.ok()) {
    next_event_id_ = first_event_id;
    told_runs_.clear();  // nothing was told, and a run may be discarded now
    return status;
  }
  commits.Add();
  seconds.Observe(static_cast<double>(base::MonotonicMicros() - begin) / 1e6);
  REGATTA_FAULT("flow.turn.after_commit");
  return absl::OkStatus();
}

// Whether the turn is stored is not known. Writing it again might fail on its own rows for ever,
// and telling or launching something might be too early, so nothing else happens until it is known.
absl::Status EngineImpl::SettleDoubt(absl::Status lost) {
  base::Log(
      base::LogLevel::kWarning, "flow",
      "the database went away during a commit; waiting until it can say whether that happened",
      {{"error", std::string(lost.message())}});
  settling_ = true;
  base::Micros pause = kFirstBackoff;
  while (true) {
    {
      std::unique_lock lock(inbox_mutex_);
      const auto is_closing = [this] { return closing_; };
      if (inbox_wake_.wait_for(lock, std::chrono::microseconds(pause), is_closing)) break;
    }
    const absl::StatusOr<bool> happened = store_.WasCommitted(in_doubt_);
    if (happened.ok()) {
      if (*happened) lost = absl::OkStatus();
      break;
    }
    pause = std::min(pause * 2, kLastBackoff);
  }
  in_doubt_.clear();
  settling_ = false;
  return lost;
}

bool EngineImpl::MayWait(const Run& run) const {
  return !run.is_new && run.told_at != 0 && run.state == run.told_state &&
         run.message == run.told_message && base::MonotonicMicros() - run.told_at < kRunEventEvery;
}

void EngineImpl::TellOwedRuns() {
  if (tell_at_ == 0 || base::MonotonicMicros() < tell_at_) return;
  tell_at_ = 0;
  std::vector<std::string> owed;
  owed.swap(owed_runs_);
  for (const std::string& id : owed) {
    if (const auto it = runs_.find(id); it != runs_.end()) it->second->Touch();
  }
}

absl::Status EngineImpl::WriteTurn() {
  if (REGATTA_FAULT_ERROR("flow.turn.disk_full")) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the disk that holds ", store_.Describe(), " is full"));
  }
  ASSIGN_OR_RETURN(store::Transaction transaction, store_.Begin());
  const std::int64_t first_event_id = next_event_id_;
  told_runs_.clear();
  for (Run* run : dirty_runs_) {
    RETURN_IF_ERROR(WriteRun(transaction, *run));
    if (!MayWait(*run)) {
      RETURN_IF_ERROR(WriteEvent(transaction, {next_event_id_++, "run", run->id, run->project,
                                               base::DumpJson(ToJson(run->View()))}));
      told_runs_.push_back(run);
    }
    for (const StepRun* step : run->dirty_steps) {
      RETURN_IF_ERROR(WriteStep(transaction, *step));
      // A client that hears of a new run reads its steps; telling each would repeat that.
      if (run->is_new) continue;
      RETURN_IF_ERROR(WriteEvent(transaction, {next_event_id_++, "step", run->id, run->project,
                                               EventText(ViewOf(*step))}));
    }
  }
  for (const CacheRecord& record : new_cache_records_) {
    RETURN_IF_ERROR(WriteCacheRecord(transaction, record));
  }
  for (const LatestRecord& record : new_latest_) RETURN_IF_ERROR(WriteLatest(transaction, record));
  for (const UseRecord& record : new_uses_) RETURN_IF_ERROR(WriteUse(transaction, record));
  RETURN_IF_ERROR(WriteDeletions(transaction));

  for (const std::string& step_id : stale_metrics_) {
    RETURN_IF_ERROR(transaction.Execute("DELETE FROM flow_metrics WHERE step_id = ?", {step_id}));
  }
  std::map<std::pair<std::string, std::string>, const MetricRecord*> last;
  for (const MetricRecord& record : new_metrics_) {
    RETURN_IF_ERROR(WriteMetric(transaction, record));
    last[{record.step_id, record.series}] = &record;
  }
  std::set<std::string> steps_done;
  for (const auto& [key, record] : last) {
    const base::Json data = {{"run_id", record->run_id},
                             {"step_id", record->step_id},
                             {"name", record->series},
                             {"point", ToJson(record->point)}};
    RETURN_IF_ERROR(WriteEvent(transaction, {next_event_id_++, "metric", record->run_id,
                                             record->project, base::DumpJson(data)}));
    const StepRun* step = FindStep(record->run_id, record->step_id);
    if (step != nullptr && steps_done.insert(step->id).second) {
      RETURN_IF_ERROR(WriteLastMetrics(transaction, *step));
    }
  }
  // Not at every turn: a delete costs as much as several inserts.
  if ((next_event_id_ - 1) / 1000 != (first_event_id - 1) / 1000) {
    RETURN_IF_ERROR(DropOldEvents(transaction, next_event_id_ - 1));
  }
  in_doubt_.clear();
  return transaction.Commit(&in_doubt_);
}

void EngineImpl::AfterCommit() {
  const base::Micros now = base::MonotonicMicros();
  for (Run* run : told_runs_) {
    run->told_at = now;
    run->told_state = run->state;
    run->told_message = run->message;
    std::erase(owed_runs_, run->id);
  }
  for (Run* run : dirty_runs_) {
    if (run->told_at != now) {
      if (std::find(owed_runs_.begin(), owed_runs_.end(), run->id) == owed_runs_.end()) {
        owed_runs_.push_back(run->id);
      }
      const base::Micros due = run->told_at + kRunEventEvery;
      tell_at_ = tell_at_ == 0 ? due : std::min(tell_at_, due);
    }
    run->dirty = run->is_new = false;
    run->stored_state = run->state;
    for (StepRun* step : run->dirty_steps) {
      if (step->detail_dirty && step->detail != nullptr) step->has_detail_row = true;
      step->is_new = step->dirty = step->detail_dirty = step->spec_dirty = false;
      // What a final step still needs in memory is what later steps may refer to.
      if (IsFinal(step->state)) {
        step->detail.reset();
        step->job_spec.reset();
        step->metric_counts.clear();
      }
    }
    run->dirty_steps.clear();
    if (IsFinal(run->state)) finished_runs_.push_back(run->id);
  }
  dirty_runs_.clear();
  for (const auto& [run_id, step_id] : woken_) PrepareAgain(run_id, step_id);
  woken_.clear();
  new_cache_records_.clear();
  new_latest_.clear();
  new_uses_.clear();
  to_delete_.clear();
  new_metrics_.clear();
  stale_metrics_.clear();
  told_runs_.clear();
  last_event_id_ = next_event_id_ - 1;
}

void EngineImpl::PrepareAgain(const std::string& run_id, const std::string& step_id) {
  StepRun* step = FindStep(run_id, step_id);
  if (step == nullptr || step->state != StepState::kPending) return;
  step->run().ready_steps.push_back(step);
  Serve(step->run());
}

base::Micros EngineImpl::NextWake() const {
  base::Micros next = tell_at_;
  const auto consider = [&next](base::Micros at) { next = next == 0 ? at : std::min(next, at); };
  if (!to_submit_later_.empty()) consider(to_submit_later_.begin()->first);
  if (!to_prepare_later_.empty()) consider(to_prepare_later_.begin()->first);
  return next;
}

void EngineImpl::PrepareLater(StepRun& step, const absl::Status& why) {
  step.reason = absl::StrCat("cannot be started yet: ", why.message());
  step.run().Touch(step);
  ReleaseSlot(step);
  to_prepare_later_.emplace(base::MonotonicMicros() + kLookAgain,
                            std::pair(step.run().id, step.id));
}

void EngineImpl::SubmitWhatIsDue() {
  const base::Micros now = base::MonotonicMicros();
  while (!to_prepare_later_.empty() && to_prepare_later_.begin()->first <= now) {
    const auto [run_id, step_id] = std::move(to_prepare_later_.begin()->second);
    to_prepare_later_.erase(to_prepare_later_.begin());
    PrepareAgain(run_id, step_id);
  }
  while (!to_submit_later_.empty() && to_submit_later_.begin()->first <= now) {
    to_submit_.push_back(std::move(to_submit_later_.begin()->second));
    to_submit_later_.erase(to_submit_later_.begin());
  }
}

void EngineImpl::LaunchAndStop() {
  std::vector<std::string> submit;
  submit.swap(to_submit_);
  for (const std::string& job_id : submit) {
    const auto it = jobs_.find(job_id);
    if (it == jobs_.end()) continue;
    StepRun& step = *it->second;
    REGATTA_FAULT("flow.step.before_submit");
    const absl::Status status = executor_->Submit(*step.job_spec);
    REGATTA_FAULT("flow.step.after_submit");
    if (status.ok()) continue;
    if (status.code() == absl::StatusCode::kResourceExhausted ||
        status.code() == absl::StatusCode::kUnavailable) {
      // The disk is full or a server away: that passes, and the id makes repeating safe.
      step.reason = absl::StrCat("cannot be launched yet: ", status.message());
      step.run().Touch(step);
      to_submit_.push_back(job_id);
      retry_at_ = base::MonotonicMicros() + kLookAgain;
      continue;
    }
    jobs_.erase(it);
    FailStep(step, std::string(status.message()));
    Serve(step.run());
  }
  std::vector<std::pair<std::string, bool>> stop;
  stop.swap(to_stop_);
  for (const auto& [job_id, now] : stop) {
    const absl::Status status = executor_->Stop(job_id, now);
    if (std::find(to_submit_.begin(), to_submit_.end(), job_id) != to_submit_.end()) {
      to_stop_.emplace_back(job_id, now);  // it cannot be submitted yet
    } else if (!status.ok() && status.code() != absl::StatusCode::kNotFound) {
      base::Log(base::LogLevel::kWarning, "flow", "cannot stop a job",
                {{"job", job_id}, {"error", std::string(status.message())}});
    }
  }
  for (const std::string& job_id : to_forget_) executor_->Forget(job_id);
  to_forget_.clear();
}

void EngineImpl::ForgetFinishedRuns() {
  for (const std::string& id : finished_runs_) {
    const auto it = runs_.find(id);
    if (it == runs_.end()) continue;
    const Run& run = *it->second;
    if (run.recovered && !run.attached && run.stop == StopKind::kNone) {
      unclaimed_[{run.project, run.request_digest}] = {run.id, run.finished_at};
    }
    runs_.erase(it);
  }
  finished_runs_.clear();
}

void EngineImpl::Wake() {
  const std::lock_guard lock(listeners_mutex_);
  for (const auto& [token, wake] : listeners_) wake();
}

std::int64_t EngineImpl::Listen(std::function<void()> wake) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_[next_listener_] = std::move(wake);
  return next_listener_++;
}

void EngineImpl::Unlisten(std::int64_t token) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.erase(token);
}

}  // namespace regatta::flow
