#pragma once

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <thread>

namespace regatta::cli {

// Counts SIGINT, SIGTERM and SIGHUP instead of dying from them; a SIGHUP that is ignored (nohup)
// stays so. One object in the process, made before other threads: they must inherit its signal
// mask, and who starts a process must give it a mask of its own.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // How many came so far.
  static int Count();
  // Blocks until one has come.
  static void Wait();

 private:
  sigset_t mask_before_;
  std::atomic<bool> closing_ = false;
  std::thread waiter_;
};

}  // namespace regatta::cli
