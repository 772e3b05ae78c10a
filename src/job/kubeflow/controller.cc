#include "job/kubeflow/controller.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/ulid.h"
#include "job/kubeflow/records.h"

namespace regatta::job {
namespace {

using base::Json;
using base::Micros;

Micros InMicros(std::chrono::seconds seconds) { return seconds.count() * 1'000'000; }

const char* StateName(ReplicaState state) {
  switch (state) {
    case ReplicaState::kPending:
      return "pending";
    case ReplicaState::kRunning:
      return "running";
    case ReplicaState::kSucceeded:
      return "succeeded";
    case ReplicaState::kFailed:
      return "failed";
    case ReplicaState::kTerminated:
      break;
  }
  return "terminated";
}

// In the message of a job that was ended by its runPolicy; Kubeflow's words.
constexpr char kPastLimit[] = "has reached the specified backoff limit";
constexpr char kPastDeadline[] = "was active longer than specified deadline";

bool Concluded(const TrainingRecord& record) { return record.finished_at != 0; }

class Controller final : public TrainingJobs, public base::EventSink {
 public:
  explicit Controller(store::Store* store) : store_(store), looks_only_(true) {}
  explicit Controller(TrainingJobsOptions options)
      : store_(options.store), options_(std::move(options)) {}

  ~Controller() override {
    thread_ = {};  // asks it to end, and waits
    executor_.reset();
  }

  absl::Status Begin() {
    ASSIGN_OR_RETURN(executor_, options_.make_executor(this));
    if (options_.take_up) {
      ASSIGN_OR_RETURN(auto records, ReadUnsettled(*store_));
      const std::lock_guard lock(mutex_);
      for (TrainingRecord& record : records) {
        Live* const live = TakeUp(std::move(record));
        if (live->record.execution.empty()) LogIfError(FinishDeleting(*live));
      }
      RemoveFoldersOfNobody();
    }
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
    return absl::OkStatus();
  }

  // From the executor's thread.
  void Publish(base::Event event) override {
    if (event.kind != "job.status") return;
    {
      const std::lock_guard lock(events_mutex_);
      changed_.push_back(std::move(event.subject));
    }
    wake_.notify_one();
  }

  absl::StatusOr<Json> Create(const TrainingJobRequest& request,
                              std::vector<Problem>* problems) override {
    RETURN_IF_ERROR(CheckOwner());
    ASSIGN_OR_RETURN(
        TrainingJob job,
        ParseTrainingJob(request.yaml, request.source.empty() ? "job.yaml" : request.source,
                         problems));
    const std::lock_guard lock(mutex_);
    TrainingRecord record;
    record.id = request.id.empty() ? base::NewUlid() : request.id;
    if (auto known = ReadRecord(*store_, record.id); known.ok()) {
      if (known->yaml == request.yaml) return known->View();
      return absl::AlreadyExistsError(absl::StrCat("job ", record.id, " exists with another file"));
    }
    record.project = request.project;
    record.created_by = request.created_by;
    record.yaml = request.yaml;
    record.source = request.source;
    record.name = job.name;
    record.kind = KindName(job.kind);
    record.working_directory = request.working_directory;
    record.created_at = base::NowMicros();
    record.suspend = job.suspend;
    record.state = "created";
    record.status["warnings"] = job.warnings;
    SetCondition(record, "Created", true, record.kind + "Created",
                 absl::StrCat(record.kind, " ", record.name, " is created."));
    if (record.suspend) {
      SetSuspended(record);
    } else {
      NewExecution(record);
    }
    RETURN_IF_ERROR(Save(record, true));
    REGATTA_FAULT("training.create.after_commit");
    Live& live = live_[record.id];
    live = {std::move(record), std::move(job)};
    if (!live.record.execution.empty()) {
      if (const absl::Status status = SubmitExecution(live); !status.ok()) {
        // It can never run: nothing of it is kept.
        const std::string id = live.record.id;
        RETURN_IF_ERROR(Erase(live.record));
        live_.erase(id);
        return status;
      }
    }
    return live.record.View();
  }

