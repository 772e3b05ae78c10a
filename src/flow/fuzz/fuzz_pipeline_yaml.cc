#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "flow/parse.h"

// Any bytes are a pipeline or problems with a place; a pipeline takes an empty request.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool compat : {false, true}) {
    const regatta::flow::ParseOptions options{.paddleflow_compat = compat};
    std::vector<regatta::flow::Problem> problems;
    auto pipeline = regatta::flow::ParsePipeline(text, options, &problems);
    if (pipeline.ok() != problems.empty()) std::abort();
    for (const auto& problem : problems) {
      if (problem.place.line < 1 || problem.place.column < 1) std::abort();
      // A message is one line, whatever the file's keys are.
      for (const unsigned char c : problem.ToString()) {
        if (c < 0x20 || c == 0x7F) std::abort();
      }
    }
    if (!pipeline.ok()) continue;
    const absl::Status applied = regatta::flow::ApplyRequest(regatta::base::Json::object(), {},
                                                             options, &*pipeline, &problems);
    if (applied.ok() != problems.empty()) std::abort();
  }
  return 0;
}
