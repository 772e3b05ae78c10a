// What a communicator says about itself: to `regatta eccl status`, and in its flight record.

#include <fcntl.h>

#include <cerrno>
#include <cmath>
#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "eccl/communicator.h"

namespace regatta::eccl {
namespace {

template <typename Duration>
std::int64_t Microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

void WriteCall(const CallLog::Entry& call, base::JsonWriter* json) {
  json->BeginObject();
  json->Text("call", call.call.ToString());
  json->Integer("sequence", static_cast<std::int64_t>(call.call.sequence));
  if (call.peer >= 0) json->Integer("peer", call.peer);
  if (!call.site.empty()) json->Text("site", call.site);
  json->Bool("over", call.algorithm != nullptr);
  if (call.algorithm != nullptr) json->Text("algorithm", call.algorithm);
  json->Integer("began_us_ago", Microseconds(call.age));
  json->Integer("took_us", Microseconds(call.took));
  json->EndObject();
}

void WriteRank(const Health& health, int rank, const DeviceInfo& device, base::JsonWriter* json) {
  const Health::Progress progress = health.ProgressOf(rank);
  json->BeginObject();
  json->Integer("rank", rank);
  json->Text("name", health.NameOf(rank));
  if (!device.name.empty()) json->Text("device", device.name);
  json->Integer("sequence", static_cast<std::int64_t>(progress.call.sequence));
  if (progress.call.sequence > 0) json->Text("call", progress.call.ToString());
  if (!progress.site.empty()) json->Text("site", progress.site);
  json->Bool("inside", progress.inside);
  json->Bool("left", health.HasLeft(rank));
  json->Bool("gone", health.IsGone(rank));
  json->Integer("heard_us_ago", Microseconds(Clock::now() - progress.heard));
  json->EndObject();
}

void WriteRail(const RailInfo& rail, base::JsonWriter* json) {
  json->BeginObject();
  json->Text("name", rail.name);
  json->Text("interface", rail.interface);
  json->Text("state", rail.state);
  if (!rail.why.empty()) json->Text("why", rail.why);
  json->Integer("sent_bytes", static_cast<std::int64_t>(rail.sent));
  json->Integer("received_bytes", static_cast<std::int64_t>(rail.received));
  json->Integer("bytes_per_second", std::llround(rail.bytes_per_second));
  json->EndObject();
}

void WriteDecision(const Tuner::Decision& decision, base::JsonWriter* json) {
  json->BeginObject();
  json->Text("operation", NameOf(decision.kind));
  json->Integer("least_bytes", static_cast<std::int64_t>(decision.least_bytes));
  json->Text("algorithm", decision.algorithm);
  json->Key("measured_ns");
  json->BeginObject();
  for (const auto& [algorithm, seconds] : decision.measured) {
    json->Integer(algorithm, std::llround(seconds * 1e9));
  }
  json->EndObject();
  json->EndObject();
}

}  // namespace

std::string Communicator::Describe(std::size_t calls) const {
  base::JsonWriter json;
  const base::Status status = state();
  json.BeginObject();
  json.Text("communicator", name_);
  json.Integer("rank", rank_);
  json.Integer("size", size_);
  json.Text("transport", links_->transport_name());
  if (device_ != nullptr) json.Text("device", device_->name());
  json.Text("state", status.ok() ? "ok" : "failed");
  if (!status.ok()) json.Text("why", status.message());
  json.Key("waiting_for");
  json.BeginArray();
  for (const Links::Interest& interest : links_->Waiting()) {
    json.BeginObject();
    json.Integer("rank", interest.peer);
    json.Text("for", interest.sending ? "room" : "data");
    json.EndObject();
  }
  json.EndArray();
  json.Key("ranks");
  json.BeginArray();
  for (int rank = 0; rank < size_; ++rank) {
    WriteRank(*health_, rank, devices_[static_cast<std::size_t>(rank)], &json);
  }
  json.EndArray();
  json.Key("links");
  json.BeginArray();
  for (int rank = 0; rank < size_; ++rank) {
    const Channel* channel = links_->channel(rank);
    if (channel == nullptr) continue;
    const Channel::Traffic traffic = channel->traffic();
    json.BeginObject();
    json.Integer("rank", rank);
    json.Text("transport", channel->name());
    json.Integer("sent_bytes", static_cast<std::int64_t>(traffic.sent));
    json.Integer("received_bytes", static_cast<std::int64_t>(traffic.received));
    json.Key("rails");
    json.BeginArray();
    for (const RailInfo& rail : channel->rails()) WriteRail(rail, &json);
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  json.Key("tuned");
  json.BeginArray();
  for (const Tuner::Decision& decision : selector_->tuner().Decisions()) {
    WriteDecision(decision, &json);
  }
  json.EndArray();
  json.Key("calls");
  json.BeginArray();
  for (const CallLog::Entry& call : health_->Calls(calls)) WriteCall(call, &json);
  json.EndArray();
  json.EndObject();
  return json.Take();
}

void Communicator::RecordFailure() {
  // What this process ended itself needs no explanation.
  if (options_.flight_record_folder.empty() || state().code() == base::Code::kCancelled) return;
  std::call_once(recorded_, [this] { WriteFlightRecord(); });
}

void Communicator::WriteFlightRecord() const {
  const std::filesystem::path folder(options_.flight_record_folder);
  std::error_code why_not;  // opening the file will say it better
  std::filesystem::create_directories(folder, why_not);
  const std::string path =
      (folder / ("eccl-" + name_ + "-rank" + std::to_string(rank_) + ".json")).string();
  const std::string text = "{\"version\":1,\"time\":\"" + base::FormatRfc3339(base::NowMicros()) +
                           "\",\"record\":" + Describe(CallLog::kCalls) + "}\n";
  // Not durably: others wait for this rank's account of what happened.
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  const base::Status written = fd.valid() ? base::WriteAll(fd.get(), text, path)
                                          : base::ErrnoStatus(errno, "cannot write " + path);
  if (written.ok()) {
    base::Log(base::LogLevel::kInfo, "eccl", "wrote the flight record", {{"file", path}});
  } else {
    base::Log(base::LogLevel::kWarning, "eccl", "could not write the flight record",
              {{"why", written.message()}});
  }
}

}  // namespace regatta::eccl
