#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "flow/background.h"
#include "flow/engine.h"
#include "flow/records.h"
#include "flow/result_records.h"
#include "flow/run_state.h"
#include "flow/step_start.h"

namespace regatta::flow {

// The engine. Its methods are spread over files by what they do:
//   engine.cc       opening, closing, requests
//   turn.cc         the turn: inbox -> memory -> one transaction -> executor, callers, listeners
//   transitions.cc  what a change of one step means for the others and for the run
//   start.cc        a node whose dependencies are done: values, loop, condition, cache, job
//   job_events.cc   what executors tell
//   recovery.cc     rows -> memory
//   retry_run.cc    a run that did not succeed -> a new one that keeps what did
//   delete_run.cc   a run that has ended -> nothing
//   queries.cc      rows -> answers, on the callers' threads
// Everything marked "turn" is touched by the engine's thread only.
class EngineImpl : public Engine, public base::EventSink {
 public:
  explicit EngineImpl(EngineOptions options);
  ~EngineImpl() override;
  absl::Status Start();
  absl::Status StartToLook();

  void Publish(base::Event event) override;

  absl::StatusOr<CreatedRun> CreateRun(const RunRequest& request,
                                       std::vector<Problem>* problems) override;
  absl::StatusOr<RunView> StopRun(const std::string& run_id, bool force) override;
  absl::StatusOr<RunView> RetryRun(const RetryRequest& request) override;
  absl::Status DeleteRun(const std::string& run_id, bool check_cache) override;
  absl::StatusOr<RunPage> ListRuns(const RunFilter& filter) override;
  absl::StatusOr<RunDetail> GetRun(const std::string& run_id) override;
  absl::StatusOr<StepPage> ListSteps(const std::string& run_id, const StepFilter& filter) override;
  absl::StatusOr<StepDetail> GetStep(const std::string& run_id,
                                     const std::string& step_id) override;
  absl::StatusOr<std::vector<MetricSeries>> GetMetrics(const std::string& run_id,
                                                       const std::string& step_id) override;
  absl::StatusOr<job::LogRange> GetLog(const std::string& run_id, const std::string& step_id,
                                       int rank, std::int64_t offset, std::int64_t limit) override;
  absl::StatusOr<std::string> ArtifactFile(const std::string& run_id, const std::string& step_id,
                                           const std::string& name,
                                           const std::string& path) override;
  absl::StatusOr<std::vector<ChangeEvent>> EventsAfter(std::int64_t after,
                                                       const std::string& run_id,
                                                       int limit) override;
  std::int64_t LastEventId() override { return last_event_id_; }
  std::int64_t Listen(std::function<void()> wake) override;
  void Unlisten(std::int64_t token) override;

 private:
  // Called once the turn's transaction is done, with its status.
  using Answer = std::function<void(const absl::Status&)>;

  // --- turn.cc
  void Loop();
  void Post(std::function<void()> work);
  absl::Status Commit();
  absl::Status WriteTurn();
  absl::Status SettleDoubt(absl::Status lost);
  void AfterCommit();
  void LaunchAndStop();
  void ForgetFinishedRuns();
  bool MayWait(const Run& run) const;  // its `run` event, until a while after the last one
  void TellOwedRuns();
  void Wake();
  base::Micros NextWake() const;  // monotonic; 0: nothing is due by itself
  void SubmitWhatIsDue();
  void PrepareAgain(const std::string& run_id, const std::string& step_id);
  // Its start found no room on the disk (`why`), which passes: it is prepared again in a while.
  void PrepareLater(StepRun& step, const absl::Status& why);

  // --- engine.cc (turn)
  void Create(std::shared_ptr<Run> run, bool attach, Answer answer,
              std::shared_ptr<absl::StatusOr<CreatedRun>> result);
  void Stop(const std::string& run_id, bool force, Answer answer,
            std::shared_ptr<absl::StatusOr<RunView>> result);
  void Adopt(std::unique_ptr<Run> run);
  void Discard(const std::string& run_id);

