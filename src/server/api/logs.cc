#include <algorithm>

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
  LogFeed(flow::Engine* engine, Place place, std::int64_t offset)
      : engine_(engine), place_(std::move(place)), offset_(offset) {}

  net::Pull Pull(std::string* out) {
    // Whether the step is final must be known before the log is read: afterwards, bytes written in
    // between would be lost.
    const auto step = engine_->GetStep(place_.run_id, place_.step_id);
    const bool final = !step.ok() || flow::IsFinal(step->state);
    auto range = engine_->GetLog(place_.run_id, place_.step_id, place_.rank, offset_, kPiece);
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
  flow::Engine* engine_;
  Place place_;
  std::int64_t offset_;
};

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
  const auto feed = std::make_shared<LogFeed>(context.engine, std::move(place), offset);
  auto stream = std::make_shared<net::Stream>();
  stream->wakeup = net::NewWakeup();
  stream->pull = [feed](std::string* out) { return feed->Pull(out); };
  Ticker* ticker = context.ticker;
  const std::int64_t token = ticker->Add(stream->wakeup);
  stream->on_close = [ticker, token] { ticker->Remove(token); };
  return net::EventStreamResponse(std::move(stream));
}

}  // namespace regatta::server