  absl::StatusOr<Json> Get(const std::string& id) override {
    ASSIGN_OR_RETURN(const TrainingRecord record, ReadRecord(*store_, id));
    Json view = record.View();
    view["yaml"] = record.yaml;
    return view;
  }

  absl::StatusOr<TrainingJobPage> List(const TrainingJobFilter& filter) override {
    return ReadPage(*store_, filter);
  }

  absl::StatusOr<LogRange> GetLog(const std::string& id, int rank, int restarts,
                                  std::int64_t offset, std::int64_t limit) override {
    ASSIGN_OR_RETURN(const TrainingRecord record, ReadRecord(*store_, id));
    return ReadRecordLog(record, rank, restarts, offset, limit);
  }

  absl::StatusOr<Json> Suspend(const std::string& id, bool suspend, bool now) override {
    RETURN_IF_ERROR(CheckOwner());
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(Live* const live, Find(id));
    TrainingRecord& record = live->record;
    if (Concluded(record) || record.deleting) {
      return absl::FailedPreconditionError(
          absl::StrCat("job ", id, " is ", record.View()["state"].get<std::string>(),
                       "; only an unfinished job can be ", suspend ? "stopped" : "resumed"));
    }
    if (record.suspend != suspend) {
      record.suspend = suspend;
      if (!suspend && record.execution.empty()) {
        Resume(record);
        RETURN_IF_ERROR(Save(record));
        if (const absl::Status status = SubmitExecution(*live); !status.ok()) {
          Conclude(record, false, record.kind + "Failed", std::string(status.message()));
          record.settled = true;
          RETURN_IF_ERROR(Save(record));
        }
        return record.View();
      }
      RETURN_IF_ERROR(Save(record));
    }
    REGATTA_FAULT("training.suspend.after_commit");
    if (suspend && !record.execution.empty()) {
      RETURN_IF_ERROR(executor_->Stop(record.execution, now));
      RETURN_IF_ERROR(Refresh(*live));  // may end the life of `live`
    }
    ASSIGN_OR_RETURN(const TrainingRecord now_stored, ReadRecord(*store_, id));
    return now_stored.View();
  }

  absl::Status Delete(const std::string& id) override {
    RETURN_IF_ERROR(CheckOwner());
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(Live* const live, Find(id));
    return DeleteLive(*live);
  }

 private:
  struct Live {
    TrainingRecord record;
    TrainingJob job;
  };

  absl::Status CheckOwner() const {
    if (!looks_only_) return absl::OkStatus();
    return absl::FailedPreconditionError("this process only looks; it owns no jobs");
  }

  absl::Status Save(const TrainingRecord& record, bool is_new = false) {
    ASSIGN_OR_RETURN(store::Transaction transaction, store_->Begin());
    RETURN_IF_ERROR(WriteRecord(transaction, record, is_new));
    return transaction.Commit();
  }

  std::string FolderOf(const TrainingRecord& record) const {
    return absl::StrCat(options_.folder, "/jobs/", record.id);
  }

  // Row first: a folder without a row is rubbish, a row without a folder would be a broken job.
  absl::Status Erase(const TrainingRecord& record) {
    ASSIGN_OR_RETURN(store::Transaction transaction, store_->Begin());
    RETURN_IF_ERROR(transaction.Execute("DELETE FROM job_training_jobs WHERE id = ?", {record.id}));
    RETURN_IF_ERROR(transaction.Commit());
    REGATTA_FAULT("training.erase.after_row");
    std::error_code error;
    std::filesystem::remove_all(FolderOf(record), error);
    if (error) {
      base::Log(base::LogLevel::kWarning, "job", "the folder of a deleted job stays",
                {{"folder", FolderOf(record)}, {"error", error.message()}});
    }
    return absl::OkStatus();
  }

