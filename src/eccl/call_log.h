#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "eccl/types.h"

namespace regatta::eccl {

// Where in the program a thread makes its calls, as it was told last: "train.py:12"; "" when it was
// told nothing. Longer texts are cut at the front.
inline constexpr std::size_t kCallSiteBytes = 64;
void SetCallSite(const char* text);
const char* CallSite();

// The latest calls of one kind on one communicator, for its flight record. Written by the thread
// inside a call, in a few nanoseconds; read by any.
class CallLog {
 public:
  static constexpr std::size_t kCalls = 256;

  CallLog();

  // `peer`: of a send or receive, else -1.
  void Begin(const OpDescriptor& call, int peer = -1);
  void End(const char* algorithm);

  struct Entry {
    OpDescriptor call;  // sequence 0: none
    int peer = -1;
    std::string site;
    const char* algorithm = nullptr;  // null: not over, or failed
    std::chrono::nanoseconds age{};   // since it began
    std::chrono::nanoseconds took{};  // until now, when it is not over
  };
  // The call that began last.
  Entry Last() const;
  // At most `most`, the latest first; calls that begin meanwhile may take the place of the oldest.
  std::vector<Entry> Latest(std::size_t most) const;

 private:
  static constexpr std::size_t kCallWords = OpDescriptor::kWireBytes / 8;
  static constexpr std::size_t kSiteWords = kCallSiteBytes / 8;
  // In words, so that a reader beside the writer sees old or new ones; `version` says whether all
  // are of one call.
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> version{0};  // odd while it is being written
    std::atomic<std::uint64_t> call[kCallWords] = {};
    std::atomic<std::int64_t> peer{-1};
    std::atomic<std::uint64_t> began{0}, ended{0};  // ticks
    std::atomic<const char*> algorithm{nullptr};
    std::atomic<std::uint64_t> site[kSiteWords] = {};
  };
  Slot& SlotOf(std::uint64_t number) const { return slots_[number % kCalls]; }
  bool Read(std::uint64_t number, Entry* entry) const;

  std::unique_ptr<Slot[]> slots_;
  std::atomic<std::uint64_t> calls_{0};  // begun
};

}  // namespace regatta::eccl
