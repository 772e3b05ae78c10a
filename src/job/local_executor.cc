#include "job/local_executor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/ulid.h"
#include "job/interpreter.h"

namespace regatta::job {
namespace {

constexpr std::uint64_t kWakeWatch = 0;
constexpr std::uint64_t kInotifyWatch = 1;
constexpr int kProcessesPerCpu = 4;
constexpr int kMaxReplicas = 10'000;

absl::Status CheckText(const std::string& what, const std::string& text) {
  if (text.find('\0') == std::string::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(what + " contains a NUL byte, which no process can be given");
}

absl::Status CheckEnv(const std::map<std::string, std::string>& env) {
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != std::string::npos) {
      return absl::InvalidArgumentError("'" + name + "' is no name of an environment variable");
    }
    RETURN_IF_ERROR(CheckText("environment variable " + name, name + value));
  }
  return absl::OkStatus();
}

absl::Status CheckRole(const Role& role) {
  const std::string what = "role " + role.name;
  if (role.replicas < 1 || role.replicas > kMaxReplicas) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " asks for ", role.replicas, " replicas; 1 to ", kMaxReplicas, " are possible"));
  }
  if (role.image_entry_point) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has no command, and the entry point of the image ", role.image,
                     " is known only where images are used: set `containerd`, or give a command"));
  }
  if (role.argv.empty() || role.argv[0].empty()) {
    return absl::InvalidArgumentError(what + " has an empty command");
  }
  for (const std::string& arg : role.argv)
    RETURN_IF_ERROR(CheckText("the command of " + what, arg));
  RETURN_IF_ERROR(CheckText("the working directory of " + what, role.working_directory));
  if (role.resources.cpus < 0 || role.resources.memory_bytes < 0) {
    return absl::InvalidArgumentError(what + " asks for a negative amount of CPUs or memory");
  }
  return CheckEnv(role.env);
}

absl::Status CheckSpec(const JobSpec& spec) {
  if (!base::IsUlid(spec.id)) return absl::InvalidArgumentError("'" + spec.id + "' is no ULID");
  if (spec.roles.empty()) return absl::InvalidArgumentError("it has no roles");
  for (const Role& role : spec.roles) RETURN_IF_ERROR(CheckRole(role));
  RETURN_IF_ERROR(CheckEnv(spec.env));
  for (const std::string& folder : {spec.directory, spec.working_directory}) {
    if (!folder.starts_with('/')) {
      return absl::InvalidArgumentError("'" + folder + "' should be an absolute folder");
    }
    RETURN_IF_ERROR(CheckText("a folder", folder));
  }
  std::error_code error;
  if (!std::filesystem::is_directory(spec.working_directory, error)) {
    return absl::InvalidArgumentError("the working directory " + spec.working_directory +
                                      " does not exist");
  }
  return absl::OkStatus();
}

}  // namespace

LocalExecutor::LocalExecutor(const LocalExecutorOptions& options, Capacity total,
                             base::EventSink* sink)
    : options_(options), sink_(sink), inherited_(InheritedEnv()), admission_(total) {}

absl::Status LocalExecutor::Begin() {
  epoll_ = base::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  wake_ = base::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  inotify_ = base::UniqueFd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid()) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot start the local executor"));
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeWatch}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  // Without inotify (its instances are limited per user) metrics come at the end of a replica only.
  event.data.u64 = kInotifyWatch;
  if (inotify_.valid()) epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, inotify_.get(), &event);
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

LocalExecutor::~LocalExecutor() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  Wake();
  if (thread_.joinable()) thread_.join();
}

