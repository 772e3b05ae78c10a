#include "flow/cache_lookup.h"

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"

namespace regatta::flow {
namespace {

std::vector<ShownPart> PartsFrom(const std::string& text) {
  std::vector<ShownPart> parts;
  const auto json = base::ParseJson(text);
  if (!json.ok()) return parts;
  for (const base::Json& item : *json) {
    parts.push_back({item.value("name", ""), item.value("value", "")});
  }
  return parts;
}

std::map<std::string, ArtifactList> OutputsFrom(const std::string& text) {
  std::map<std::string, ArtifactList> outputs;
  const auto json = base::ParseJson(text);
  if (!json.ok()) return outputs;
  for (const auto& [name, list] : json->items()) outputs[name] = ArtifactsFrom(list);
  return outputs;
}

std::string ShortTime(base::Micros time) { return base::FormatRfc3339(time).substr(0, 19) + "Z"; }

// Why an entry's outputs cannot be used any more; empty when they can.
std::string OutputsProblem(const std::map<std::string, ArtifactList>& outputs) {
  for (const auto& [name, artifacts] : outputs) {
    for (const Artifact& artifact : artifacts) {
      const auto now = DigestPath(artifact.path, "");
      if (!now.ok()) {
        return absl::StrCat("cached output ", name, " cannot be read: ", now.status().message());
      }
      if (now->kind == "missing") {
        return absl::StrCat("cached outputs are gone: ", artifact.path, " was deleted");
      }
      if (now->digest != artifact.digest) {
        return absl::StrCat("cached output ", name,
                            " was changed after its step wrote it: ", artifact.path);
      }
    }
  }
  return "";
}

// The last column tells how the step's latest start ended and its key, as LatestSuccess writes it.
#define SELECT_ENTRIES                                                                         \
  "SELECT run_id, step_id, run_name, step_name, finished_at, job_folder, outputs, cache_key, " \
  "(SELECT state || ' ' || cache_key FROM flow_step_latest "                                   \
  "WHERE project = ? AND pipeline = ? AND step_name = ?) FROM flow_cache WHERE project = ? "

// The order of index flow_cache_key.
constexpr char kSelectSuccesses[] =
    SELECT_ENTRIES "AND cache_key = ? ORDER BY finished_at DESC, step_id DESC LIMIT 5";
// Two keys are to be sorted. The sum keeps SQLite from walking the index by time through every
// entry of the project instead.
constexpr char kSelectAnyEnd[] =
    SELECT_ENTRIES "AND cache_key IN (?, ?) ORDER BY finished_at + 0 DESC, step_id DESC LIMIT 5";

std::string LatestSuccess(const std::string& key) { return absl::StrCat("succeeded ", key); }

// Puts the parts of the key beside those of the step's latest start, and says what differs.
absl::Status ExplainMiss(store::Store& store, const CacheQuestion& question, std::string refused,
                         CacheReport& report) {
  report.outcome = "miss";
  ASSIGN_OR_RETURN(const std::vector<store::Row> latest,
                   store.Read("SELECT run_name, state, cache_key, parts FROM flow_step_latest "
                              "WHERE project = ? AND pipeline = ? AND step_name = ?",
                              {question.project, question.pipeline, question.step_name}));
  std::vector<ShownPart> before;
  if (!latest.empty()) before = PartsFrom(latest[0].Text(3));
  std::map<std::string, std::string> old;
  for (const ShownPart& part : before) old[part.name] = part.value;
  for (const ShownPart& part : question.parts) {
    CachePart shown{part.name, part.value, std::nullopt, false};
    if (const auto it = old.find(part.name); it != old.end()) shown.previous = it->second;
    shown.changed = !latest.empty() && shown.previous != part.value;
    report.parts.push_back(std::move(shown));
    old.erase(part.name);
  }
  // What the earlier key had and this one has not.
  for (const auto& [name, value] : old) report.parts.push_back({name, "", value, true});

  if (!refused.empty()) {
    report.reason = std::move(refused);
    return absl::OkStatus();
  }
  if (latest.empty()) {
    report.reason = "never ran before";
    return absl::OkStatus();
  }
  report.reason = ExplainDifference(before, question.parts, question.notes);
  if (!report.reason.empty()) return absl::OkStatus();
  const std::string state = latest[0].Text(1);
  if (latest[0].Text(2) != question.key) {
    report.reason = "the cache key has another version";
  } else if (state == "succeeded") {
    report.reason =
        absl::StrCat("the result of its last run, in run ", latest[0].Text(0), ", was deleted");
  } else {
    report.reason = absl::StrCat("its last run, in run ", latest[0].Text(0), ", ended ",
                                 state == "running" ? "without a result" : state);
  }
  return absl::OkStatus();
}

}  // namespace

std::string FailureKey(const std::string& key) { return absl::StrCat(key, ":failed"); }

absl::StatusOr<std::optional<CacheAnswer>> LookUpCache(store::Store& store,
                                                       const CacheQuestion& question,
                                                       std::int64_t budget) {
  CacheAnswer answer;
  CacheReport& report = answer.report;
  report.key = question.key;

  std::vector<store::Value> values = {question.project, question.pipeline, question.step_name,
                                      question.project, question.key};
  if (question.failures) values.emplace_back(FailureKey(question.key));
  ASSIGN_OR_RETURN(const std::vector<store::Row> entries,
                   store.Read(question.failures ? kSelectAnyEnd : kSelectSuccesses, values));
  std::string refused;
  for (const store::Row& entry : entries) {
    const base::Micros finished = entry.Int(4);
    if (question.max_expired_seconds >= 0 &&
        base::NowMicros() - finished > question.max_expired_seconds * 1'000'000) {
      if (refused.empty()) {
        refused = absl::StrCat("cache entry expired: the result of run ", entry.Text(2), " of ",
                               ShortTime(finished), " is older than ", question.max_expired_seconds,
                               " s");
      }
      break;  // the others are older still
    }
    auto outputs = OutputsFrom(entry.Text(6));
    std::int64_t bytes = 0;
    for (const auto& [name, artifacts] : outputs) {
      for (const Artifact& artifact : artifacts) bytes += artifact.bytes + 4096;
    }
    if (bytes > budget) return std::optional<CacheAnswer>();
    if (std::string problem = OutputsProblem(outputs); !problem.empty()) {
      if (refused.empty()) refused = std::move(problem);
      continue;
    }
    const bool failed = entry.Text(7) != question.key;
    report.outcome = "hit";
    report.from_run_id = entry.Text(0);
    report.from_step_id = entry.Text(1);
    report.reason = absl::StrCat(
        "unchanged since run ", entry.Text(2), " of ", ShortTime(finished),
        failed ? ", and failed there: its step " : ": taken from its step ", entry.Text(3));
    // The same key is the same parts.
    for (const ShownPart& part : question.parts) {
      report.parts.push_back({part.name, part.value, part.value, false});
    }
    answer.latest_is_this = !failed && entry.Text(8) == LatestSuccess(question.key);
    answer.hit =
        CacheHit{failed, entry.Text(0), entry.Text(1), entry.Text(5), finished, std::move(outputs)};
    return std::optional(std::move(answer));
  }
  RETURN_IF_ERROR(ExplainMiss(store, question, std::move(refused), report));
  return std::optional(std::move(answer));
}

}  // namespace regatta::flow
