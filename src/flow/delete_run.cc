#include <future>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/log.h"
#include "flow/engine_impl.h"

namespace regatta::flow {
namespace {

absl::Status RunNotFound(const std::string& run_id) {
  return absl::NotFoundError(absl::StrCat("there is no run ", run_id));
}

}  // namespace

absl::Status EngineImpl::DeleteRun(const std::string& run_id, bool check_cache) {
  RETURN_IF_ERROR(CheckMayChange());
  std::promise<absl::Status> promise;
  auto answered = promise.get_future();
  const Answer answer = [&promise](const absl::Status& status) { promise.set_value(status); };
  Post([this, run_id, check_cache, answer] { Delete(run_id, check_cache, answer); });
  RETURN_IF_ERROR(answered.get());
  REGATTA_FAULT("flow.delete.after_commit");
  // Here and not in a turn: a folder may be large.
  const absl::Status removed =
      RemoveLeftovers(store_, run_id, absl::StrCat(options_.folder, "/runs/", run_id));
  if (!removed.ok()) {
    base::Log(base::LogLevel::kWarning, "flow",
              "a run is deleted, but not all of its files; the next start goes on with that",
              {{"run", run_id}, {"error", std::string(removed.message())}});
  }
  return absl::OkStatus();
}

void EngineImpl::Delete(const std::string& run_id, bool check_cache, Answer answer) {
  if (closing_) return answer(absl::UnavailableError("the engine is closing"));
  const auto it = runs_.find(run_id);
  const bool ends_now = it != runs_.end() && IsFinal(it->second->state);
  if (ends_now || deleted_runs_.contains(run_id)) {
    // It is ended, or deleted, by this very turn; or it was before, and then that is found again.
    return AfterThisTurn(answer, [this, run_id, check_cache, answer] {
      deleted_runs_.contains(run_id) ? answer(RunNotFound(run_id))
                                     : Delete(run_id, check_cache, answer);
    });
  }
  const auto run = GetRun(run_id);
  if (!run.ok()) return answer(run.status());
  if (!IsFinal(run->state)) {
    return answer(absl::FailedPreconditionError(
        absl::StrCat("run ", run_id, " is ", StateName(run->state),
                     "; only a run that has ended can be deleted: stop it first")));
  }
  if (const absl::Status status = CheckUnused(run_id, check_cache); !status.ok()) {
    return answer(status);
  }
  std::erase_if(unclaimed_, [&](const auto& item) { return item.second.first == run_id; });
  deleted_runs_.insert(run_id);
  to_delete_.push_back({run_id, run->project, run->created_by});
  answers_.push_back([this, run_id, answer](const absl::Status& status) {
    if (!status.ok()) {
      // Nothing of this was stored: the run stays.
      deleted_runs_.erase(run_id);
      std::erase_if(to_delete_, [&](const auto& record) { return record.run_id == run_id; });
    }
    answer(status);
  });
}

void EngineImpl::AfterThisTurn(Answer answer, std::function<void()> work) {
  answers_.push_back([this, answer, work](const absl::Status& status) {
    status.ok() ? Post(work) : answer(status);
  });
}

absl::Status EngineImpl::CheckUnused(const std::string& run_id, bool check_cache) {
  std::vector<std::string> working, ended;
  // What was taken in this turn is not stored yet.
  for (const auto& [id, run] : runs_) {
    if (!IsFinal(run->state) && run->uses.contains(run_id)) {
      working.push_back(absl::StrCat(run->name, " (", id, ")"));
    }
  }
  if (working.empty()) {
    ASSIGN_OR_RETURN(
        const std::vector<store::Row> rows,
        store_.Read("SELECT r.id, r.name, r.finished_at FROM flow_run_uses u "
                    "JOIN flow_runs r ON r.id = u.run_id WHERE u.from_run_id = ? ORDER BY r.id",
                    {run_id}));
    for (const store::Row& row : rows) {
      if (deleted_runs_.contains(row.Text(0))) continue;
      (row.Int(2) == 0 ? working : ended)
          .push_back(absl::StrCat(row.Text(1), " (", row.Text(0), ")"));
    }
  }
  const auto named = [](std::vector<std::string>& runs) {
    constexpr std::size_t kShown = 3;
    const std::size_t more = runs.size() > kShown ? runs.size() - kShown : 0;
    runs.resize(runs.size() - more);
    return absl::StrCat(absl::StrJoin(runs, ", "),
                        more > 0 ? absl::StrCat(" and ", more, " more") : "");
  };
  if (!working.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("results of run ", run_id, " are used by unfinished runs: ", named(working),
                     "; delete it when they have ended"));
  }
  if (check_cache && !ended.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "results of run ", run_id, " were taken over by other runs: ", named(ended),
        "; delete those first, or this one without the cache check (check_cache=false)"));
  }
  return absl::OkStatus();
}

void EngineImpl::UseResultsOf(Run& run, const std::string& from_run_id) {
  if (from_run_id.empty() || !run.uses.insert(from_run_id).second) return;
  new_uses_.push_back({run.id, from_run_id, run.project, run.created_by});
}

absl::Status EngineImpl::WriteDeletions(store::Transaction& transaction) {
  for (const DeletionRecord& record : to_delete_) {
    RETURN_IF_ERROR(WriteDeletion(transaction, record));
    RETURN_IF_ERROR(
        WriteEvent(transaction, {next_event_id_++, "run_deleted", record.run_id, record.project,
                                 base::DumpJson({{"id", record.run_id}})}));
  }
  return absl::OkStatus();
}

absl::Status EngineImpl::FinishDeletions() {
  ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                   store_.Read("SELECT run_id FROM flow_deleted_runs"));
  for (const store::Row& row : rows) {
    const std::string run_id = row.Text(0);
    const absl::Status status =
        RemoveLeftovers(store_, run_id, absl::StrCat(options_.folder, "/runs/", run_id));
    if (status.ok()) continue;
    base::Log(base::LogLevel::kWarning, "flow", "cannot remove what is left of a deleted run",
              {{"run", run_id}, {"error", std::string(status.message())}});
  }
  return absl::OkStatus();
}

}  // namespace regatta::flow
