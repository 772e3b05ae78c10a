#include "job/yaml/problem.h"

#include "job/yaml/text.h"

namespace regatta::job {

std::string Problem::ToString() const {
  std::string text =
      Cat(place.file, ":", std::to_string(place.line), ":", std::to_string(place.column), ": ");
  if (!path.empty()) text += path + ": ";
  return text + message;
}

}  // namespace regatta::job
