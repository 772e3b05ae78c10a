#include "server/ticker.h"

#include <chrono>

namespace regatta::server {
namespace {

// A person does not notice a fifth of a second.
constexpr std::chrono::milliseconds kPeriod{200};

}  // namespace

Ticker::Ticker() : thread_([this](const std::stop_token& stop) { Run(stop); }) {}

std::int64_t Ticker::Add(std::shared_ptr<net::Wakeup> wakeup) {
  const std::lock_guard lock(mutex_);
  wakeups_[++last_token_] = std::move(wakeup);
  changed_.notify_all();
  return last_token_;
}

void Ticker::Remove(std::int64_t token) {
  const std::lock_guard lock(mutex_);
  wakeups_.erase(token);
}

void Ticker::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    changed_.wait(lock, stop, [this] { return !wakeups_.empty(); });
    for (const auto& [token, wakeup] : wakeups_) wakeup->Notify();
    changed_.wait_for(lock, stop, kPeriod, [] { return false; });
  }
}

}  // namespace regatta::server
