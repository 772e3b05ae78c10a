#include "flow/engine.h"

#include <filesystem>
#include <future>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/ulid.h"
#include "flow/engine_impl.h"
#include "flow/parse.h"

namespace regatta::flow {
namespace {

// How long after its end an interrupted run is what a repeated command means. Its user saw a crash
// and tries again; much later he wants a new run.
constexpr base::Micros kClaimable = 10LL * 60 * 1'000'000;

// What makes two requests the same run: for a repeated request, and for going on with an
// interrupted one.
std::string RequestDigest(const RunRequest& request) {
  const base::Json json = {request.project, request.yaml, request.working_directory,
                           request.parameters, request.disabled};
  return base::Sha256Hex(base::DumpJson(json));
}

absl::StatusOr<std::shared_ptr<const Pipeline>> ReadPipeline(const RunRequest& request,
                                                             std::vector<Problem>* problems) {
  ParseOptions options;
  if (!request.source.empty()) options.file = request.source;
  ASSIGN_OR_RETURN(Pipeline pipeline, ParsePipeline(request.yaml, options, problems));
  RETURN_IF_ERROR(ApplyRequest(request.parameters, request.disabled, options, &pipeline, problems));
  return std::make_shared<const Pipeline>(std::move(pipeline));
}

absl::Status CheckRequest(const RunRequest& request) {
  if (!request.id.empty() && !base::IsUlid(request.id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("run id \"", request.id, "\" is no lower-case ULID"));
  }
  if (!request.working_directory.empty()) {
    std::error_code error;
    if (request.working_directory[0] != '/' ||
        !std::filesystem::is_directory(request.working_directory, error)) {
      return absl::InvalidArgumentError(absl::StrCat("working_directory \"",
                                                     request.working_directory,
                                                     "\" must be an absolute path of a folder"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

store::Schema Engine::Schema() { return FlowSchema(); }

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  auto engine = std::make_unique<EngineImpl>(std::move(options));
  RETURN_IF_ERROR(engine->Start());
  return engine;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::OpenToLook(store::Store* store) {
  auto engine = std::make_unique<EngineImpl>(EngineOptions{.store = store});
  RETURN_IF_ERROR(engine->StartToLook());
  return engine;
}

EngineImpl::EngineImpl(EngineOptions options)
    : options_(std::move(options)), store_(*options_.store) {}

absl::Status EngineImpl::Start() {
  RETURN_IF_ERROR(ToAbsl(base::MakeFolders(base::JoinPath(options_.folder, "runs"))));
  if (options_.make_executor) {
    ASSIGN_OR_RETURN(executor_, options_.make_executor(this));
  } else {
    ASSIGN_OR_RETURN(executor_, job::NewLocalExecutor({}, this));
  }
  RETURN_IF_ERROR(Recover());
  background_ = std::make_unique<Background>(2);
  thread_ = std::thread([this] { Loop(); });
  return absl::OkStatus();
}

absl::Status EngineImpl::StartToLook() { return ReadLastEventId(); }

absl::Status EngineImpl::CheckMayChange() const {
  if (executor_ == nullptr) {
    return absl::FailedPreconditionError("only the owner of the state directory can change runs");
  }
  if (settling_) {
    return absl::UnavailableError(
        absl::StrCat(store_.Describe(), " went away during a commit; try again once it is back"));
  }
  return absl::OkStatus();
}

EngineImpl::~EngineImpl() {
  {
    const std::lock_guard lock(inbox_mutex_);
    closing_ = true;
  }
  inbox_wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  background_.reset();
  // Tells no more; what it told after the last turn is found again by the next owner.
  executor_.reset();
  for (const auto& request : inbox_) request();
  for (const Answer& answer : answers_) answer(absl::UnavailableError("the engine is closing"));
}

absl::StatusOr<CreatedRun> EngineImpl::CreateRun(const RunRequest& request,
                                                 std::vector<Problem>* problems) {
  RETURN_IF_ERROR(CheckMayChange());
  RETURN_IF_ERROR(CheckRequest(request));
  ASSIGN_OR_RETURN(std::shared_ptr<const Pipeline> pipeline, ReadPipeline(request, problems));
  auto run = std::make_shared<Run>();
  run->id = request.id.empty() ? base::NewUlid() : request.id;
  run->project = request.project;
  run->created_by = request.created_by;
  run->name = request.name.empty() ? pipeline->name : request.name;
  run->source = request.source;
  run->pipeline_id = request.pipeline_id;
  run->pipeline_version = request.pipeline_version;
  run->working_directory = request.working_directory;
  run->folder = absl::StrCat(options_.folder, "/runs/", run->id);
  run->yaml = request.yaml;
  run->request_digest = RequestDigest(request);
  run->parameters = request.parameters;
  run->disabled = request.disabled;
  run->pipeline = std::move(pipeline);

  std::promise<absl::StatusOr<CreatedRun>> promise;
  auto answered = promise.get_future();
  auto result = std::make_shared<absl::StatusOr<CreatedRun>>(absl::InternalError("no answer"));
  const Answer answer = [&promise, result](const absl::Status& status) {
    promise.set_value(status.ok() ? *result : absl::StatusOr<CreatedRun>(status));
  };
  Post([this, run, attach = request.attach_interrupted, answer, result] {
    Create(run, attach, answer, result);
  });
  return answered.get();
}

void EngineImpl::Create(std::shared_ptr<Run> run, bool attach, Answer answer,
                        std::shared_ptr<absl::StatusOr<CreatedRun>> result) {
  if (closing_) return answer(absl::UnavailableError("the engine is closing"));
  const auto answer_stored = [&](const std::string& id, bool attached) {
    auto detail = GetRun(id);
    if (!detail.ok()) {
      *result = detail.status();
    } else {
      *result = CreatedRun{*detail, attached};
    }
    answers_.push_back(answer);
  };
  auto existing =
      store_.Read("SELECT request_digest, project FROM flow_runs WHERE id = ?", {run->id});
  if (!existing.ok()) return answer(existing.status());
  const auto in_memory = runs_.find(run->id);
  if (!existing->empty() || in_memory != runs_.end()) {
    const std::string digest =
        existing->empty() ? in_memory->second->request_digest : (*existing)[0].Text(0);
    if (digest != run->request_digest) {
      return answer(absl::AlreadyExistsError(
          absl::StrCat("run ", run->id,
                       " exists with another pipeline, folder or parameters; "
                       "use a new id")));
    }
    if (!existing->empty()) return answer_stored(run->id, false);
    // Made earlier in this very turn: it is told, or undone, with it.
    *result = CreatedRun{in_memory->second->View(), false};
    answers_.push_back(answer);
    return;
  }
  if (attach) {
    if (absl::Status taken = TakeUpInterrupted(*run); !taken.ok()) return answer(taken);
    Run* interrupted = nullptr;
    for (const auto& [id, other] : runs_) {
      if (!other->recovered || other->attached || other->project != run->project ||
          other->request_digest != run->request_digest || other->stop != StopKind::kNone) {
        continue;
      }
      if (interrupted == nullptr || other->id > interrupted->id) interrupted = other.get();
    }
    if (interrupted != nullptr) {
      interrupted->attached = true;
      *result = CreatedRun{interrupted->View(), true};
      answers_.push_back(answer);
      return;
    }
  }
  // Once only, whichever is asked for: the next repetition means a new run.
  if (auto ended = unclaimed_.extract({run->project, run->request_digest}); attach && ended) {
    const auto& [id, finished_at] = ended.mapped();
    if (base::NowMicros() - finished_at <= kClaimable) return answer_stored(id, true);
  }

  auto made = std::make_unique<Run>(std::move(*run));
  Run& created = *made;
  created.dirty_runs = &dirty_runs_;
  created.is_new = true;
  created.created_at = created.started_at = base::NowMicros();
  created.state = RunState::kRunning;
  created.root = MakeScope(created, nullptr, created.pipeline->entry_points, created.created_at);
  if (created.pipeline->post_process != nullptr) {
    created.post = MakeBareScope(created, nullptr, {created.pipeline->post_process.get()});
    AddIteration(*created.post->nodes[0], std::nullopt, created.created_at);
  }
  for (const auto& node : created.root->nodes) {
    if (node->waiting > 0) continue;
    node->queued = true;
    created.ready_nodes.push_back(node.get());
  }
  created.Touch();
  Serve(created);
  *result = CreatedRun{created.View(), false};
  runs_[created.id] = std::move(made);
  answers_.push_back([this, id = created.id, answer](const absl::Status& status) {
    // Nothing of it was stored, so nothing of it may stay.
    if (!status.ok()) Discard(id);
    answer(status);
  });
}

void EngineImpl::Discard(const std::string& run_id) {
  const auto it = runs_.find(run_id);
  if (it == runs_.end()) return;
  Run* run = it->second.get();
  std::erase(dirty_runs_, run);
  std::erase_if(jobs_, [&](const auto& item) { return &item.second->run() == run; });
  const auto of_run = [&](const auto& record) { return record.run_id == run_id; };
  std::erase_if(new_cache_records_, of_run);
  std::erase_if(new_latest_, of_run);
  std::erase_if(new_uses_, of_run);
  std::erase_if(new_metrics_, of_run);
  for (const auto& [id, step] : run->steps_by_id) {
    if (!step->cache_key.empty()) {
      running_keys_.erase(absl::StrCat(run->project, "\n", step->cache_key));
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(run->folder, ignored);
  runs_.erase(it);
}

absl::StatusOr<RunView> EngineImpl::StopRun(const std::string& run_id, bool force) {
  RETURN_IF_ERROR(CheckMayChange());
  std::promise<absl::StatusOr<RunView>> promise;
  auto answered = promise.get_future();
  auto result = std::make_shared<absl::StatusOr<RunView>>(absl::InternalError("no answer"));
  const Answer answer = [&promise, result](const absl::Status& status) {
    promise.set_value(status.ok() ? *result : absl::StatusOr<RunView>(status));
  };
  Post([this, run_id, force, answer, result] { Stop(run_id, force, answer, result); });
  return answered.get();
}

void EngineImpl::Stop(const std::string& run_id, bool force, Answer answer,
                      std::shared_ptr<absl::StatusOr<RunView>> result) {
  if (closing_) return answer(absl::UnavailableError("the engine is closing"));
  auto it = runs_.find(run_id);
  bool taken_up = false;
  if (it == runs_.end() || IsFinal(it->second->state)) {
    auto stored = GetRun(run_id);
    if (!stored.ok()) return answer(stored.status());
    if (it != runs_.end() || IsFinal(stored->state)) {
      return answer(absl::FailedPreconditionError(absl::StrCat("run ", run_id, " has ended (",
                                                               StateName(stored->state),
                                                               "); only an unfinished run can "
                                                               "be stopped")));
    }
    if (const absl::Status status = TakeUpRun(run_id); !status.ok()) return answer(status);
    it = runs_.find(run_id);
    taken_up = true;
  }
  Run& run = *it->second;
  const bool has_ended = IsFinal(run.state);  // it could not be taken up and has failed
  const bool enough = run.stop == StopKind::kForced || (run.stop == StopKind::kPlain && !force);
  if (taken_up && (has_ended || enough)) {
    // Its owner died while it was stopping it: now that goes on.
    *result = run.View();
    answers_.push_back(answer);
    return;
  }
  if (enough) {
    return answer(absl::FailedPreconditionError(
        absl::StrCat("run ", run_id, " is being stopped already",
                     force ? "" : "; a forced stop kills its processes at once")));
  }
  run.stop = force ? StopKind::kForced : StopKind::kPlain;
  run.state = RunState::kTerminating;
  const std::string reason = force ? "by a forced stop" : "because the run was stopped";
  if (run.message.empty()) run.message = force ? "stopped by force" : "stopped";
  run.Touch();
  StopScope(*run.root, reason, force);
  // A plain stop lets the post-process step run: it is there to clean up and report.
  if (force && run.post != nullptr) StopScope(*run.post, reason, true);
  *result = run.View();
  answers_.push_back(answer);
}

StepRun* EngineImpl::FindStep(const std::string& run_id, const std::string& step_id) {
  const auto run = runs_.find(run_id);
  if (run == runs_.end()) return nullptr;
  const auto step = run->second->steps_by_id.find(step_id);
  return step == run->second->steps_by_id.end() ? nullptr : step->second;
}

}  // namespace regatta::flow
