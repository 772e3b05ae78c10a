#pragma once

namespace regatta::cli {

// Counts SIGINT, SIGTERM and SIGHUP instead of dying from them. One object in the process, made
// before other threads.
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
};

}  // namespace regatta::cli