  // What an owner left that was killed between the two steps of Erase.
  void RemoveFoldersOfNobody() {
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(options_.folder + "/jobs", error)) {
      const std::string id = entry.path().filename();
      if (!base::IsUlid(id) || !absl::IsNotFound(ReadRecord(*store_, id).status())) continue;
      std::filesystem::remove_all(entry.path(), error);
    }
  }

  // Its id is stored before anything is started under it, so that the next owner adopts.
  void NewExecution(TrainingRecord& record) {
    record.execution = base::NewUlid();
    record.directory = absl::StrCat(FolderOf(record), "/", record.execution);
    record.started_at = 0;
  }

  absl::Status SubmitExecution(Live& live) {
    const TrainingRecord& record = live.record;
    JobSpec spec = ToJobSpec(live.job, record.execution, record.directory);
    spec.project = record.project;
    spec.created_by = record.created_by;
    spec.working_directory = record.working_directory;
    if (spec.working_directory.empty()) spec.working_directory = FolderOf(record);
    RETURN_IF_ERROR(ToAbsl(base::MakeFolders(record.directory)));
    for (const MpiFile& file : MpiFiles(live.job)) {
      RETURN_IF_ERROR(ToAbsl(base::WriteFileDurably(base::JoinPath(record.directory, file.name),
                                                    file.content, file.mode)));
    }
    return executor_->Submit(spec);
  }

  // From the store, when an earlier owner has left it.
  absl::StatusOr<Live*> Find(const std::string& id) {
    if (const auto known = live_.find(id); known != live_.end()) return &known->second;
    ASSIGN_OR_RETURN(TrainingRecord record, ReadRecord(*store_, id));
    return TakeUp(std::move(record));
  }

  Live* TakeUp(TrainingRecord record) {
    auto job = ParseTrainingJob(record.yaml, record.source, nullptr);
    const std::string id = record.id;
    Live& live = live_[id];
    live.record = std::move(record);
    absl::Status status = job.status();
    if (job.ok()) live.job = *std::move(job);
    const bool runs = !live.record.execution.empty() && !live.record.settled;
    if (status.ok() && runs) status = SubmitExecution(live);
    if (!status.ok() && !Concluded(live.record)) {
      Conclude(live.record, false, live.record.kind + "Failed",
               absl::StrCat("cannot be taken up again: ", std::string(status.message())));
      live.record.settled = true;
      LogIfError(Save(live.record));
      return &live;
    }
    // What an earlier owner had decided, and may have died before saying so.
    if (runs && (live.record.suspend || live.record.deleting || EndsTheRest(live))) {
      LogIfError(executor_->Stop(live.record.execution, false));
    }
    if (runs) Publish({.kind = "job.status", .subject = live.record.execution});
    return &live;
  }

  static void LogIfError(const absl::Status& status) {
    if (status.ok() || absl::IsNotFound(status)) return;
    base::Log(base::LogLevel::kError, "job", "a training job could not be brought forward",
              {{"error", std::string(status.message())}});
  }

  void Conclude(TrainingRecord& record, bool succeeded, const std::string& reason,
                const std::string& message) {
    record.finished_at = base::NowMicros();
    record.state = succeeded ? "succeeded" : "failed";
    record.status["message"] = message;
    SetCondition(record, succeeded ? "Succeeded" : "Failed", true, reason, message);
  }

  // Whether what still runs of a job that is over has to end.
  static bool EndsTheRest(const Live& live) {
    const TrainingRecord& record = live.record;
    if (!Concluded(record)) return false;
    switch (live.job.clean_pods) {
      case CleanPodPolicy::kRunning:
      case CleanPodPolicy::kAll:
        return true;
      case CleanPodPolicy::kOnSuccess:
        if (record.state == "succeeded") return true;
        break;
      case CleanPodPolicy::kOnFailure:
        if (record.state == "failed") return true;
        break;
      case CleanPodPolicy::kNone:
        break;
    }
    const std::string message = record.status.value("message", "");
    return message.find(kPastLimit) != std::string::npos ||
           message.find(kPastDeadline) != std::string::npos;
  }

