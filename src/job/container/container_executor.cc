#include "job/container/container_executor.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/log.h"
#include "job/container/bundle.h"
#include "job/container/containerd.h"
#include "job/env/contract.h"
#include "job/job_files.h"
#include "job/probe.h"
#include "job/python_path.h"

namespace regatta::job {
namespace {

namespace fs = std::filesystem;

// Images are fetched at the same time by at most this many jobs.
constexpr int kWorkers = 4;
constexpr std::chrono::seconds kRuncAnswer{30};

bool HasImage(const JobSpec& spec) {
  return std::ranges::any_of(spec.roles, [](const Role& role) { return !role.image.empty(); });
}

std::string HoldName(const std::string& job, const std::string& role) {
  return absl::StrCat("regatta-", job, "-", role);
}

// The executable of this process. A path through /proc would end with this process.
std::string ThisProgram() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

class ContainerExecutor final : public Executor, public base::EventSink {
 public:
  ContainerExecutor(const ContainerOptions& options, base::EventSink* sink)
      : options_(options), sink_(sink), containerd_(options.socket, options.images) {
    if (options_.program.empty()) options_.program = ThisProgram();
  }
  ~ContainerExecutor() override {
    cancel_ = true;
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    work_.notify_all();
    workers_.clear();
    inner_.reset();
  }

  absl::Status Begin(
      const std::function<absl::StatusOr<std::unique_ptr<Executor>>(base::EventSink*)>& make) {
    RETURN_IF_ERROR(ToAbsl(base::MakeFolders(options_.folder, 0700)));
    ASSIGN_OR_RETURN(inner_, make(this));
    for (int i = 0; i < kWorkers; ++i) {
      workers_.emplace_back([this, first = i == 0] {
        if (first) ReleaseWhatWasLeft();
        Work();
      });
    }
    return absl::OkStatus();
  }

  absl::Status Submit(const JobSpec& spec) override {
    if (!HasImage(spec)) return inner_->Submit(spec);
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.contains(spec.id)) return absl::OkStatus();
    }
    for (const Role& role : spec.roles) {
      if (role.name.empty() || role.name.find('/') != std::string::npos) {
        return absl::InvalidArgumentError(
            absl::StrCat("'", role.name, "' is no name for a role: it names a file"));
      }
    }
    // What runs already needs nothing more, not even a containerd that answers.
    ASSIGN_OR_RETURN(const bool known, CheckIntent(spec));
    const auto members = Members(spec);
    const bool launched = known && std::ranges::all_of(members, [&](const Member& member) {
                            return ReadToken(spec.directory, member.rank).has_value();
                          });
    {
      const std::lock_guard lock(mutex_);
      Job& job = jobs_[spec.id];
      job.spec = spec;
      job.status.id = spec.id;
      job.status.message = "prepares its images";
      job.handed_over = launched;
      for (const Member& member : members) {
        job.status.replicas.push_back(
            {.rank = member.rank, .role = member.role->name, .index = member.index});
      }
    }
    if (launched) return inner_->Submit(InContainers(spec));
    Enqueue([this, id = spec.id] { Prepare(id); });
    return absl::OkStatus();
  }

  absl::Status Stop(const std::string& id, bool now) override {
    {
      const std::lock_guard lock(mutex_);
      const auto at = jobs_.find(id);
      if (at == jobs_.end() || at->second.handed_over) return inner_->Stop(id, now);
      if (IsFinal(at->second.status.state)) return absl::OkStatus();
      End(at->second, JobState::kTerminated, "stopped on request");
    }
    Tell(id);
    return absl::OkStatus();
  }

  absl::StatusOr<JobStatus> Status(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    const auto at = jobs_.find(id);
    if (at == jobs_.end() || at->second.handed_over) return inner_->Status(id);
    return at->second.status;
  }

  void Forget(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return inner_->Forget(id);
    if (at->second.handed_over) {
      inner_->Forget(id);
    } else if (!IsFinal(at->second.status.state)) {
      return;
    }
    jobs_.erase(at);
  }

