#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/command_line.h"
#include "cli/connection.h"

namespace regatta::cli {

// What commands that list, show and delete things share.

inline constexpr ConnectOptions kOnlyLook = {.when_unowned = WhenUnowned::kLook};
// Where nobody owns the directory we do, for this one change; unfinished runs are not our business.
inline constexpr ConnectOptions kToChange = {.when_unowned = WhenUnowned::kOwn,
                                             .take_up = flow::TakeUp::kWhenAsked};

using Answer = absl::StatusOr<int> (*)(const Invocation&, Connection&);
using PagePrinter = int (*)(const Invocation&, const base::Json& page);

// Runs `command` with a connection. Where nothing was stored yet, `print_page` (may be null) gets
// an empty page instead.
int WithApi(const Invocation& call, const base::Config& settings, Answer command,
            const ConnectOptions& options, PagePrinter print_page = nullptr);

int PrintJson(const base::Json& json);
// "2026-01-31 12:00:00", or "-" where there is none.
std::string TimeText(const base::Json& json, const char* field);
// "12 B", "3.4 MiB".
std::string SizeText(std::int64_t bytes);
// Where the page does not hold all that match.
void SayHowManyMore(const base::Json& page);

// "NAME" or "NAME@VERSION".
struct PipelineName {
  std::string pipeline;
  std::int64_t version = 0;  // 0: the newest
};
absl::StatusOr<PipelineName> ReadPipelineName(const std::string& given);  // pipelines.cc

}  // namespace regatta::cli
