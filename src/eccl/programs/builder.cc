#include <algorithm>
#include <numeric>

#include "eccl/programs.h"

namespace regatta::eccl {
namespace {

// Values that are only passed on take turns in these.
constexpr int kScratchParts = 2;

}  // namespace

Builder::Builder(const char* algorithm, int rank, int parts) : rank_(rank) {
  program_.algorithm = algorithm;
  program_.parts = parts;
  for (int part = 0; part < parts; ++part) now_.push_back({Place::kInput, part});
}

void Builder::Send(int part, int to) {
  program_.steps.push_back({.send_to = to, .part = part, .source = Now(part)});
}

void Builder::Receive(int part, int from) {
  const Slice target{Place::kOutput, part};
  program_.steps.push_back({.receive_from = from, .part = part, .target = target});
  now_[static_cast<std::size_t>(part)] = target;
}

void Builder::ReceiveAndCombine(int part, int from, bool last) {
  const Slice target{Place::kOutput, part};
  program_.steps.push_back({.receive_from = from,
                            .combine = true,
                            .part = part,
                            .last = last,
                            .source = Now(part),
                            .target = target});
  now_[static_cast<std::size_t>(part)] = target;
}

void Builder::ReceiveCombineAndPass(int part, int from, int to) {
  program_.scratch_parts = kScratchParts;
  const Slice target{Place::kScratch, passed_++ % kScratchParts};
  program_.steps.push_back({.receive_from = from,
                            .send_to = to,
                            .combine = true,
                            .part = part,
                            .source = Now(part),
                            .target = target});
}

void Builder::CopyToOutput(int part) {
  const Slice target{Place::kOutput, part};
  if (Now(part) == target) return;
  program_.steps.push_back({.part = part, .source = Now(part), .target = target});
  now_[static_cast<std::size_t>(part)] = target;
}

Program Builder::Take() {
  Fuse(&program_);
  return std::move(program_);
}

// Part lists go round: what ends at a member starts at the one to its right.
void Builder::RingReduceScatter(const Members& members, const Owned& owned, bool last) {
  const int n = static_cast<int>(members.size());
  const int at = PositionOf(members, rank_);
  const auto member = [&](int i) { return members[static_cast<std::size_t>((i + 2 * n) % n)]; };
  const auto parts = [&](int i) -> const std::vector<int>& {
    return owned[static_cast<std::size_t>((i + 2 * n) % n)];
  };
  if (n == 1) return;
  for (const int part : parts(at - 1)) Send(part, member(at + 1));
  for (int step = 0; step < n - 2; ++step) {
    for (const int part : parts(at - 2 - step)) {
      ReceiveCombineAndPass(part, member(at - 1), member(at + 1));
    }
  }
  for (const int part : parts(at)) ReceiveAndCombine(part, member(at - 1), last);
}

void Builder::RingAllGather(const Members& members, const Owned& owned) {
  const int n = static_cast<int>(members.size());
  const int at = PositionOf(members, rank_);
  const auto member = [&](int i) { return members[static_cast<std::size_t>((i + 2 * n) % n)]; };
  const auto parts = [&](int i) -> const std::vector<int>& {
    return owned[static_cast<std::size_t>((i + 2 * n) % n)];
  };
  if (n == 1) return;
  for (const int part : parts(at)) Send(part, member(at + 1));
  for (int step = 0; step < n - 1; ++step) {
    for (const int part : parts(at - 1 - step)) {
      Receive(part, member(at - 1));
      if (step < n - 2) Send(part, member(at + 1));
    }
  }
}

void Builder::DirectReduceScatter(const Members& members, const Owned& owned, bool last) {
  const int n = static_cast<int>(members.size());
  const int at = PositionOf(members, rank_);
  for (int by = 1; by < n; ++by) {
    const auto to = static_cast<std::size_t>((at + by) % n);
    for (const int part : owned[to]) Send(part, members[to]);
  }
  for (int by = 1; by < n; ++by) {
    const auto from = static_cast<std::size_t>((at - by + n) % n);
    for (const int part : owned[static_cast<std::size_t>(at)]) {
      ReceiveAndCombine(part, members[from], last && by == n - 1);
    }
  }
}

void Builder::DirectAllGather(const Members& members, const Owned& owned) {
  const int n = static_cast<int>(members.size());
  const int at = PositionOf(members, rank_);
  for (int by = 1; by < n; ++by) {
    const auto to = static_cast<std::size_t>((at + by) % n);
    for (const int part : owned[static_cast<std::size_t>(at)]) Send(part, members[to]);
  }
  for (int by = 1; by < n; ++by) {
    const auto from = static_cast<std::size_t>((at - by + n) % n);
    for (const int part : owned[from]) Receive(part, members[from]);
  }
}

Members AllRanks(int size) {
  Members ranks(static_cast<std::size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

Owned OnePartEach(int size) {
  Owned owned;
  for (int part = 0; part < size; ++part) owned.push_back({part});
  return owned;
}

int PositionOf(const Members& members, int rank) {
  return static_cast<int>(std::find(members.begin(), members.end(), rank) - members.begin());
}

}  // namespace regatta::eccl