  void SetSuspended(TrainingRecord& record) {
    const std::string message = absl::StrCat(record.kind, " ", record.name, " is suspended.");
    record.execution.clear();
    record.started_at = 0;
    record.state = "suspended";
    Unset(record, "Running", record.kind + "Suspended", message);
    SetCondition(record, "Suspended", true, record.kind + "Suspended", message);
  }

  void Resume(TrainingRecord& record) {
    Unset(record, "Suspended", record.kind + "Resumed",
          absl::StrCat(record.kind, " ", record.name, " is resumed."));
    NewExecution(record);
    record.state = "created";
    record.status["message"] = "";
  }

  // Brings one job's record in step with its execution.
  absl::Status Refresh(Live& live) {
    TrainingRecord& record = live.record;
    if (record.settled) return FinishDeleting(live);
    if (record.execution.empty()) return record.deleting ? FinishDeleting(live) : absl::OkStatus();
    ASSIGN_OR_RETURN(const JobStatus status, executor_->Status(record.execution));
    const Json before = {record.status, record.state, record.started_at};
    const bool was_over = Concluded(record);
    TakeReplicas(live, status);
    const bool ended = IsFinal(status.state);
    if (!Concluded(record)) {
      record.status["message"] = status.message;
      if (status.started_at != 0) record.started_at = status.started_at;
      const JobState outcome = Outcome(live, status);
      // A job that was asked to stop has not failed because its processes were ended.
      const bool stopped = record.suspend || record.deleting;
      if (outcome == JobState::kSucceeded) {
        Conclude(record, true, record.kind + "Succeeded",
                 absl::StrCat(record.kind, " ", record.name, " is successfully completed."));
      } else if (ended && stopped) {
        SetSuspended(record);
      } else if (outcome == JobState::kFailed && !stopped) {
        ConcludeFailure(live, status);
      } else if (ended) {
        Resume(record);  // while it was being stopped it was asked to go on
      } else {
        SetRunning(record, status);
      }
    }
    if (ended && Concluded(record)) {
      record.execution.clear();
      record.settled = !live.job.time_to_live && !record.deleting;
    }
    if (ended || before != Json({record.status, record.state, record.started_at})) {
      RETURN_IF_ERROR(Save(record));
    }
    if (!ended) {
      // Where the executor knows that the rest has to end it is ending it already.
      const bool executor_does = status.decided &&
                                 live.job.clean_pods != CleanPodPolicy::kOnFailure &&
                                 live.job.clean_pods != CleanPodPolicy::kOnSuccess &&
                                 live.job.clean_pods != CleanPodPolicy::kNone;
      if (was_over || executor_does || !EndsTheRest(live)) return absl::OkStatus();
      return executor_->Stop(record.execution, false);
    }
    executor_->Forget(status.id);
    if (record.deleting) return FinishDeleting(live);
    if (!record.execution.empty()) return SubmitExecution(live);
    if (record.settled) live_.erase(std::string(record.id));
    return absl::OkStatus();
  }

  static JobState Outcome(const Live& live, const JobStatus& status) {
    const JobState outcome = status.decided.value_or(status.state);
    const auto succeeded = [](const ReplicaStatus& replica) {
      return replica.state == ReplicaState::kSucceeded;
    };
    const bool one_is_enough = live.job.any_worker_decides && outcome != JobState::kFailed;
    return one_is_enough && std::ranges::any_of(status.replicas, succeeded) ? JobState::kSucceeded
                                                                            : outcome;
  }

