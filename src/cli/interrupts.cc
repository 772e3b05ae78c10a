#include "cli/interrupts.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace regatta::cli {
namespace {

std::atomic<int> count = 0;
int pipe_ends[2] = {-1, -1};

// Handlers, not a signal mask: a mask would be inherited by the processes of steps.
extern "C" void OnInterrupt(int) {
  const int saved = errno;
  count.fetch_add(1);
  if (::write(pipe_ends[1], "x", 1) < 0) {
    // The pipe is full: whoever waits will wake anyway.
  }
  errno = saved;
}

void Install(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupts::Interrupts() {
  if (::pipe2(pipe_ends, O_CLOEXEC) == 0) {
    ::fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);
  }
  Install(OnInterrupt);
}

Interrupts::~Interrupts() {
  Install(SIG_DFL);
  for (int& end : pipe_ends) {
    if (end >= 0) ::close(end);
    end = -1;
  }
}

int Interrupts::Count() { return count.load(); }

void Interrupts::Wait() {
  char byte;
  while (::read(pipe_ends[0], &byte, 1) < 0 && errno == EINTR) {
  }
}

}  // namespace regatta::cli