void LocalExecutor::Wake() {
  const std::uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

absl::Status LocalExecutor::Submit(const JobSpec& spec) {
  const std::string what = "job " + (spec.name.empty() ? spec.id : spec.name);
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.contains(spec.id)) return absl::OkStatus();
  }
  auto job = std::make_unique<Job>();
  job->spec = spec;
  job->needs = NeedsOf(spec);
  job->status.id = spec.id;
  // A job that was launched before is not judged again: its folder may have gone since.
  absl::StatusOr<bool> adopted = CheckIntent(spec);
  if (!adopted.ok()) return Annotate(adopted.status(), what);
  job->adopted = *adopted;
  if (!job->adopted) {
    RETURN_IF_ERROR(Annotate(CheckSpec(spec), what));
    RETURN_IF_ERROR(Annotate(admission_.CheckPossible(job->needs), what));
  }
  if (!spec.python_imports.empty()) {
    absl::StatusOr<Interpreter> python =
        FindInterpreter(spec.python_imports, spec.working_directory);
    if (python.ok()) {
      job->python_folder = std::filesystem::path(python->path).parent_path();
      job->status.interpreter = python->path + " (" + python->why + ")";
    } else if (!job->adopted) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": ", python.status().message()));
    }
  }
  job->members = Members(job->spec);
  for (const Member& member : job->members) {
    job->replicas.emplace_back(
        MetricsTail(spec.id, member.rank, MetricsPath(spec.directory, member.rank)));
    job->status.replicas.push_back(
        {.rank = member.rank, .role = member.role->name, .index = member.index});
  }
  for (const Role& role : spec.roles) {
    const std::string& wanted = role.working_directory;
    if (wanted.empty() || DirectoryOf(spec, role) == wanted) continue;
    job->status.warnings.push_back(
        absl::StrCat("the working directory ", wanted, " of role ", role.name,
                     " does not exist on this machine; it starts in ", spec.working_directory));
  }
  for (const Role& role : spec.roles) {
    if (role.image.empty()) continue;
    job->status.warnings.push_back(absl::StrCat("the image ", role.image, " is not used: role ",
                                                role.name,
                                                " runs on this "
                                                "machine's files (see the setting `containerd`)"));
  }
  if (!job->adopted) RETURN_IF_ERROR(Annotate(WriteIntent(spec), what));
  REGATTA_FAULT("job.submit.after_intent");
  {
    const std::lock_guard lock(mutex_);
    if (!jobs_.emplace(spec.id, std::move(job)).second) return absl::OkStatus();
    calls_.push_back(spec.id);
  }
  Wake();
  return absl::OkStatus();
}

absl::Status LocalExecutor::Stop(const std::string& id, bool now) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return absl::NotFoundError("job " + id + " is not known here");
    Job& job = *at->second;
    if (IsFinal(job.status.state)) return absl::OkStatus();
    job.stop_asked = true;
    job.stop_now = job.stop_now || now;
    calls_.push_back(id);
  }
  Wake();
  return absl::OkStatus();
}

absl::StatusOr<JobStatus> LocalExecutor::Status(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return absl::NotFoundError("job " + id + " is not known here");
  return at->second->status;
}

void LocalExecutor::Forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto at = jobs_.find(id);
  if (at != jobs_.end() && IsFinal(at->second->status.state)) jobs_.erase(at);
}

void LocalExecutor::Changed(Job& job) {
  events_.push_back({.kind = "job.status",
                     .subject = job.spec.id,
                     .time = base::NowMicros(),
                     .data = base::Json::object()});
}

std::uint64_t LocalExecutor::AddWatch(int fd, Watch watch) {
  const std::uint64_t id = next_watch_++;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = id}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  watches_.emplace(id, std::move(watch));
  return id;
}

void LocalExecutor::Run() {
  epoll_event events[64];
  while (true) {
    const int count = epoll_wait(epoll_.get(), events, 64, UntilNextRestart());
    std::vector<base::Event> publish;
    {
      const std::lock_guard lock(mutex_);
      if (closing_) return;
      for (int i = 0; i < count; ++i) {
        const std::uint64_t id = events[i].data.u64;
        if (id == kWakeWatch) {
          std::uint64_t ignored = 0;
          (void)!read(wake_.get(), &ignored, sizeof ignored);
        } else if (id == kInotifyWatch) {
          ReadInotify();
        } else if (const auto at = watches_.find(id); at != watches_.end()) {
          const Watch watch = std::move(at->second);
          watches_.erase(at);  // each speaks once
          const auto job = jobs_.find(watch.job);
          if (job == jobs_.end()) continue;
          if (watch.source == Source::kStarted) {
            ShimStarted(*job->second, watch.rank);
          } else {
            ShimEnded(*job->second, watch.rank);
          }
        }
      }
      TakeCalls();
      RestartDue();
      AdmitWaiting();
      publish.swap(events_);
    }
    for (base::Event& event : publish) sink_->Publish(std::move(event));
  }
}

