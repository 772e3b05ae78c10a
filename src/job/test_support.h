#pragma once

#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "base/event_sink.h"
#include "base/ulid.h"
#include "job/executor.h"

namespace regatta::job {

// A folder that is removed at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "regatta-job-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Keeps events, and lets tests wait for what they need without polling.
class TestSink final : public base::EventSink {
 public:
  void Publish(base::Event event) override {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    changed_.notify_all();
  }

  // Waits until `ready` holds; it is asked again after each event. False after a minute.
  bool WaitFor(const std::function<bool()>& ready) {
    std::unique_lock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (true) {
      const std::size_t seen = events_.size();
      lock.unlock();
      const bool done = ready();
      lock.lock();
      if (done) return true;
      if (!changed_.wait_until(lock, deadline, [&] { return events_.size() != seen; }))
        return false;
    }
  }

  std::vector<base::Event> Of(const std::string& kind) {
    const std::lock_guard lock(mutex_);
    std::vector<base::Event> found;
    for (const base::Event& event : events_) {
      if (event.kind == kind) found.push_back(event);
    }
    return found;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<base::Event> events_;
};

// Until the job's end and all of its metrics have been told: what Status says may be ahead of
// events.
inline JobStatus WaitForEnd(Executor& executor, TestSink& sink, const std::string& id) {
  JobStatus status;
  sink.WaitFor([&] {
    status = *executor.Status(id);
    const std::vector<base::Event> metrics = sink.Of("job.metric");
    return IsFinal(status.state) &&
           std::ranges::count(metrics, id, &base::Event::subject) >= status.metrics;
  });
  return status;
}

inline JobSpec MakeSpec(const TemporaryFolder& folder, std::vector<std::string> argv,
                        int replicas = 1) {
  JobSpec spec;
  spec.id = base::NewUlid();
  spec.name = "test";
  spec.working_directory = folder.path();
  spec.directory = folder / spec.id;
  Role role;
  role.replicas = replicas;
  role.argv = std::move(argv);
  spec.roles.push_back(std::move(role));
  return spec;
}

inline JobSpec Shell(const TemporaryFolder& folder, const std::string& script, int replicas = 1) {
  return MakeSpec(folder, {"/bin/sh", "-c", script}, replicas);
}

inline std::string Slurp(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace regatta::job
