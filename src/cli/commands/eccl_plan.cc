#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/absl_status.h"
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/commands/lists.h"
#include "cli/quantity.h"
#include "eccl/outlook.h"

namespace regatta::cli {
namespace {

// "30us,25Gbit/s".
absl::StatusOr<eccl::LinkCost> ReadLink(const std::string& text, const char* option) {
  const auto wrong = [&](const absl::Status& why) {
    return absl::InvalidArgumentError(absl::StrCat(option, ": ", why.message()));
  };
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  if (parts.size() != 2) {
    return wrong(absl::InvalidArgumentError(absl::StrCat(
        "\"", text,
        "\" is not a latency and a bandwidth with a comma between, like 30us,25Gbit/s")));
  }
  const auto latency = ReadDuration(parts[0]);
  if (!latency.ok()) return wrong(latency.status());
  const auto rate = ReadRate(parts[1]);
  if (!rate.ok()) return wrong(rate.status());
  return eccl::LinkCost{.latency = *latency, .per_byte = 1 / *rate};
}

absl::StatusOr<eccl::Wiring> ReadWiring(const Invocation& call) {
  const int hosts = std::max(call.hosts, 1);
  if (call.ranks % hosts != 0) {
    return absl::InvalidArgumentError(absl::StrCat("--ranks ", call.ranks,
                                                   " cannot be shared evenly by --hosts ", hosts,
                                                   "; ranks have to be a multiple of hosts"));
  }
  eccl::Wiring wiring;
  wiring.hosts.resize(static_cast<std::size_t>(hosts));
  for (int rank = 0; rank < call.ranks; ++rank) {
    wiring.hosts[static_cast<std::size_t>(rank / (call.ranks / hosts))].push_back(rank);
  }
  auto inside = ReadLink(call.inside, "--inside");
  if (!inside.ok()) return inside.status();
  auto between = ReadLink(call.between, "--between");
  if (!between.ok()) return between.status();
  wiring.inside = *inside;
  wiring.between = *between;
  return wiring;
}

std::string Title(const Invocation& call, std::uint64_t bytes, std::size_t hosts) {
  std::string title =
      absl::StrCat(call.operation, " of ", SizeText(static_cast<std::int64_t>(bytes)), " over ",
                   call.ranks, call.ranks == 1 ? " rank, " : " ranks, ");
  if (hosts == 1) return title + "one host (" + call.inside + ")";
  return absl::StrCat(title, hosts, " hosts of ", call.ranks / static_cast<int>(hosts), " (",
                      call.inside, " inside, ", call.between, " between)");
}

}  // namespace

int PlanCollective(const Invocation& call, const base::Config&) {
  const auto bytes = ReadBytes(call.bytes);
  if (!bytes.ok()) return Fail(bytes.status());
  const auto wiring = ReadWiring(call);
  if (!wiring.ok()) return Fail(wiring.status());
  eccl::OpKind kind{};
  if (!eccl::KindOf(call.operation, &kind)) {
    return Fail(absl::InvalidArgumentError(absl::StrCat("no collective ", call.operation)));
  }
  const auto outlooks = eccl::OutlookOf(kind, *bytes, *wiring, call.algorithm);
  if (!outlooks.ok()) return Fail(ToAbsl(outlooks.status()));
  std::string program_name = call.algorithm;
  base::Json rows = base::Json::array();
  for (const eccl::Outlook& one : *outlooks) {
    if (one.by_default && program_name.empty()) program_name = one.algorithm;
    base::Json row = {
        {"algorithm", one.algorithm},      {"simulated_us", one.timing.seconds * 1e6},
        {"messages", one.timing.messages}, {"leaving_bytes", one.timing.leaving_bytes},
        {"default", one.by_default},       {"worth_a_trial", one.worth_a_trial}};
    if (one.predicted >= 0) row["predicted_us"] = one.predicted * 1e6;
    rows.push_back(std::move(row));
  }
  std::string program;
  if (call.program_of >= 0) {
    auto text = eccl::ProgramText(kind, program_name, call.program_of, *wiring);
    if (!text.ok()) return Fail(ToAbsl(text.status()));
    program = *std::move(text);
  }
  if (call.json) {
    base::Json answer = {{"operation", call.operation},
                         {"bytes", *bytes},
                         {"ranks", call.ranks},
                         {"hosts", wiring->hosts.size()},
                         {"algorithms", std::move(rows)}};
    if (!program.empty()) answer["program"] = program;
    return PrintJson(answer);
  }
  std::printf("%s\n", Title(call, *bytes, wiring->hosts.size()).c_str());
  const bool several = wiring->hosts.size() > 1;
  std::printf("  %-14s%12s%12s%s%11s\n", "ALGORITHM", "PREDICTED", "SIMULATED",
              several ? "   LEAVES A HOST" : "", "MESSAGES");
  for (const eccl::Outlook& one : *outlooks) {
    const std::string leaves =
        several ? absl::StrFormat("%16s", SizeText(one.timing.leaving_bytes)) : "";
    std::printf("%c %-14s%12s%12s%s%11lld\n", one.by_default ? '*' : ' ', one.algorithm.c_str(),
                one.predicted < 0 ? "-" : DurationText(one.predicted).c_str(),
                DurationText(one.timing.seconds).c_str(), leaves.c_str(),
                static_cast<long long>(one.timing.messages));
  }
  if (!program.empty()) {
    std::printf("\n%s, rank %d\n%s", program_name.c_str(), call.program_of, program.c_str());
  }
  return 0;
}

}  // namespace regatta::cli
