#pragma once

// The link between a stream's producer and the connection that sends it. Private to the room.

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <mutex>

#include "net/http.h"

namespace regatta::net {

class WakeupImpl final : public Wakeup {
 public:
  void Notify() override {
    notifications_.fetch_add(1);
    // Posting under the lock: once Detach has returned, nothing of the server is touched any more.
    const std::lock_guard lock(mutex_);
    // A timer belongs to the io thread; many notifications before it runs cancel one wait.
    if (timer_ != nullptr && !posted_.exchange(true)) {
      boost::asio::post(timer_->get_executor(), [timer = timer_, self = self_.lock()] {
        if (self != nullptr) self->posted_ = false;
        timer->cancel();
      });
    }
  }

  std::uint64_t notifications() const { return notifications_.load(); }

  void Attach(std::shared_ptr<boost::asio::steady_timer> timer) {
    const std::lock_guard lock(mutex_);
    timer_ = std::move(timer);
  }
  void Detach() { Attach(nullptr); }

  void SetSelf(const std::shared_ptr<WakeupImpl>& self) { self_ = self; }

 private:
  std::weak_ptr<WakeupImpl> self_;
  std::atomic<std::uint64_t> notifications_ = 0;
  std::atomic<bool> posted_ = false;
  std::mutex mutex_;
  std::shared_ptr<boost::asio::steady_timer> timer_;
};

}  // namespace regatta::net
