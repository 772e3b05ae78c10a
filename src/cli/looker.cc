#include "cli/looker.h"

#include "base/absl_status.h"
#include "base/log.h"
#include "base/random.h"
#include "cli/owner_process.h"
#include "flow/engine.h"
#include "job/kubeflow/controller.h"
#include "server/auth.h"
#include "server/owner.h"
#include "server/server.h"
#include "store/store.h"

namespace regatta::cli {
namespace {

class LookerImpl final : public Looker {
 public:
  absl::Status Begin(const base::Config& settings) {
    RETURN_IF_ERROR(server::CheckStateVersion(HomeOf(settings)));
    const std::vector<store::Schema> schemas = {server::ServerSchema(), flow::Engine::Schema(),
                                                job::TrainingJobs::Schema()};
    ASSIGN_OR_RETURN(store_,
                     store::Store::Open({.url = StoreUrlOf(settings), .look_only = true}, schemas));
    ASSIGN_OR_RETURN(engine_, flow::Engine::OpenToLook(store_.get()));
    ASSIGN_OR_RETURN(jobs_, job::TrainingJobs::OpenToLook(store_.get()));
    // Of this process alone: not the directory's token, which nobody may have made yet.
    token_ = base::RandomHex(32);
    base::HideInLogs(token_);
    ASSIGN_OR_RETURN(server_, server::Server::Start({.store = store_.get(),
                                                     .engine = engine_.get(),
                                                     .jobs = jobs_.get(),
                                                     .token = token_}));
    return absl::OkStatus();
  }

  std::string url() const override { return server_->url(); }
  std::string token() const override { return token_; }

 private:
  // Destroyed from the last to the first.
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<flow::Engine> engine_;
  std::unique_ptr<job::TrainingJobs> jobs_;
  std::string token_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Looker>> Looker::Open(const base::Config& settings) {
  auto looker = std::make_unique<LookerImpl>();
  RETURN_IF_ERROR(looker->Begin(settings));
  return looker;
}

}  // namespace regatta::cli
