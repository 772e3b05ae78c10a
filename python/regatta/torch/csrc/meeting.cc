#include "meeting.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "abi.h"

namespace regatta::c10d_eccl {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kVerdictPatience = 5s;

std::string Read(Store* store, const std::string& key) {
  const std::vector<std::uint8_t> bytes = store->get(key);
  return {bytes.begin(), bytes.end()};
}

std::string Seconds(std::chrono::milliseconds time) { return std::to_string(time.count()) + " ms"; }

// Rank 0's part: an empty text when all came.
std::string Verdict(Store* store, const std::string& prefix, int size,
                    std::chrono::milliseconds timeout, bool wait_all_ranks,
                    const std::function<void()>& health) {
  const Deadline deadline = Clock::now() + timeout;
  std::string missing;
  for (int rank = 1; rank < size; ++rank) {
    if (WaitForKey(store, prefix + std::to_string(rank), deadline, health)) continue;
    missing += (missing.empty() ? "" : ", ") + Describe(store, rank);
    if (!wait_all_ranks) break;
  }
  if (missing.empty()) return "";
  return "monitored_barrier: not called within " + Seconds(timeout) + " by " + missing;
}

}  // namespace

void Publish(Store* store, const std::string& key, const std::string& value) {
  store->set(key, std::vector<std::uint8_t>(value.begin(), value.end()));
}

bool WaitForKey(Store* store, const std::string& key, Deadline deadline,
                const std::function<void()>& interrupt) {
  auto pause = 100us;
  while (!store->check({key})) {
    if (interrupt) interrupt();
    const auto now = Clock::now();
    if (now >= deadline) return false;
    std::this_thread::sleep_for(std::min<Clock::duration>(pause, deadline - now));
    pause = std::min<std::chrono::microseconds>(pause * 2, 10ms);
  }
  return true;
}

void Introduce(Store* store, int rank) {
  char host[256] = "?";
  gethostname(host, sizeof(host) - 1);
  Publish(store, "who/" + std::to_string(rank),
          std::string("host ") + host + ", process " + std::to_string(getpid()));
}

std::string Describe(Store* store, int rank) {
  const std::string key = "who/" + std::to_string(rank);
  const std::string name = "rank " + std::to_string(rank);
  return store->check({key}) ? name + " (" + Read(store, key) + ")" : name + " (never came)";
}

std::shared_ptr<Comm> Meet(Store* store, const std::string& key, int rank, int size,
                           const CommOptions& options) {
  ecclUniqueId id;
  if (rank == 0) {
    id = MakeUniqueId(options);
    if (size > 1) Publish(store, key, std::string(id.internal, sizeof(id.internal)));
  } else {
    if (!WaitForKey(store, key, Clock::now() + options.timeout, {})) {
      Fail("eccl: rank 0 of a process group of " + std::to_string(size) +
           " ranks did not come to " + "the store within " + Seconds(options.timeout) +
           " (this is rank " + std::to_string(rank) + ")");
    }
    const std::string bytes = Read(store, key);
    if (bytes.size() != sizeof(id.internal)) {
      Fail("eccl: the store holds something else under " + key + ": " +
           std::to_string(bytes.size()) + " bytes");
    }
    std::memcpy(id.internal, bytes.data(), sizeof(id.internal));
  }
  return std::make_shared<Comm>(rank, size, id, options);
}

void MonitoredBarrier(Store* store, std::uint64_t turn, int rank, int size,
                      std::chrono::milliseconds timeout, bool wait_all_ranks,
                      const std::function<void()>& health) {
  const std::string prefix = "monitored/" + std::to_string(turn) + "/";
  std::string text;
  if (rank == 0) {
    text = Verdict(store, prefix, size, timeout, wait_all_ranks, health);
    Publish(store, prefix + "verdict", text.empty() ? "all" : text);
  } else {
    Publish(store, prefix + std::to_string(rank), "here");
    // Rank 0 may have begun later than this rank, and names all who are missing.
    const Deadline deadline = Clock::now() + timeout + kVerdictPatience;
    if (!WaitForKey(store, prefix + "verdict", deadline, health)) {
      text =
          "monitored_barrier: not called within " + Seconds(timeout) + " by " + Describe(store, 0);
    } else {
      text = Read(store, prefix + "verdict");
      if (text == "all") text.clear();
    }
  }
  if (!text.empty()) Fail(text + " (this is rank " + std::to_string(rank) + ")");
}

}  // namespace regatta::c10d_eccl
