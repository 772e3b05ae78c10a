#include "cli/follow.h"

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/ulid.h"
#include "cli/interrupts.h"

namespace regatta::cli {
namespace {

class Follower {
 public:
  Follower(ApiClient& api, const std::string& run_id, RunView& view, const Reconnect& reconnect)
      : api_(&api), run_id_(run_id), view_(view), reconnect_(reconnect) {}

  absl::StatusOr<FollowResult> Follow() {
    RETURN_IF_ERROR(ReadAgain());
    while (!model_.final()) {
      const std::string path =
          "/api/v1/events" + QueryOf({{"run_id", run_id_}, {"after", absl::StrCat(last_event_)}});
      const absl::Status status = api_->Stream(
          path, [this](const net::ServerEvent& event) { return Take(event); },
          [this] { return Tick(); });
      if (!failure_.ok()) return failure_;
      if (!absl::IsUnavailable(status)) RETURN_IF_ERROR(status);
      // The stream ended, was cut off, or told us to read again.
      if (!model_.final()) RETURN_IF_ERROR(ReadAgain());
    }
    // Steps may have changed in the same commit as the run.
    RETURN_IF_ERROR(ReadAgain());
    view_.OnEnd(model_);
    return FollowResult{.model = std::move(model_), .interrupted = seen_interrupts_ > 0};
  }

 private:
  absl::Status ReadAgain() {
    while (true) {
      absl::Status status = ReadAll();
      if (!absl::IsUnavailable(status)) return status;
      auto next = reconnect_ == nullptr ? absl::StatusOr<ApiClient*>(status) : reconnect_();
      if (absl::IsUnavailable(next.status())) return Gone(status);
      RETURN_IF_ERROR(next.status());
      api_ = *next;
    }
  }

  absl::Status Gone(const absl::Status& cause) const {
    return absl::UnavailableError(absl::StrCat(
        "the regatta at ", api_->address(), " went away while run ", run_id_,
        " was going on. Processes that run go on; run the same command again, and it continues "
        "the run where it is (",
        cause.message(), ")"));
  }

  // The run before its steps: what changes in between comes again as an event.
  absl::Status ReadAll() {
    ASSIGN_OR_RETURN(base::Json run, api_->Get("/api/v1/runs/" + run_id_));
    last_event_ = run.value("last_event_id", std::int64_t{0});
    run.erase("yaml");
    ASSIGN_OR_RETURN(const auto steps, api_->GetAll("/api/v1/runs/" + run_id_ + "/steps"));
    for (const base::Json& step : steps) SetStep(step);
    model_.SetRun(run);
    view_.OnTick(model_);
    return absl::OkStatus();
  }

  void SetStep(const base::Json& step) {
    if (model_.SetStep(step)) view_.OnStep(model_, *model_.Find(step.value("id", "")));
  }

  bool Take(const net::ServerEvent& event) {
    if (event.type == "reset") return false;
    const auto data = base::ParseJson(event.data);
    if (!data.ok()) return true;
    if (event.type == "run") {
      model_.SetRun(*data);
    } else if (event.type == "step") {
      SetStep(*data);
    } else if (event.type == "metric" && model_.SetMetric(*data)) {
      view_.OnMetric(model_, *model_.Find(data->value("step_id", "")));
    }
    return !model_.final();
  }

  bool Tick() {
    view_.OnTick(model_);
    const int interrupts = Interrupts::Count();
    if (interrupts == seen_interrupts_) return true;
    const bool force = interrupts > 1;
    const bool first = seen_interrupts_ == 0;
    const int seen_before = seen_interrupts_;
    seen_interrupts_ = interrupts;
    if (first && !force) {
      view_.Say("Stopping politely: steps have their grace period. Ctrl-C again stops at once.");
    } else if (force) {
      view_.Say("Stopping at once.");
    }
    // On a connection of its own: the client's is inside the stream.
    ApiClient api = api_->Another();
    const auto stopped =
        api.Post("/api/v1/runs/" + run_id_ + "/stop", {{"force", force}}, base::NewUlid());
    if (absl::IsUnavailable(stopped.status())) {
      // Whoever is next will be asked.
      seen_interrupts_ = seen_before;
      return false;
    }
    // Refused when the run became final meanwhile, or stops already: both are what was asked for.
    if (!stopped.ok() && !absl::IsFailedPrecondition(stopped.status())) {
      failure_ = stopped.status();
      return false;
    }
    return true;
  }

  ApiClient* api_;
  const std::string run_id_;
  RunView& view_;
  const Reconnect& reconnect_;
  RunModel model_;
  std::int64_t last_event_ = 0;
  int seen_interrupts_ = 0;
  absl::Status failure_;
};

}  // namespace

absl::StatusOr<FollowResult> FollowRun(ApiClient& api, const std::string& run_id, RunView& view,
                                       const Reconnect& reconnect) {
  return Follower(api, run_id, view, reconnect).Follow();
}

}  // namespace regatta::cli