  void TakeReplicas(Live& live, const JobStatus& status) {
    TrainingRecord& record = live.record;
    Json replicas = Json::array();
    Json counts = Json::object();
    int restarts = 0;
    std::size_t rank = 0;
    for (const ReplicaSpec& spec : live.job.replicas) {
      Json& count = counts[spec.type];
      count = {{"active", 0}, {"succeeded", 0}, {"failed", 0}};
      for (int i = 0; i < spec.replicas && rank < status.replicas.size(); ++i, ++rank) {
        const ReplicaStatus& replica = status.replicas[rank];
        restarts += replica.restarts;
        const auto add = [&count](const char* what) { count[what] = count.value(what, 0) + 1; };
        if (replica.state == ReplicaState::kRunning) add("active");
        if (replica.state == ReplicaState::kSucceeded) add("succeeded");
        if (replica.state == ReplicaState::kFailed) add("failed");
        Json each = {{"rank", replica.rank},         {"type", spec.type},
                     {"index", replica.index},       {"state", StateName(replica.state)},
                     {"restarts", replica.restarts}, {"message", replica.message}};
        if (replica.pid != 0) each["pid"] = replica.pid;
        if (replica.exit_code) each["exit_code"] = *replica.exit_code;
        if (replica.signal) each["signal"] = *replica.signal;
        if (replica.started_at != 0) each["started_at"] = replica.started_at;
        if (replica.finished_at != 0) each["finished_at"] = replica.finished_at;
        replicas.push_back(std::move(each));
      }
    }
    record.status["replicas"] = std::move(replicas);
    record.status["replica_statuses"] = std::move(counts);
    record.status["restarts"] = restarts;
    Json warnings = live.job.warnings;
    for (const std::string& warning : status.warnings) warnings.push_back(warning);
    record.status["warnings"] = std::move(warnings);
  }

  void ConcludeFailure(Live& live, const JobStatus& status) {
    TrainingRecord& record = live.record;
    std::string message = status.message;
    bool limit = false;
    bool deadline = false;
    for (const ReplicaStatus& replica : status.replicas) {
      if (replica.state != ReplicaState::kFailed) continue;
      if (message.empty()) {
        message = absl::StrCat("rank ", replica.rank, " (", replica.role, " ", replica.index, ") ",
                               replica.message);
      }
      limit = limit || replica.message.find("restarts is reached") != std::string::npos;
      deadline = deadline || replica.message.find("timed out") != std::string::npos;
    }
    if (deadline) return ConcludePolicy(live, "DeadlineExceeded", kPastDeadline, message);
    if (limit) return ConcludePolicy(live, "BackoffLimitExceeded", kPastLimit, message);
    Conclude(record, false, record.kind + "Failed", message);
  }

  // The newer MPIJob's reasons are those of the Job that Kubernetes makes for its launcher.
  void ConcludePolicy(Live& live, const std::string& reason, const char* why,
                      const std::string& detail) {
    TrainingRecord& record = live.record;
    const bool mpi2 = live.job.api_version == "kubeflow.org/v2beta1";
    Conclude(record, false, mpi2 ? reason : record.kind + "Failed",
             absl::StrCat("Job ", record.name, " has failed because it ", why, ": ", detail));
  }

  void SetRunning(TrainingRecord& record, const JobStatus& status) {
    bool active = false;
    bool restarting = false;
    for (const ReplicaStatus& replica : status.replicas) {
      active = active || replica.state == ReplicaState::kRunning;
      const bool waits = replica.state == ReplicaState::kPending && replica.finished_at != 0;
      restarting = restarting || waits;
    }
    if (restarting) {
      const std::string message =
          absl::StrCat(record.kind, " ", record.name, " is restarting: a replica has ended.");
      record.state = "restarting";
      Unset(record, "Running", record.kind + "Restarting", message);
      SetCondition(record, "Restarting", true, record.kind + "Restarting", message);
    } else if (active) {
      const std::string message = absl::StrCat(record.kind, " ", record.name, " is running.");
      record.state = "running";
      Unset(record, "Restarting", record.kind + "Running", message);
      SetCondition(record, "Running", true, record.kind + "Running", message);
    }
  }

  absl::Status DeleteLive(Live& live) {
    TrainingRecord& record = live.record;
    if (!record.deleting) {
      record.deleting = true;
      record.settled = record.settled && record.execution.empty();
      RETURN_IF_ERROR(Save(record));
      REGATTA_FAULT("training.delete.after_commit");
    }
    if (!record.execution.empty()) {
      const absl::Status status = executor_->Stop(record.execution, false);
      if (status.ok()) return Refresh(live);
      if (!absl::IsNotFound(status)) return status;
    }
    record.execution.clear();
    return FinishDeleting(live);
  }

