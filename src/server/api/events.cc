#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "server/api/api.h"
#include "server/api/input.h"

namespace regatta::server {
namespace {

constexpr int kBatch = 500;

// What one reader of the event stream has seen.
class EventFeed {
 public:
  EventFeed(flow::Engine* engine, std::string run_id, std::int64_t after)
      : engine_(engine), run_id_(std::move(run_id)), after_(after) {}

  net::Pull Pull(std::string* out) {
    const std::int64_t last = engine_->LastEventId();
    const auto events = engine_->EventsAfter(after_, run_id_, kBatch);
    if (!events.ok()) {
      // Older than what is kept: whoever reads must begin again from the lists.
      if (!absl::IsOutOfRange(events.status())) return net::Pull::kEnd;
      after_ = last;
      *out += net::FormatEvent(absl::StrCat(after_), "reset", "{}");
      return net::Pull::kMore;
    }
    for (const flow::ChangeEvent& event : *events) {
      *out += net::FormatEvent(absl::StrCat(event.id), event.type, event.data);
      after_ = event.id;
    }
    if (static_cast<int>(events->size()) == kBatch) return net::Pull::kMore;
    // Nothing of this run is left up to `last`: other runs' events must not make us look late.
    after_ = std::max(after_, last);
    return net::Pull::kIdle;
  }

 private:
  flow::Engine* engine_;
  std::string run_id_;
  std::int64_t after_;
};

}  // namespace

absl::StatusOr<Response> StreamEvents(Context& context, const Call& call) {
  QueryReader query(call);
  const std::string run_id = query.Id("run_id");
  std::optional<std::int64_t> after = query.Integer("after", 0, INT64_MAX);
  RETURN_IF_ERROR(query.Finish());
  // A browser that reconnects sends the header beside the address it began with.
  ASSIGN_OR_RETURN(const auto last, LastEventId(call));
  if (last) after = last;
  const std::int64_t from = after.value_or(context.engine->LastEventId());
  flow::Engine* engine = context.engine;
  const auto feed = std::make_shared<EventFeed>(engine, run_id, from);
  auto stream = std::make_shared<net::Stream>();
  stream->wakeup = net::NewWakeup();
  stream->pull = [feed](std::string* out) { return feed->Pull(out); };
  const std::int64_t token = engine->Listen([wakeup = stream->wakeup] { wakeup->Notify(); });
  stream->on_close = [engine, token] { engine->Unlisten(token); };
  return net::EventStreamResponse(std::move(stream));
}

}  // namespace regatta::server
