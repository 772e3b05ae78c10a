#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "net/http.h"

namespace regatta::server {

// Wakes its streams five times a second: for what grows without telling anybody, such as a log that
// a process writes. Its thread rests while there is no such stream. Thread-safe.
class Ticker {
 public:
  Ticker();
  ~Ticker() = default;

  std::int64_t Add(std::shared_ptr<net::Wakeup> wakeup);
  void Remove(std::int64_t token);

 private:
  void Run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::int64_t, std::shared_ptr<net::Wakeup>> wakeups_;
  std::int64_t last_token_ = 0;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace regatta::server
