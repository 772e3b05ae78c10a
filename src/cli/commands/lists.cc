#include "cli/commands/lists.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/commands/commands.h"
#include "cli/settings.h"

namespace regatta::cli {

int WithApi(const Invocation& call, const base::Config& settings, Answer command,
            const ConnectOptions& options, PagePrinter print_page) {
  LogLess(settings);
  auto connection = Connect(settings, options);
  if (print_page != nullptr && absl::IsNotFound(connection.status())) {
    return print_page(call, {{"items", base::Json::array()}, {"total", 0}});
  }
  if (!connection.ok()) return Fail(connection.status());
  const absl::StatusOr<int> code = command(call, *connection);
  return code.ok() ? *code : Fail(code.status());
}

int PrintJson(const base::Json& json) {
  std::printf("%s\n", base::DumpJson(json).c_str());
  return 0;
}

std::string TimeText(const base::Json& json, const char* field) {
  const base::Micros time = json.value(field, base::Micros{0});
  if (time == 0) return "-";
  const std::string text = base::FormatRfc3339(time);
  return absl::StrCat(text.substr(0, 10), " ", text.substr(11, 8));
}

std::string SizeText(std::int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double size = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (size < 1024) break;
    size /= 1024;
    unit = next;
  }
  return absl::StrFormat("%.1f %s", size, unit);
}

void SayHowManyMore(const base::Json& page) {
  const auto total = page.value("total", std::int64_t{0});
  const auto shown = static_cast<std::int64_t>(page["items"].size());
  if (total > shown) {
    std::printf("%lld of %lld; --limit shows more\n", static_cast<long long>(shown),
                static_cast<long long>(total));
  }
}

}  // namespace regatta::cli