  absl::Status FinishDeleting(Live& live) {
    if (!live.record.deleting) return absl::OkStatus();
    RETURN_IF_ERROR(Erase(live.record));
    live_.erase(std::string(live.record.id));
    return absl::OkStatus();
  }

  // When `live` wants to be looked at again without an event; 0: never.
  static Micros NextTime(const Live& live) {
    const TrainingRecord& record = live.record;
    if (record.deleting) return 0;
    if (Concluded(record)) {
      return live.job.time_to_live ? record.finished_at + InMicros(*live.job.time_to_live) : 0;
    }
    if (!live.job.active_deadline || record.started_at == 0 || record.suspend) return 0;
    return record.started_at + InMicros(*live.job.active_deadline);
  }

  void TakeTimes(Micros now) {
    std::vector<std::string> due;
    for (const auto& [id, live] : live_) {
      const Micros at = NextTime(live);
      if (at != 0 && at <= now) due.push_back(id);
    }
    for (const std::string& id : due) {
      Live& live = live_.at(id);
      if (Concluded(live.record)) {
        LogIfError(DeleteLive(live));
        continue;
      }
      const std::chrono::seconds deadline =
          live.job.active_deadline.value_or(std::chrono::seconds(0));
      ConcludePolicy(live, "DeadlineExceeded", kPastDeadline,
                     absl::StrCat("activeDeadlineSeconds is ", deadline.count()));
      LogIfError(Save(live.record));
      LogIfError(executor_->Stop(live.record.execution, false));
    }
  }

  Micros NextOfAll() {
    Micros next = 0;
    for (const auto& [id, live] : live_) {
      const Micros at = NextTime(live);
      if (at != 0 && (next == 0 || at < next)) next = at;
    }
    return next;
  }

  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      Micros next = 0;
      {
        const std::lock_guard lock(mutex_);
        TakeTimes(base::NowMicros());
        next = NextOfAll();
      }
      std::deque<std::string> changed;
      {
        std::unique_lock lock(events_mutex_);
        const auto something = [this] { return !changed_.empty(); };
        if (next == 0) {
          wake_.wait(lock, stop, something);
        } else {
          const Micros wait = std::max<Micros>(0, next - base::NowMicros());
          wake_.wait_for(lock, stop, std::chrono::microseconds(wait), something);
        }
        changed.swap(changed_);
      }
      const std::lock_guard lock(mutex_);
      for (const std::string& execution : changed) {
        for (auto& [id, live] : live_) {
          if (live.record.execution != execution) continue;
          LogIfError(Refresh(live));
          break;  // the map may have changed
        }
      }
    }
  }

  store::Store* const store_;
  const TrainingJobsOptions options_;
  const bool looks_only_ = false;
  std::mutex mutex_;  // guards live_ and records
  std::map<std::string, Live> live_;
  std::unique_ptr<Executor> executor_;

  std::mutex events_mutex_;  // never held while mutex_ is asked for
  std::condition_variable_any wake_;
  std::deque<std::string> changed_;  // execution ids
  std::jthread thread_;
};

}  // namespace

const std::vector<std::string>& TrainingJobStates() {
  static const auto& states = *new std::vector<std::string>{
      "created", "running", "restarting", "suspended", "succeeded", "failed", "deleting"};
  return states;
}

absl::StatusOr<std::unique_ptr<TrainingJobs>> TrainingJobs::Open(TrainingJobsOptions options) {
  auto controller = std::make_unique<Controller>(std::move(options));
  RETURN_IF_ERROR(controller->Begin());
  return controller;
}

absl::StatusOr<std::unique_ptr<TrainingJobs>> TrainingJobs::OpenToLook(store::Store* store) {
  return std::make_unique<Controller>(store);
}

}  // namespace regatta::job
