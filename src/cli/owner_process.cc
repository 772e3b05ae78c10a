#include "cli/owner_process.h"

#include <pwd.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/config.h"
#include "base/file.h"
#include "base/log.h"
#include "flow/engine.h"
#include "job/container/container_executor.h"
#include "job/executor.h"
#include "job/kubeflow/controller.h"
#include "job/shared_executor.h"
#include "server/auth.h"
#include "server/owner.h"
#include "server/server.h"
#include "store/store.h"

namespace regatta::cli {
namespace {

constexpr std::chrono::milliseconds kGoodbye{2000};

std::string UserName() {
  // Not getlogin: a service has no terminal.
  std::string buffer(16384, '\0');
  struct passwd entry = {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return found->pw_name;
  }
  return absl::StrCat("uid-", ::geteuid());
}

using ExecutorMaker =
    std::function<absl::StatusOr<std::unique_ptr<job::Executor>>(base::EventSink*)>;

ExecutorMaker MakeExecutor(const std::string& home, const base::Config& settings) {
  job::LocalExecutorOptions local;
  local.cpus = settings.Number("cpus");
  local.memory_bytes = settings.Integer("memory_mib") << 20;
  local.max_processes = static_cast<int>(settings.Integer("max_processes"));
  const ExecutorMaker processes = [local](base::EventSink* sink) {
    return job::NewLocalExecutor(local, sink);
  };
  job::ContainerOptions containers;
  containers.socket = settings.Text("containerd");
  if (containers.socket.empty()) return processes;
  containers.images = settings.Text("containerd_namespace");
  containers.folder = base::JoinPath(home, "containers");
  return [containers, processes](base::EventSink* sink) {
    return job::NewContainerExecutor(containers, processes, sink);
  };
}

class OwnerProcessImpl final : public OwnerProcess {
 public:
  absl::Status Begin(const OwnerProcessOptions& options, const base::Config& settings) {
    ASSIGN_OR_RETURN(owner_, server::Owner::Acquire(options.home));
    const std::vector<store::Schema> schemas = {server::ServerSchema(), flow::Engine::Schema(),
                                                job::TrainingJobs::Schema()};
    ASSIGN_OR_RETURN(store_, store::Store::Open({.url = StoreUrlOf(settings)}, schemas));
    auto file_systems = flow::ParseFileSystemFolders(settings.Text("file_systems"));
    if (!file_systems.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("file_systems: ", file_systems.status().message()));
    }
    ASSIGN_OR_RETURN(executor_, job::SharedExecutor::Make(MakeExecutor(options.home, settings)));
    const auto share = [this](base::EventSink* sink) {
      return absl::StatusOr<std::unique_ptr<job::Executor>>(executor_->NewShare(sink));
    };
    ASSIGN_OR_RETURN(engine_,
                     flow::Engine::Open({.store = store_.get(),
                                         .folder = options.home,
                                         .make_executor = share,
                                         .uses_images = !settings.Text("containerd").empty(),
                                         .take_up = options.take_up,
                                         .file_systems = *std::move(file_systems)}));
    ASSIGN_OR_RETURN(jobs_,
                     job::TrainingJobs::Open({.store = store_.get(),
                                              .folder = options.home,
                                              .make_executor = share,
                                              .take_up = options.take_up == flow::TakeUp::kAll}));
    ASSIGN_OR_RETURN(server_, server::Server::Start({.store = store_.get(),
                                                     .engine = engine_.get(),
                                                     .jobs = jobs_.get(),
                                                     .address = options.address,
                                                     .port = options.port,
                                                     .token = owner_->token(),
                                                     .user = UserName()}));
    RETURN_IF_ERROR(owner_->Announce(server_->url(), options.passing));
    base::Log(base::LogLevel::kInfo, "cli", "serving",
              {{"address", server_->url()}, {"home", options.home}, {"store", store_->Describe()}});
    return absl::OkStatus();
  }

  ~OwnerProcessImpl() override {
    if (server_ == nullptr) return;
    owner_->Retire();
    server_->Stop(kGoodbye);
  }

  std::string url() const override { return server_->url(); }
  std::string token() const override { return owner_->token(); }
  std::string MakeLoginAddress() override { return server_->MakeLoginAddress(); }

 private:
  // Destroyed from the last to the first: nobody may find the lock free while the engine still
  // works.
  std::unique_ptr<server::Owner> owner_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<job::SharedExecutor> executor_;
  std::unique_ptr<flow::Engine> engine_;
  std::unique_ptr<job::TrainingJobs> jobs_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OwnerProcess>> OwnerProcess::Start(
    const OwnerProcessOptions& options, const base::Config& settings) {
  auto process = std::make_unique<OwnerProcessImpl>();
  RETURN_IF_ERROR(process->Begin(options, settings));
  return process;
}

std::string HomeOf(const base::Config& settings) {
  std::error_code error;
  const auto path = std::filesystem::absolute(settings.Text("home"), error).lexically_normal();
  std::string home = path.string();
  while (home.size() > 1 && home.back() == '/') home.pop_back();
  return home;
}

std::string StoreUrlOf(const base::Config& settings) {
  const std::string url = settings.Text("store");
  if (!url.empty()) return url;
  return absl::StrCat("sqlite://", base::JoinPath(HomeOf(settings), "regatta.db"));
}

}  // namespace regatta::cli
