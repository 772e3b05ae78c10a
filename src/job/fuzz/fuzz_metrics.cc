#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "job/fuzz/fuzz_support.h"
#include "job/metrics_tail.h"

namespace regatta::job {
namespace {

using Events = std::vector<base::Event>;

const std::string& File() {
  static ScratchFolder folder;
  static const std::string path = folder / "rank-0.jsonl";
  return path;
}

void ReadToEnd(MetricsTail& tail, Events* events) {
  while (tail.Read(events)) {
  }
}

Events ReadOnce(std::int64_t* malformed) {
  MetricsTail tail("job", 0, File());
  Events events;
  ReadToEnd(tail, &events);
  *malformed = tail.malformed();
  return events;
}

// What a metric says, without the time where it says none.
std::string Said(const base::Event& event) {
  return base::DumpJson({event.data["name"], event.data["value"], event.data["step"]});
}

void CheckEvent(const base::Event& event) {
  const base::Json& data = event.data;
  Require(data["name"].is_string(), "a metric has a name");
  Require(data["name"].get_ref<const std::string&>().find('\0') == std::string::npos,
          "a name can be stored as a text");
  Require(data["value"].is_number() || data["value"].is_null(), "a value is a number or nothing");
  const base::Json& step = data["step"];
  Require(step.is_null() || step.is_number_integer(), "a step is a whole number or nothing");
  Require(!step.is_number_unsigned() ||
              step.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max(),
          "a step fits 64 bits");
  Require(data["time"].get<base::Micros>() >= 0, "a time is one of this age");
  Require(base::ParseJson(base::DumpJson(data)).ok(), "an event can be sent on");
}

}  // namespace
}  // namespace regatta::job

// The first byte: where the file ends when it is read first. The second: where a run of blanks
// stands that makes its line too long; none for small values.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace regatta::job;
  if (size < 2) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t split = std::min<std::size_t>(data[0], text.size());
  if (data[1] >= 128) {
    text.insert(std::min<std::size_t>(data[1] - 128u, text.size()), 66'000, ' ');
  }

  PutFile(File(), text);
  std::int64_t malformed = 0;
  const Events events = ReadOnce(&malformed);
  for (const auto& event : events) CheckEvent(event);
  Require(static_cast<std::int64_t>(events.size()) + malformed <= std::ranges::count(text, '\n'),
          "a line is one metric or none");

  // A file that grows under its reader says the same.
  PutFile(File(), std::string_view(text).substr(0, split));
  MetricsTail tail("job", 0, File());
  Events growing;
  ReadToEnd(tail, &growing);
  PutFile(File(), std::string_view(text).substr(split), std::ios::app);
  ReadToEnd(tail, &growing);
  Require(tail.malformed() == malformed && std::ranges::equal(events, growing, {}, Said, Said),
          "a growing file is read as a whole one");

  // So does what is written from the events.
  std::string lines;
  for (const auto& event : events) {
    lines += regatta::base::DumpJson({{"name", event.data["name"]},
                                      {"value", event.data["value"]},
                                      {"step", event.data["step"]}}) +
             "\n";
  }
  PutFile(File(), lines);
  const Events again = ReadOnce(&malformed);
  Require(malformed == 0 && std::ranges::equal(events, again, {}, Said, Said),
          "a metric is read again as it was written");
  return 0;
}
