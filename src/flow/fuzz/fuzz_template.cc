#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "flow/template.h"

namespace {

// What is found lies in the text, in order, in braces; putting every reference back as it was
// written gives the text again.
void Check(std::string_view text, regatta::flow::TemplateStyle style) {
  const auto found = regatta::flow::FindTemplates(text, style);
  if (!found.ok()) return;
  std::size_t end = 0;
  for (const auto& reference : *found) {
    if (reference.begin < end || reference.end > text.size() || reference.name.empty()) {
      std::abort();
    }
    if (!text.substr(reference.begin).starts_with("{{")) std::abort();
    end = reference.end;
  }
  const auto same = regatta::flow::ExpandText(
      text,
      [&](const regatta::flow::TemplateReference& reference)
          -> absl::StatusOr<regatta::base::Json> {
        return regatta::base::Json(
            std::string(text.substr(reference.begin, reference.end - reference.begin)));
      },
      style);
  if (!same.ok() || *same != text) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Check(text, regatta::flow::TemplateStyle::kOurs);
  Check(text, regatta::flow::TemplateStyle::kPaddleFlow);
  return 0;
}
