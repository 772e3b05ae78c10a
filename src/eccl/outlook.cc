#include "eccl/outlook.h"

#include <algorithm>

#include "eccl/select.h"
#include "eccl/simulator.h"

namespace regatta::eccl {
namespace {

constexpr int kRoot = 0;

int SizeOf(const Wiring& wiring) {
  std::size_t size = 0;
  for (const auto& host : wiring.hosts) size += host.size();
  return static_cast<int>(size);
}

// The names, the one way of calls that have no choice being called after its program.
base::Result<std::vector<std::string>> Names(OpKind kind, const Wiring& wiring,
                                             const std::string& only) {
  const int size = SizeOf(wiring);
  const Selector selector(0, size, wiring.hosts, "", false);
  std::vector<std::string> names;
  for (const std::string_view name : selector.Candidates(kind)) names.emplace_back(name);
  if (names.empty()) {
    names.emplace_back(MakeProgram(kind, "", kRoot, 0, size, wiring.hosts).algorithm);
  }
  if (only.empty()) return names;
  if (std::find(names.begin(), names.end(), only) != names.end()) {
    return std::vector<std::string>{only};
  }
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  return base::Status(base::Code::kInvalidArgument, std::string(NameOf(kind)) +
                                                        " has no algorithm \"" + only +
                                                        "\" on these hosts; there is " + known);
}

base::Result<Timing> CheckAndTime(OpKind kind, const std::string& name, std::size_t bytes,
                                  const Wiring& wiring) {
  const int size = SizeOf(wiring);
  std::vector<Program> programs;
  programs.reserve(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    programs.push_back(MakeProgram(kind, name, kRoot, rank, size, wiring.hosts));
  }
  BASE_RETURN_IF_ERROR(Simulate(kind, kRoot, programs));
  std::vector<Plan> plans;
  plans.reserve(programs.size());
  for (Program& program : programs) plans.emplace_back(std::move(program));
  std::vector<const Plan*> pointers;
  pointers.reserve(plans.size());
  for (const Plan& plan : plans) pointers.push_back(&plan);
  return SimulateTime(pointers, wiring, bytes);
}

}  // namespace

base::Result<std::vector<Outlook>> OutlookOf(OpKind kind, std::size_t bytes, const Wiring& wiring,
                                             const std::string& only) {
  BASE_ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(kind, wiring, only));
  CostModel model(wiring.hosts);
  model.SetCosts(wiring.inside, wiring.between);
  const Selector selector(0, SizeOf(wiring), wiring.hosts, "", false);
  std::vector<Outlook> outlooks;
  double least = -1;
  for (const std::string& name : names) {
    Outlook outlook{.algorithm = name, .predicted = model.Predict(kind, name, bytes)};
    BASE_ASSIGN_OR_RETURN(outlook.timing, CheckAndTime(kind, name, bytes, wiring));
    const std::string_view first = selector.Default(kind, bytes);
    outlook.by_default = first.empty() || first == name;
    outlooks.push_back(std::move(outlook));
  }
  for (const std::string_view name : selector.Candidates(kind)) {
    const double predicted = model.Predict(kind, name, bytes);
    if (predicted >= 0 && (least < 0 || predicted < least)) least = predicted;
  }
  for (Outlook& outlook : outlooks) {
    outlook.worth_a_trial =
        outlook.predicted >= 0 && outlook.predicted <= least * Tuner::kWorthATrial;
  }
  return outlooks;
}

base::Result<std::string> ProgramText(OpKind kind, const std::string& algorithm, int rank,
                                      const Wiring& wiring) {
  BASE_RETURN_IF_ERROR(Names(kind, wiring, algorithm).status());
  const int size = SizeOf(wiring);
  if (rank < 0 || rank >= size) {
    return base::Status(base::Code::kInvalidArgument, "there is no rank " + std::to_string(rank) +
                                                          ": ranks are 0 to " +
                                                          std::to_string(size - 1));
  }
  return MakeProgram(kind, algorithm, kRoot, rank, size, wiring.hosts).ToString();
}

}  // namespace regatta::eccl
