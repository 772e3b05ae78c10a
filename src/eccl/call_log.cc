#include "eccl/call_log.h"

#include <algorithm>
#include <cstring>

#include "eccl/ticks.h"

namespace regatta::eccl {
namespace {

thread_local char call_site[kCallSiteBytes] = "";

}  // namespace

void SetCallSite(const char* text) {
  if (text == nullptr) text = "";
  const std::size_t length = std::strlen(text);
  const std::size_t kept = std::min(length, kCallSiteBytes - 1);
  std::memset(call_site, 0, kCallSiteBytes);
  std::memcpy(call_site, text + (length - kept), kept);
}

const char* CallSite() { return call_site; }

CallLog::CallLog() : slots_(std::make_unique<Slot[]>(kCalls)) {}

void CallLog::Begin(const OpDescriptor& call, int peer) {
  const std::uint64_t number = calls_.load(std::memory_order_relaxed) + 1;
  Slot& slot = SlotOf(number);
  slot.version.store(number * 2 + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  std::uint64_t words[kCallWords];
  call.Encode(reinterpret_cast<std::byte*>(words));
  for (std::size_t i = 0; i < kCallWords; ++i) {
    slot.call[i].store(words[i], std::memory_order_relaxed);
  }
  slot.peer.store(peer, std::memory_order_relaxed);
  slot.began.store(Ticks(), std::memory_order_relaxed);
  slot.ended.store(0, std::memory_order_relaxed);
  slot.algorithm.store(nullptr, std::memory_order_relaxed);
  for (std::size_t i = 0; i < kSiteWords; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, call_site + i * 8, 8);
    slot.site[i].store(word, std::memory_order_relaxed);
    if (word == 0) break;  // what follows an end is not read
  }
  slot.version.store(number * 2, std::memory_order_release);
  calls_.store(number, std::memory_order_release);
}

void CallLog::End(const char* algorithm) {
  Slot& slot = SlotOf(calls_.load(std::memory_order_relaxed));
  slot.ended.store(Ticks(), std::memory_order_relaxed);
  slot.algorithm.store(algorithm, std::memory_order_release);
}

bool CallLog::Read(std::uint64_t number, Entry* entry) const {
  const Slot& slot = SlotOf(number);
  if (slot.version.load(std::memory_order_acquire) != number * 2) return false;
  std::uint64_t words[kCallWords];
  for (std::size_t i = 0; i < kCallWords; ++i) {
    words[i] = slot.call[i].load(std::memory_order_relaxed);
  }
  char site[kCallSiteBytes + 1] = "";
  for (std::size_t i = 0; i < kSiteWords; ++i) {
    const std::uint64_t word = slot.site[i].load(std::memory_order_relaxed);
    std::memcpy(site + i * 8, &word, 8);
    if (word == 0) break;
  }
  entry->peer = static_cast<int>(slot.peer.load(std::memory_order_relaxed));
  entry->algorithm = slot.algorithm.load(std::memory_order_acquire);
  const std::uint64_t began = slot.began.load(std::memory_order_relaxed);
  const std::uint64_t ended = slot.ended.load(std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (slot.version.load(std::memory_order_relaxed) != number * 2) return false;
  const std::uint64_t now = Ticks();
  entry->age = DurationOf(now - began);
  entry->took = entry->algorithm != nullptr ? DurationOf(ended - began) : entry->age;
  entry->site = site;
  OpDescriptor::Decode(reinterpret_cast<const std::byte*>(words), &entry->call);
  return true;
}

CallLog::Entry CallLog::Last() const {
  Entry entry;
  // Until it reads one that is not being replaced.
  while (calls_.load(std::memory_order_acquire) != 0 &&
         !Read(calls_.load(std::memory_order_acquire), &entry)) {
  }
  return entry;
}

std::vector<CallLog::Entry> CallLog::Latest(std::size_t most) const {
  std::vector<Entry> entries;
  const std::uint64_t last = calls_.load(std::memory_order_acquire);
  for (std::uint64_t number = last; number > 0 && entries.size() < std::min(most, kCalls);
       --number) {
    Entry entry;
    if (!Read(number, &entry)) break;
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace regatta::eccl
