#include "eccl/rails/reassembly.h"

#include <algorithm>

namespace regatta::eccl {
namespace {

constexpr std::size_t kWasteBytes = 64u << 10;

}  // namespace

base::Result<bool> Reassembly::Read(Rail* rail, std::span<std::byte>* direct) {
  bool any = false;
  while (rail->can_receive()) {
    if (rail->header_missing() > 0) {
      BASE_ASSIGN_OR_RETURN(const std::size_t got, rail->Read({}, false));
      if (got == 0) return any;
      any = true;
      continue;
    }
    const std::uint64_t from = rail->position();
    std::uint64_t end = rail->frame_end();
    // What is here already, by another rail, may not be written again: its place may be in use.
    const auto next = ahead_.upper_bound(from);
    const bool ahead = next != ahead_.begin() && std::prev(next)->second > from;
    std::array<iovec, 2> places{};
    bool into_direct = false;
    const bool again = from < known_ || ahead;
    if (again) {
      end = std::min(end, ahead ? std::prev(next)->second : known_);
      if (waste_.empty()) waste_.resize(kWasteBytes);
      end = std::min(end, from + waste_.size());
      places[0] = {waste_.data(), end - from};
    } else {
      if (next != ahead_.end()) end = std::min(end, next->first);
      if (from == known_ && known_ == taken_ && !direct->empty()) {
        end = std::min(end, from + direct->size());
        places[0] = {direct->data(), end - from};
        into_direct = true;
      } else {
        end = std::min(end, taken_ + window_.size());
        if (end <= from) return any;
        places = window_.Pieces(from, end - from);
      }
    }
    BASE_ASSIGN_OR_RETURN(const std::size_t got, rail->Read(places, end == rail->frame_end()));
    if (got == 0) return any;
    any = true;
    if (into_direct) {
      *direct = direct->subspan(got);
      taken_ += got;
    }
    if (!again) Add(from, from + got);
    if (rail->frame_over()) rail->NextFrame();
  }
  return any;
}

void Reassembly::Add(std::uint64_t begin, std::uint64_t end) {
  if (begin == known_) {
    known_ = end;
    while (!ahead_.empty() && ahead_.begin()->first <= known_) {
      known_ = std::max(known_, ahead_.begin()->second);
      ahead_.erase(ahead_.begin());
    }
    return;
  }
  // Most of what comes ahead continues what came before it.
  auto at = ahead_.lower_bound(begin);
  if (at != ahead_.begin() && std::prev(at)->second == begin) {
    at = std::prev(at);
    at->second = end;
  } else {
    at = ahead_.emplace_hint(at, begin, end);
  }
  const auto next = std::next(at);
  if (next != ahead_.end() && next->first == at->second) {
    at->second = next->second;
    ahead_.erase(next);
  }
}

std::size_t Reassembly::Take(std::span<std::byte> to) {
  const std::size_t bytes = std::min<std::size_t>(to.size(), known_ - taken_);
  if (bytes == 0) return 0;
  window_.Get(taken_, to.first(bytes));
  taken_ += bytes;
  return bytes;
}

}  // namespace regatta::eccl