int LocalExecutor::UntilNextRestart() const {
  if (restarts_.empty()) return -1;
  const base::Micros wait = restarts_.begin()->at - base::MonotonicMicros();
  return wait <= 0 ? 0 : static_cast<int>(wait / 1000 + 1);
}

void LocalExecutor::TakeCalls() {
  while (!calls_.empty()) {
    const auto at = jobs_.find(calls_.front());
    calls_.pop_front();
    if (at == jobs_.end()) continue;
    Job& job = *at->second;
    if (IsFinal(job.status.state)) continue;
    if (!job.admitted) {
      const auto place = std::ranges::find(waiting_, &job);
      if (place == waiting_.end()) {
        // New here. One that runs already is watched again, whatever is free.
        if (job.adopted && Adopt(job)) continue;
        if (!job.stop_asked) {
          if (!waiting_.empty()) job.status.message = "waits for the jobs before it";
          waiting_.push_back(&job);
          continue;
        }
      } else if (job.stop_asked) {
        waiting_.erase(place);
      }
    }
    if (job.stop_asked) SendStop(job);
  }
}

void LocalExecutor::AdmitWaiting() {
  while (!waiting_.empty()) {
    Job& job = *waiting_.front();
    const std::string why_not = admission_.WhyNot(job.needs);
    if (!why_not.empty()) {
      if (job.status.message != why_not) {
        job.status.message = why_not;
        Changed(job);
      }
      return;
    }
    waiting_.pop_front();
    job.status.message.clear();
    LaunchAll(job);
  }
}

void LocalExecutor::ReadInotify() {
  alignas(inotify_event) char buffer[16 << 10];
  const ssize_t got = read(inotify_.get(), buffer, sizeof buffer);
  for (ssize_t at = 0; at < got;) {
    const auto* const event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    const auto watched = metrics_watches_.find(event->wd);
    if (watched == metrics_watches_.end() || event->len == 0) continue;
    const auto job = jobs_.find(watched->second);
    int rank = -1;
    if (job == jobs_.end() || std::sscanf(event->name, "rank-%d.jsonl", &rank) != 1) continue;
    if (rank >= 0 && rank < static_cast<int>(job->second->replicas.size())) {
      ReadMetrics(*job->second, rank);
    }
  }
}

void LocalExecutor::ReadMetrics(Job& job, int rank) {
  MetricsTail& tail = job.replicas[static_cast<std::size_t>(rank)].metrics;
  const std::size_t before = events_.size();
  while (tail.Read(&events_)) {
  }
  job.status.metrics += static_cast<std::int64_t>(events_.size() - before);
  if (tail.malformed() > 0 && !job.malformed_told) {
    job.malformed_told = true;
    job.status.warnings.push_back(
        absl::StrCat("rank ", rank,
                     " wrote lines to REGATTA_METRICS_FILE that are no metrics (skipped); one is "
                     "{\"name\": \"loss\", \"value\": 0.5, \"step\": 1, \"time\": 1700000000.0}"));
    Changed(job);
  }
}

absl::StatusOr<std::unique_ptr<Executor>> NewLocalExecutor(const LocalExecutorOptions& options,
                                                           base::EventSink* sink) {
  Capacity total = Machine();
  if (options.cpus > 0) total.cpus = options.cpus;
  if (options.memory_bytes > 0) total.memory_bytes = options.memory_bytes;
  total.processes = options.max_processes > 0
                        ? options.max_processes
                        : std::max(1, static_cast<int>(total.cpus * kProcessesPerCpu));
  auto executor = std::make_unique<LocalExecutor>(options, total, sink);
  RETURN_IF_ERROR(executor->Begin());
  return executor;
}

}  // namespace regatta::job
