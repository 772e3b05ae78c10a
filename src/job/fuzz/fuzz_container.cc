#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "job/container/bundle.h"
#include "job/fuzz/fuzz_support.h"

namespace regatta::job {
namespace {

base::Json Config(const ContainerPlan& plan) {
  return OciConfig(plan, {.argv = {"true"}, .env = {{"PATH", "/bin"}}, .root = "/root"});
}

}  // namespace
}  // namespace regatta::job

// A plan that is read can be written, is read again as the same, and gives a configuration.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace regatta::job;
  static ScratchFolder folder;
  static const std::string read = PlanPath(folder.path(), "worker");
  static const std::string written = PlanPath(folder.path(), "again");
  std::filesystem::create_directories(folder / "container");
  PutFile(read, {reinterpret_cast<const char*>(data), size});
  const auto plan = ReadPlan(read);
  if (!plan.ok()) {
    Require(IsOneLine(plan.status().message()), "a message is one line");
    return 0;
  }
  Require(WritePlan(written, *plan).ok(), "a plan can be written");
  const auto again = ReadPlan(written);
  Require(again.ok() && again->image == plan->image &&
              again->working_directory == plan->working_directory &&
              again->entry_point == plan->entry_point && again->arguments == plan->arguments &&
              again->files.layers == plan->files.layers && again->files.env == plan->files.env &&
              again->folders.size() == plan->folders.size(),
          "a plan is read again as it was written");
  const regatta::base::Json config = Config(*plan);
  Require(config == Config(*again), "both give one configuration");
  const auto parsed = regatta::base::ParseJson(regatta::base::DumpJson(config));
  Require(parsed.ok() && *parsed == config, "a configuration can be written");
  return 0;
}
