#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "server/api/api.h"
#include "server/api/input.h"
#include "server/ticker.h"

namespace regatta::server {
namespace {

constexpr std::int64_t kMostBytes = 1 << 20;
constexpr std::int64_t kFarthest = std::int64_t{1} << 60;
constexpr std::int64_t kPiece = 64 << 10;

struct Place {
  std::string run_id;
  std::string step_id;
  int rank = 0;
};

base::Json ToJson(const job::LogRange& range) {
  return {{"offset", range.offset},
          {"next_offset", range.next_offset},
          {"total", range.total},
          {"text", range.bytes}};
}

// How many bytes at the end of `bytes` are the beginning of a UTF-8 character that goes on.
std::size_t UnfinishedTail(std::string_view bytes) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// Leaves a character that the range cuts in two for the next range.
void EndAtCharacter(job::LogRange& range) {
  if (range.next_offset >= range.total) return;
  const std::size_t tail = UnfinishedTail(range.bytes);
  if (tail == 0 || tail == range.bytes.size()) return;
  range.bytes.erase(range.bytes.size() - tail);
  range.next_offset -= static_cast<std::int64_t>(tail);
}

// What one reader of a growing log has seen.
class LogFeed {
 public:
  using Read = std::function<absl::StatusOr<job::LogRange>(std::int64_t offset)>;

  // `ended`: whether nobody writes it any more.
  LogFeed(std::function<bool()> ended, Read read, std::int64_t offset)
      : ended_(std::move(ended)), read_(std::move(read)), offset_(offset) {}

  net::Pull Pull(std::string* out) {
    // Whether the writer has ended must be known before the log is read: afterwards, bytes written
    // in between would be lost.
    const bool final = ended_();
    auto range = read_(offset_);
    if (range.ok() && !range->bytes.empty()) {
      EndAtCharacter(*range);
      offset_ = range->next_offset;
      *out += net::FormatEvent(absl::StrCat(offset_), "log", base::DumpJson(ToJson(*range)));
      return net::Pull::kMore;
    }
    if (!final) return net::Pull::kIdle;
    *out += net::FormatEvent(absl::StrCat(offset_), "end", "{}");
    return net::Pull::kEnd;
  }

 private:
  std::function<bool()> ended_;
  Read read_;
  std::int64_t offset_;
};

Response StreamOf(Context& context, std::shared_ptr<LogFeed> feed) {
  auto stream = std::make_shared<net::Stream>();
  stream->wakeup = net::NewWakeup();
  stream->pull = [feed = std::move(feed)](std::string* out) { return feed->Pull(out); };
  Ticker* ticker = context.ticker;
  const std::int64_t token = ticker->Add(stream->wakeup);
  stream->on_close = [ticker, token] { ticker->Remove(token); };
  return net::EventStreamResponse(std::move(stream));
}

absl::StatusOr<Place> ReadPlace(const Call& call, QueryReader& query) {
  Place place;
  ASSIGN_OR_RETURN(place.run_id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(place.step_id, IdFromPath(call, "step_id"));
  place.rank = static_cast<int>(query.Integer("rank", 0, 65535).value_or(0));
  return place;
}

}  // namespace

absl::StatusOr<Response> GetLog(Context& context, const Call& call) {
  QueryReader query(call);
  ASSIGN_OR_RETURN(const Place place, ReadPlace(call, query));
  const std::int64_t offset = query.Integer("offset", -kFarthest, kFarthest).value_or(0);
  const std::int64_t limit = query.Integer("limit", 1, kMostBytes).value_or(64 << 10);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(job::LogRange range,
                   context.engine->GetLog(place.run_id, place.step_id, place.rank, offset, limit));
  EndAtCharacter(range);
  return JsonAnswer(ToJson(range));
}

absl::StatusOr<Response> StreamLog(Context& context, const Call& call) {
  QueryReader query(call);
  ASSIGN_OR_RETURN(Place place, ReadPlace(call, query));
  std::int64_t offset = query.Integer("offset", 0, kFarthest).value_or(0);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const auto last, LastEventId(call));
  if (last) offset = *last;
  // Refuses a step that does not exist before the stream begins.
  RETURN_IF_ERROR(context.engine->GetStep(place.run_id, place.step_id).status());
  flow::Engine* const engine = context.engine;
  return StreamOf(context, std::make_shared<LogFeed>(
                               [engine, place] {
                                 const auto step = engine->GetStep(place.run_id, place.step_id);
                                 return !step.ok() || flow::IsFinal(step->state);
                               },
                               [engine, place](std::int64_t at) {
                                 return engine->GetLog(place.run_id, place.step_id, place.rank, at,
                                                       kPiece);
                               },
                               offset));
}

absl::StatusOr<Response> GetJobLog(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "job_id"));
  QueryReader query(call);
  const auto rank = static_cast<int>(query.Integer("rank", 0, 65535).value_or(0));
  const auto restarts = static_cast<int>(query.Integer("restart", 0, 1'000'000).value_or(-1));
  const std::int64_t offset = query.Integer("offset", -kFarthest, kFarthest).value_or(0);
  const std::int64_t limit = query.Integer("limit", 1, kMostBytes).value_or(64 << 10);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(job::LogRange range, context.jobs->GetLog(id, rank, restarts, offset, limit));
  EndAtCharacter(range);
  return JsonAnswer(ToJson(range));
}

absl::StatusOr<Response> StreamJobLog(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "job_id"));
  QueryReader query(call);
  const auto rank = static_cast<int>(query.Integer("rank", 0, 65535).value_or(0));
  const auto asked = query.Integer("restart", 0, 1'000'000);
  std::int64_t offset = query.Integer("offset", 0, kFarthest).value_or(0);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const auto last, LastEventId(call));
  if (last) offset = *last;
  ASSIGN_OR_RETURN(const base::Json now, context.jobs->Get(id));
  const base::Json& replicas = now["replicas"];
  const auto at = static_cast<std::size_t>(rank);
  // One stream is one start of the replica: offsets count from its beginning.
  const int restarts = static_cast<int>(
      asked.value_or(at < replicas.size() ? replicas[at].value("restarts", 0) : 0));
  job::TrainingJobs* const jobs = context.jobs;
  return StreamOf(context, std::make_shared<LogFeed>(
                               [jobs, id, at, restarts] {
                                 const auto job = jobs->Get(id);
                                 if (!job.ok() || (*job).contains("finished_at")) return true;
                                 const base::Json& all = (*job)["replicas"];
                                 if (at >= all.size())
                                   return (*job).value("state", "") == "suspended";
                                 const std::string state = all[at].value("state", "");
                                 return all[at].value("restarts", 0) > restarts ||
                                        (state != "pending" && state != "running");
                               },
                               [jobs, id, rank, restarts](std::int64_t from) {
                                 return jobs->GetLog(id, rank, restarts, from, kPiece);
                               },
                               offset));
}

}  // namespace regatta::server
