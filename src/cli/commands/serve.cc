#include <charconv>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "cli/commands/commands.h"
#include "cli/interrupts.h"
#include "cli/owner_process.h"

namespace regatta::cli {
namespace {

// "127.0.0.1:8470", "[::1]:8470"
absl::Status SplitAddress(const std::string& listen, OwnerProcessOptions* options) {
  const std::size_t colon = listen.rfind(':');
  std::string host = colon == std::string::npos ? "" : listen.substr(0, colon);
  const char* const begin = listen.data() + colon + 1;
  const char* const end = listen.data() + listen.size();
  int port = -1;
  const auto [stop, error] =
      colon == std::string::npos ? std::from_chars_result{} : std::from_chars(begin, end, port);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host == "localhost") host = "127.0.0.1";
  if (host.empty() || port < 0 || port > 65535 || stop != end || error != std::errc()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the address \"", listen, "\" must be HOST:PORT, for example 127.0.0.1:8470"));
  }
  options->address = host;
  options->port = port;
  return absl::OkStatus();
}

}  // namespace

int Serve(const Invocation& call, const base::Config& settings) {
  OwnerProcessOptions options{.home = HomeOf(settings)};
  if (const absl::Status split = SplitAddress(settings.Text("listen"), &options); !split.ok()) {
    return Fail(split);
  }
  if (call.port) options.port = *call.port;
  const Interrupts interrupts;
  auto owner = OwnerProcess::Start(options, settings);
  if (!owner.ok()) return Fail(owner.status());
  std::printf(
      "Regatta serves %s at %s\nConsole: %s\n  (valid once, for ten minutes; `regatta "
      "console` makes another)\nCtrl-C stops it; running steps go on.\n",
      options.home.c_str(), (*owner)->url().c_str(), (*owner)->MakeLoginAddress().c_str());
  std::fflush(stdout);
  Interrupts::Wait();
  owner->reset();
  return 0;
}

}  // namespace regatta::cli
