#include "eccl/tuner.h"

#include <algorithm>
#include <bit>

namespace regatta::eccl {
namespace {

// Each algorithm is tried so often, in turn with the others: first to know something soon, later to
// be sure.
constexpr std::size_t kFirstRepeats = 3;
constexpr std::size_t kRepeats = 9;
constexpr std::size_t kMostCandidates = 3;
// What is in use stays unless another one takes less than this share of its time: two that are
// equally good should not take turns.
constexpr double kClearlyBetter = 0.95;
constexpr std::uint64_t kFirstPause = 256;
constexpr std::uint64_t kLongestPause = 65'536;

// What it takes when nothing disturbs it: the time that a third of the calls keep.
double Typical(std::vector<double> times) {
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 3);
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

}  // namespace

void Tuner::BeginTrial(Case* one, std::span<const std::string_view> candidates,
                       std::string_view otherwise) const {
  const std::string_view in_use = one->best.empty() ? otherwise : one->best;
  std::vector<std::pair<double, std::string_view>> others;
  double best = model_.Predict(one->kind, in_use, one->least_bytes);
  for (const std::string_view name : candidates) {
    const double predicted = model_.Predict(one->kind, name, one->least_bytes);
    if (predicted < 0 || name == in_use) continue;
    others.emplace_back(predicted, name);
    best = best < 0 ? predicted : std::min(best, predicted);
  }
  std::stable_sort(others.begin(), others.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  one->trial = {in_use};
  for (const auto& [predicted, name] : others) {
    if (predicted <= kWorthATrial * best && one->trial.size() < kMostCandidates) {
      one->trial.push_back(name);
    }
  }
  one->tried = 0;
  one->repeats = one->pause == 0 ? kFirstRepeats : kRepeats;
  one->samples.clear();
  if (one->trial.size() > 1) return;
  one->trial.clear();
  one->best = in_use;
  one->until_next = one->pause = kLongestPause;
}

Tuner::Choice Tuner::Choose(OpKind kind, std::size_t bytes,
                            std::span<const std::string_view> candidates,
                            std::string_view otherwise) {
  const int level = static_cast<int>(std::bit_width(bytes));
  const auto [found, fresh] = cases_.try_emplace({kind, level});
  Case& one = found->second;
  current_ = nullptr;
  if (fresh) {
    one.kind = kind;
    one.least_bytes = level == 0 ? 0 : std::size_t{1} << (level - 1);
  }
  if (!probed_) {
    current_ = &one;
    return {otherwise, "size"};
  }
  if (one.trial.empty()) {
    if (one.until_next == 0)
      BeginTrial(&one, candidates, otherwise);
    else
      --one.until_next;
  }
  if (one.trial.empty()) return {one.best, one.measured.empty() ? "model" : "measured"};
  current_ = &one;
  return {one.trial[one.tried % one.trial.size()], "trial"};
}

Tuner::Due Tuner::Record(double seconds) {
  if (current_ == nullptr) return Due::kNothing;
  if (!probed_) return Due::kProbe;
  current_->samples.push_back(seconds);
  if (++current_->tried < current_->repeats * current_->trial.size()) return Due::kNothing;
  samples_ = current_->samples;
  return Due::kAgreement;
}

void Tuner::SetCosts(LinkCost inside, LinkCost between) {
  model_.SetCosts(inside, between);
  probed_ = true;
}

void Tuner::Agree() {
  Case& one = *current_;
  one.measured.clear();
  for (std::size_t i = 0; i < one.trial.size(); ++i) {
    std::vector<double> times;
    for (std::size_t at = i; at < samples_.size(); at += one.trial.size()) {
      times.push_back(samples_[at]);
    }
    one.measured.emplace_back(one.trial[i], Typical(std::move(times)));
  }
  const auto& in_use = one.measured.front();
  const auto fastest =
      std::ranges::min_element(one.measured, {}, [](const auto& entry) { return entry.second; });
  one.best = fastest->second < kClearlyBetter * in_use.second ? fastest->first : in_use.first;
  one.pause = one.pause == 0 ? kFirstPause : std::min(one.pause * 16, kLongestPause);
  one.until_next = one.pause;
  one.trial.clear();

  const std::lock_guard lock(mutex_);
  const auto same = std::ranges::find_if(decisions_, [&](const Decision& decision) {
    return decision.kind == one.kind && decision.least_bytes == one.least_bytes;
  });
  Decision decision{one.kind, one.least_bytes, one.best, one.measured};
  if (same != decisions_.end()) {
    *same = std::move(decision);
  } else {
    decisions_.push_back(std::move(decision));
  }
}

std::vector<Tuner::Decision> Tuner::Decisions() const {
  const std::lock_guard lock(mutex_);
  return decisions_;
}

}  // namespace regatta::eccl
