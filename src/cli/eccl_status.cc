#include "cli/eccl_status.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"

namespace regatta::cli {
namespace {

using base::Json;

// A rank says something four times a second; one that waits for less is just working.
constexpr std::int64_t kSilentMicros = 1'100'000;
constexpr std::int64_t kLongMicros = 1'000'000;

struct Rank {
  std::string name;
  std::string call, site;
  std::int64_t sequence = 0;
  std::int64_t heard_us_ago = 0;
  bool inside = false, left = false, gone = false;
  // Of ranks on this host, which said it themselves.
  bool here = false;
  std::int64_t since_us = 0;  // inside its call
  std::vector<std::string> waits_for;
  std::int64_t sent = 0, received = 0;
};

struct Communicator {
  std::string transport, why;
  std::vector<Rank> ranks;
};

std::string Bytes(std::int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

void Hear(const Json& said, Rank* rank) {
  const std::int64_t age = said.value("heard_us_ago", std::int64_t{0});
  // Several ranks here may have heard of one elsewhere: the freshest account counts.
  if (!rank->name.empty() && age >= rank->heard_us_ago) return;
  rank->name = said.value("name", "");
  rank->call = said.value("call", "");
  rank->site = said.value("site", "");
  rank->sequence = said.value("sequence", std::int64_t{0});
  rank->inside = said.value("inside", false);
  rank->left = said.value("left", false);
  rank->gone = said.value("gone", false);
  rank->heard_us_ago = age;
}

void Add(const Json& said, Communicator* communicator) {
  communicator->ranks.resize(said.at("size").get<std::size_t>());
  communicator->transport = said.value("transport", "");
  if (said.value("state", "") == "failed") communicator->why = said.value("why", "");
  for (const Json& one : said.at("ranks")) {
    Hear(one, &communicator->ranks.at(one.at("rank").get<std::size_t>()));
  }
  Rank& own = communicator->ranks.at(said.at("rank").get<std::size_t>());
  own.here = true;
  for (const Json& wait : said.at("waiting_for")) {
    own.waits_for.push_back(absl::StrCat(wait.at("for").get<std::string>(), " of rank ",
                                         wait.at("rank").get<std::int64_t>()));
  }
  for (const Json& link : said.at("links")) {
    own.sent += link.at("sent_bytes").get<std::int64_t>();
    own.received += link.at("received_bytes").get<std::int64_t>();
  }
  const Json& calls = said.at("calls");
  if (!calls.empty() && !calls[0].value("over", true)) {
    own.since_us = calls[0].at("took_us").get<std::int64_t>();
    own.call = calls[0].at("call").get<std::string>();
    own.site = calls[0].value("site", "");
    own.inside = true;
  }
}

std::string DoingOf(const Rank& rank) {
  if (rank.left) return "has left";
  if (rank.gone) return "is gone: its process has ended";
  if (rank.heard_us_ago > kSilentMicros) {
    return absl::StrCat("silent for ", base::FormatDuration(rank.heard_us_ago),
                        ": stopped, or its host does not answer");
  }
  const std::string at = rank.site.empty() ? "" : absl::StrCat(" at ", rank.site);
  if (!rank.inside) {
    return rank.sequence == 0 ? "has made no call yet"
                              : absl::StrCat("computes since ", rank.call, at);
  }
  std::string text = absl::StrCat("in ", rank.call, at);
  if (rank.here) absl::StrAppend(&text, " for ", base::FormatDuration(rank.since_us));
  if (!rank.waits_for.empty()) {
    absl::StrAppend(&text, ", waits for ", absl::StrJoin(rank.waits_for, ", "));
  }
  return text;
}

// Those that the others wait for, when one has waited for long.
std::string HeldUpBy(const Communicator& communicator) {
  const auto waits = [](const Rank& rank) { return rank.inside && rank.since_us > kLongMicros; };
  if (std::none_of(communicator.ranks.begin(), communicator.ranks.end(), waits)) return "";
  std::int64_t furthest = 0;
  for (const Rank& rank : communicator.ranks) furthest = std::max(furthest, rank.sequence);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < communicator.ranks.size(); ++i) {
    const Rank& rank = communicator.ranks[i];
    const bool silent = !rank.left && rank.heard_us_ago > kSilentMicros;
    if (silent || rank.gone || rank.sequence < furthest) names.push_back(absl::StrCat("rank ", i));
  }
  return absl::StrJoin(names, ", ");
}

void Render(const std::string& name, const Communicator& communicator, std::string* out) {
  absl::StrAppend(out, "communicator ", name, "  ", communicator.ranks.size(),
                  communicator.ranks.size() == 1 ? " rank" : " ranks", ", ", communicator.transport,
                  communicator.why.empty() ? "" : ", failed", "\n");
  if (!communicator.why.empty()) absl::StrAppend(out, "  ", communicator.why, "\n");
  for (const Rank& rank : communicator.ranks) {
    absl::StrAppend(out, "  ", rank.name, "\n    ", DoingOf(rank), "\n");
    if (rank.here && communicator.ranks.size() > 1) {
      absl::StrAppend(out, "    sent ", Bytes(rank.sent), ", received ", Bytes(rank.received),
                      "\n");
    }
  }
  const std::string culprits = HeldUpBy(communicator);
  if (!culprits.empty()) absl::StrAppend(out, "  Held up by ", culprits, ".\n");
}

}  // namespace

std::string RenderEcclStatus(const std::vector<Json>& answers) {
  std::map<std::string, Communicator> communicators;
  for (const Json& answer : answers) {
    for (const Json& said : answer.at("communicators")) {
      Add(said, &communicators[said.at("communicator").get<std::string>()]);
    }
  }
  if (communicators.empty()) return "No process on this host has an ECCL communicator.\n";
  std::string out;
  for (const auto& [name, communicator] : communicators) {
    if (!out.empty()) out += "\n";
    Render(name, communicator, &out);
  }
  return out;
}

}  // namespace regatta::cli