  // --- retry_run.cc (turn)
  void Retry(const RetryRequest& request, Answer answer,
             std::shared_ptr<absl::StatusOr<RunView>> result);
  absl::StatusOr<std::unique_ptr<Run>> MakeRetry(const RetryRequest& request);

  // --- delete_run.cc (turn)
  void Delete(const std::string& run_id, bool check_cache, Answer answer);
  // Does `work` in a later turn; `answer` hears of it only when this one cannot be stored.
  void AfterThisTurn(Answer answer, std::function<void()> work);
  absl::Status CheckUnused(const std::string& run_id, bool check_cache);
  void UseResultsOf(Run& run, const std::string& from_run_id);
  absl::Status WriteDeletions(store::Transaction& transaction);
  absl::Status FinishDeletions();  // before the thread starts

  // --- transitions.cc (turn)
  void FinishStep(StepRun& step, StepState state, std::string reason);
  void FailStep(StepRun& step, const std::string& reason);
  void FinishNode(NodeRun& node);
  void FinishScope(Scope& scope);
  void FinishDag(StepRun& dag);
  void FinishRun(Run& run);
  void CancelDependents(NodeRun& node);
  void StopScope(Scope& scope, const std::string& reason, bool now);
  void StopStep(StepRun& step, const std::string& reason, bool now);
  void StartPostProcess(Run& run);
  void ReleaseSlot(StepRun& step);
  void Serve(Run& run);  // puts it into the list of runs to look at

  // --- start.cc (turn)
  bool ServeRun(Run& run, base::Micros deadline);  // false: the deadline came first
  void StartNode(NodeRun& node);
  void AdmitIteration(StepRun& step);
  void StartDag(StepRun& step);
  void PrepareStep(StepRun& step);
  void ApplyDecision(StepRun& step, StartDecision decision);
  void RememberLatest(const StepRun& step);
  absl::Status WriteArtifactList(const Run& run);

  // --- job_events.cc (turn)
  void HandleEvent(const base::Event& event);
  void HandleJobStatus(const std::string& job_id);
  void HandleMetric(const base::Event& event);
  void JobSucceeded(StepRun& step);
  void ApplyOutputs(StepRun& step, absl::StatusOr<std::map<std::string, ArtifactList>> outputs);
  // Makes the next attempt, which is submitted once `pause` is over.
  void RunAgain(StepRun& step, const std::string& why, base::Micros pause = 0);
  // False: its `retry` does not want it. `status` is null when the command ended well.
  bool TryAgain(StepRun& step, const job::JobStatus* status, const std::string& why);

  // --- recovery.cc (before the thread starts, or turn)
  absl::Status ReadLastEventId();
  absl::Status Recover();
  absl::Status RecoverRun(const store::Row& row);
  // The run and its steps as they are stored. An error is the store's; `unusable` says why its
  // pipeline or steps mean nothing to this program. Final steps get their details only if asked.
  absl::Status LoadRun(const store::Row& row, Run& run, bool all_details, absl::Status* unusable);
  // Of the final steps, what others may refer to.
  absl::Status ReadValues(Run& run);
  // By id and with all details; kNotFound, kFailedPrecondition for an unusable one.
  absl::Status LoadRun(const std::string& run_id, Run& run);
  struct Unfinished {
    std::vector<StepRun*> living;    // their jobs were, or are to be, started
    std::vector<StepRun*> unrolled;  // iterations of loops that go on
  };
  // Makes the counts of a loaded run from the states of its steps and queues what is ready. Comes
  // before anything is started: that may finish at once and lowers the counts.
  absl::StatusOr<Unfinished> CountUnfinished(Run& run);
  // An unfinished run that is not in memory.
  absl::Status TakeUpRun(const std::string& run_id);
  // The newest unfinished run of this request; does nothing when it is in memory or not there.
  absl::Status TakeUpInterrupted(const Run& request);

