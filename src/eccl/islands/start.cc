#include "eccl/islands/start.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// How soon a rank hears of another's death.
constexpr auto kLook = std::chrono::milliseconds(10);

struct Attempt {
  explicit Attempt(StartOptions made) : options(std::move(made)) {}

  void Run() {
    const device::Device::Current current(*options.device);
    const IslandLibrary& library = *options.library;
    IslandLibrary::Comm made = nullptr;
    const int code = library.init_rank(&made, options.size, options.id, options.rank);
    Status failure;
    if (code != IslandLibrary::kSuccess) {
      failure = IslandFailure(library, *options.device, nullptr, code, "InitRank");
    }
    const std::lock_guard lock(mutex);
    if (abandoned && failure.ok()) {
      library.abort(made);
      made = nullptr;
    }
    comm = made;
    status = std::move(failure);
    over = true;
    changed.notify_all();
  }

  const StartOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  bool abandoned = false;
  IslandLibrary::Comm comm = nullptr;
  Status status;
};

// Threads that were inside a library when nobody wanted to wait any longer. Never destroyed, so
// that the process can end while they still are.
struct LeftBehind {
  std::mutex mutex;
  std::vector<std::pair<std::thread, std::shared_ptr<Attempt>>> all;
};
LeftBehind& TheLeftBehind() {
  static auto& left = *new LeftBehind;
  return left;
}

}  // namespace

Status IslandFailure(const IslandLibrary& library, const device::Device& device,
                     IslandLibrary::Comm comm, int code, const char* call) {
  std::string text =
      device.name() + ": " + library.version + ", " + call + ": " + library.error_text(code);
  if (library.last_error != nullptr) {
    const char* more = library.last_error(comm);
    if (more != nullptr && *more != '\0') text += std::string(" (") + more + ")";
  }
  return Status(Code::kInternal, text);
}

std::size_t StartsLeftBehind() {
  LeftBehind& left = TheLeftBehind();
  const std::lock_guard own(left.mutex);
  std::erase_if(left.all, [](auto& one) {
    {
      const std::lock_guard lock(one.second->mutex);
      if (!one.second->over) return false;
    }
    one.first.join();
    return true;
  });
  return left.all.size();
}

base::Result<IslandLibrary::Comm> StartIsland(StartOptions options) {
  StartsLeftBehind();
  const auto since = Clock::now();
  const auto attempt = std::make_shared<Attempt>(std::move(options));
  std::thread thread([attempt] { attempt->Run(); });
  Status why;
  std::unique_lock lock(attempt->mutex);
  while (!attempt->changed.wait_for(lock, kLook, [&] { return attempt->over; })) {
    if (Clock::now() >= attempt->options.deadline) {
      const auto waited =
          std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - since);
      why = Status(Code::kDeadlineExceeded,
                   attempt->options.device->name() + ": " + attempt->options.library->version +
                       ", InitRank has not ended for " + base::FormatDuration(waited.count()));
    } else if (attempt->options.check) {
      lock.unlock();
      why = attempt->options.check();
      lock.lock();
    }
    if (why.ok() || attempt->over) continue;
    attempt->abandoned = true;
    lock.unlock();
    LeftBehind& left = TheLeftBehind();
    const std::lock_guard own(left.mutex);
    left.all.emplace_back(std::move(thread), attempt);
    return why;
  }
  lock.unlock();
  thread.join();
  if (!attempt->status.ok()) return attempt->status;
  return attempt->comm;
}

}  // namespace regatta::eccl