  // What the inner executor tells.
  void Publish(base::Event event) override {
    if (event.kind == "job.status") CleanUpIfEnded(event.subject);
    sink_->Publish(std::move(event));
  }

 private:
  struct Job {
    JobSpec spec;
    JobStatus status;          // until it is handed over
    bool handed_over = false;  // to the inner executor
    bool cleaned = false;
  };

  void Enqueue(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    work_.notify_one();
  }

  void Work() {
    while (true) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [this] { return closing_ || (released_ && !tasks_.empty()); });
        if (closing_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  void Tell(const std::string& id) {
    sink_->Publish({.kind = "job.status",
                    .subject = id,
                    .time = base::NowMicros(),
                    .data = base::Json::object()});
  }

  // With the mutex held.
  static void End(Job& job, JobState state, const std::string& message) {
    job.status.state = state;
    job.status.message = message;
    job.status.finished_at = base::NowMicros();
    for (ReplicaStatus& replica : job.status.replicas) {
      replica.state = ReplicaState::kTerminated;
      replica.message = "never started";
    }
  }

  // The spec that the inner executor gets: the same ranks, each started by way of runc.
  JobSpec InContainers(JobSpec spec) const {
    for (Role& role : spec.roles) {
      if (role.image.empty()) continue;
      std::vector<std::string> argv = {options_.program, "container",
                                       PlanPath(spec.directory, role.name), "--"};
      argv.insert(argv.end(), role.argv.begin(), role.argv.end());
      role.argv = std::move(argv);
      role.image.clear();
      role.image_entry_point = false;
      role.working_directory.clear();
    }
    // The machine's programs, and the variables that lead to them, mean nothing in there.
    spec.python_imports.clear();
    spec.inherit_environment = false;
    return spec;
  }

  absl::Status PrepareRole(const JobSpec& spec, const Role& role) {
    const std::string image = FullImageName(role.image);
    RETURN_IF_ERROR(containerd_.Fetch(image, &cancel_));
    const std::string name = HoldName(spec.id, role.name);
    RETURN_IF_ERROR(ToAbsl(base::WriteFileDurably(base::JoinPath(options_.folder, name),
                                                  spec.directory + "\n", 0600)));
    ContainerPlan plan{
        .image = image, .working_directory = spec.working_directory, .files = {}, .folders = {}};
    ASSIGN_OR_RETURN(plan.files, containerd_.Hold(image, name));
    if (role.image_entry_point) {
      plan.entry_point = plan.files.entry_point;
      if (role.argv.empty()) plan.arguments = plan.files.arguments;
      if (plan.entry_point.empty() && plan.arguments.empty() && role.argv.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "role ", role.name, " has no command, and image ", image, " has no entry point"));
      }
    }
    if (role.image_directory && !plan.files.working_directory.empty()) {
      plan.working_directory = plan.files.working_directory;
    }
    if (!role.working_directory.empty()) plan.working_directory = role.working_directory;
    plan.folders = {{.path = spec.working_directory}, {.path = spec.directory}};
    plan.folders.insert(plan.folders.end(), spec.folders.begin(), spec.folders.end());
    if (const std::string package = RegattaPythonPath(); !package.empty()) {
      plan.folders.push_back({.path = package, .read_only = true});
    }
    return WritePlan(PlanPath(spec.directory, role.name), plan);
  }

  void Prepare(const std::string& id) {
    JobSpec spec;
    {
      const std::lock_guard lock(mutex_);
      const auto at = jobs_.find(id);
      if (at == jobs_.end() || IsFinal(at->second.status.state)) return;
      spec = at->second.spec;
    }
    absl::Status status;
    for (const Role& role : spec.roles) {
      if (!role.image.empty() && status.ok()) status = PrepareRole(spec, role);
    }
    if (cancel_) return;  // the next owner does it again
    {
      const std::lock_guard lock(mutex_);
      const auto at = jobs_.find(id);
      const bool wanted = at != jobs_.end() && !IsFinal(at->second.status.state);
      if (wanted && status.ok()) {
        at->second.handed_over = true;
        status = inner_->Submit(InContainers(spec));
        if (!status.ok()) at->second.handed_over = false;
      }
      if (wanted && status.ok()) return;
      if (wanted) End(at->second, JobState::kFailed, std::string(status.message()));
    }
    CleanUp(spec);
    Tell(id);
  }

  void CleanUpIfEnded(const std::string& id) {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    const auto at = jobs_.find(id);
    if (at == jobs_.end() || !at->second.handed_over || at->second.cleaned) return;
    const auto status = inner_->Status(id);
    if (!status.ok() || !IsFinal(status->state)) return;
    at->second.cleaned = true;
    tasks_.push_back([this, spec = at->second.spec] { CleanUp(spec); });
    work_.notify_one();
  }

  // The writable layers and what holds the image. Repeatable.
  void CleanUp(const JobSpec& spec) {
    RemoveContainers(spec.directory);
    for (const Role& role : spec.roles) {
      if (!role.image.empty()) Release(HoldName(spec.id, role.name));
    }
  }

  void RemoveContainers(const std::string& job_folder) {
    std::error_code error;
    for (const auto& rank : fs::directory_iterator(job_folder + "/container", error)) {
      if (!rank.is_directory(error)) continue;
      // Its processes are gone; this is about its cgroups.
      for (const auto& state : fs::directory_iterator(rank.path() / "runc", error)) {
        const auto removed = RunProbe({"/usr/bin/env", "runc", "--root", rank.path() / "runc",
                                       "delete", "--force", state.path().filename()},
                                      ToolEnvironment(), "/", kRuncAnswer);
        if (!removed.ok()) Warn("cannot remove what a container left", removed.status());
      }
      fs::remove_all(rank.path(), error);
      if (error) {
        Warn("cannot remove " + rank.path().string(), absl::UnknownError(error.message()));
      }
    }
  }

  void Release(const std::string& name) {
    if (const absl::Status status = containerd_.Release(name); !status.ok()) {
      return Warn("cannot give an image back; it is tried again at the next start", status);
    }
    std::error_code error;
    fs::remove(base::JoinPath(options_.folder, name), error);
  }

  // An owner before this one was killed between the end of a job and its cleaning up.
  void ReleaseWhatWasLeft() {
    std::error_code error;
    for (const auto& note : fs::directory_iterator(options_.folder, error)) {
      const auto text = base::ReadFile(note.path(), 4096);
      if (!text.ok()) continue;
      const std::string folder = text->substr(0, text->find('\n'));
      bool lives = false;
      for (int rank = 0; !lives; ++rank) {
        const auto token = ReadToken(folder, rank);
        if (!token) break;
        lives = token->held;
      }
      if (lives) continue;
      RemoveContainers(folder);
      Release(note.path().filename());
    }
    {
      const std::lock_guard lock(mutex_);
      released_ = true;
    }
    work_.notify_all();
  }

  static void Warn(const std::string& what, const absl::Status& status) {
    base::Log(base::LogLevel::kWarning, "job", what, {{"error", std::string(status.message())}});
  }

  ContainerOptions options_;
  base::EventSink* const sink_;
  const Containerd containerd_;
  std::unique_ptr<Executor> inner_;
  std::atomic<bool> cancel_ = false;

  std::mutex mutex_;  // guards everything below
  std::condition_variable work_;
  bool closing_ = false;
  bool released_ = false;  // no task before that: it could hold what is being released
  std::deque<std::function<void()>> tasks_;
  std::map<std::string, Job> jobs_;

  std::vector<std::jthread> workers_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Executor>> NewContainerExecutor(
    const ContainerOptions& options,
    const std::function<absl::StatusOr<std::unique_ptr<Executor>>(base::EventSink*)>& make_inner,
    base::EventSink* sink) {
  auto executor = std::make_unique<ContainerExecutor>(options, sink);
  RETURN_IF_ERROR(executor->Begin(make_inner));
  return executor;
}

}  // namespace regatta::job
