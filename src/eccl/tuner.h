#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "eccl/cost_model.h"
#include "eccl/types.h"

namespace regatta::eccl {

// Finds the fastest algorithm for each kind of call and each power of two of bytes, while the
// program runs. Algorithms that the cost model finds worth it are tried in turn; then the ranks
// agree on what was measured, at the end of the same call, and go on with the fastest. The trial
// is repeated after more and more calls.
//
// Every rank has the same state, because it depends on nothing but the calls, which are the same on
// all ranks, and on what they agreed on. Used by one thread at a time, but for Decisions().
class Tuner {
 public:
  // An algorithm that should take longer than so many times the best one's time is not tried.
  static constexpr double kWorthATrial = 1.5;

  explicit Tuner(CostModel model) : model_(std::move(model)) {}

  struct Choice {
    std::string_view algorithm;
    const char* why = "";  // "size", "trial", "measured"
  };
  // For a call of which `otherwise` is the algorithm as long as nothing is known; it is one of
  // `candidates`. All of them are literals.
  Choice Choose(OpKind kind, std::size_t bytes, std::span<const std::string_view> candidates,
                std::string_view otherwise);

  enum class Due { kNothing, kProbe, kAgreement };
  // The call of the last Choose took so long on this rank. What has to be done before it ends, on
  // all ranks: measuring the links, then SetCosts with what is the same everywhere; or making the
  // least of samples() over all ranks, then Agree().
  Due Record(double seconds);
  void SetCosts(LinkCost inside, LinkCost between);
  std::span<double> samples() { return samples_; }
  void Agree();

  struct Decision {
    OpKind kind;
    std::size_t least_bytes;  // it holds for less than twice as many
    std::string_view algorithm;
    std::vector<std::pair<std::string_view, double>> measured;  // seconds by algorithm
  };
  // What has been decided so far. Any thread.
  std::vector<Decision> Decisions() const;

 private:
  struct Case {
    OpKind kind{};
    std::size_t least_bytes = 0;
    std::vector<std::string_view> trial;  // algorithms; empty: no trial
    std::size_t tried = 0;                // calls of this trial
    std::size_t repeats = 0;              // calls of each algorithm in it
    std::uint64_t until_next = 0;         // calls before the next trial
    std::uint64_t pause = 0;
    std::string_view best;  // empty: not known yet
    std::vector<std::pair<std::string_view, double>> measured;
    std::vector<double> samples;  // by call of this trial
  };
  void BeginTrial(Case* one, std::span<const std::string_view> candidates,
                  std::string_view otherwise) const;

  CostModel model_;
  bool probed_ = false;
  std::map<std::pair<OpKind, int>, Case> cases_;
  Case* current_ = nullptr;  // of the call in progress; null: it is not timed
  std::vector<double> samples_;
  mutable std::mutex mutex_;  // of decisions_
  std::vector<Decision> decisions_;
};

}  // namespace regatta::eccl
