#include "cli/interrupts.h"

namespace regatta::cli {
namespace {

std::atomic<int> count = 0;

bool IsIgnored(int signal) {
  struct sigaction action = {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Interrupts::Interrupts() {
  sigset_t counted;
  sigemptyset(&counted);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (signal != SIGHUP || !IsIgnored(SIGHUP)) sigaddset(&counted, signal);
  }
  pthread_sigmask(SIG_BLOCK, &counted, &mask_before_);
  waiter_ = std::thread([this, counted] {
    while (true) {
      int signal = 0;
      sigwait(&counted, &signal);
      if (closing_) return;
      count.fetch_add(1);
      count.notify_all();
    }
  });
}

Interrupts::~Interrupts() {
  closing_ = true;
  pthread_kill(waiter_.native_handle(), SIGINT);  // wakes it out of sigwait
  waiter_.join();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

int Interrupts::Count() { return count.load(); }

void Interrupts::Wait() { count.wait(0); }

}  // namespace regatta::cli