  // --- queries.cc
  struct StepRow {
    StepView view;
    std::string job_id, job_folder;
    int attempts = 0;
    base::Json detail;
  };
  absl::StatusOr<StepRow> ReadStep(const std::string& run_id, const std::string& step_id);
  // What a pending step waits for, to be told to whoever asks.
  absl::StatusOr<std::string> WhyItWaits(const StepView& step);
  void OverlayStorageProblem(RunView& run);

  StepRun* FindStep(const std::string& run_id, const std::string& step_id);
  // kFailedPrecondition in an engine that only looks, kUnavailable while a commit is in doubt.
  absl::Status CheckMayChange() const;

  const EngineOptions options_;
  store::Store& store_;
  std::unique_ptr<job::Executor> executor_;

  // What waits for the next turn.
  std::mutex inbox_mutex_;
  std::condition_variable inbox_wake_;
  std::vector<std::function<void()>> inbox_;
  std::vector<base::Event> inbox_events_;
  bool closing_ = false;

  // Turn.
  std::unordered_map<std::string, std::unique_ptr<Run>> runs_;  // the unfinished
  std::vector<std::string> runs_to_serve_;
  std::vector<Run*> dirty_runs_;
  std::vector<std::string> finished_runs_;  // stored as final; leave memory at the turn's end
  // Taken up from an earlier owner and ended before their user came back: who repeats the command
  // soon means these. By project and request digest; id and end.
  std::map<std::pair<std::string, std::string>, std::pair<std::string, base::Micros>> unclaimed_;
  std::unordered_map<std::string, StepRun*> jobs_;            // by job id
  std::vector<std::string> to_submit_;                        // job ids, decided in this turn
  std::multimap<base::Micros, std::string> to_submit_later_;  // monotonic; job ids
  // Steps whose preparation found the disk full: monotonic; (run id, step id).
  std::multimap<base::Micros, std::pair<std::string, std::string>> to_prepare_later_;
  std::vector<std::pair<std::string, bool>> to_stop_;
  std::vector<std::string> to_forget_;
  std::vector<CacheRecord> new_cache_records_;
  std::vector<LatestRecord> new_latest_;
  std::vector<UseRecord> new_uses_;
  std::vector<DeletionRecord> to_delete_;  // by this turn
  // By this owner: what was looked up before may still name them.
  std::unordered_set<std::string> deleted_runs_;
  std::vector<MetricRecord> new_metrics_;
  std::vector<std::string> stale_metrics_;  // steps whose points are of an attempt that was lost
  std::vector<Answer> answers_;
  // A running step that others with the same key wait for: (run id, step id) of each.
  std::unordered_map<std::string, std::vector<std::pair<std::string, std::string>>> running_keys_;
  std::vector<std::pair<std::string, std::string>> woken_;  // look again after this commit
  std::int64_t next_event_id_ = 1;
  std::vector<Run*> told_runs_;         // have a `run` event in this turn
  std::vector<std::string> owed_runs_;  // their counts changed since their last `run` event
  base::Micros tell_at_ = 0;            // monotonic; 0: none is owed
  base::Micros retry_at_ = 0;           // monotonic; 0: nothing to repeat
  base::Micros backoff_ = 0;

  std::string in_doubt_;  // the commit whose answer was lost; see SettleDoubt
  std::atomic<bool> settling_ = false;

  std::atomic<std::int64_t> last_event_id_ = 0;
  std::mutex problem_mutex_;
  std::string storage_problem_;  // empty when the last commit succeeded

  std::mutex listeners_mutex_;
  std::map<std::int64_t, std::function<void()>> listeners_;
  std::int64_t next_listener_ = 1;

  std::unique_ptr<Background> background_;
  std::thread thread_;
};

// How the processes of a job are shown.
std::vector<RankView> RanksOf(const job::JobStatus& status);

}  // namespace regatta::flow
