#pragma once

namespace regatta::base {

// "0.1.0", from the one place that states it: project() in the top CMakeLists.txt.
const char* Version();

}  // namespace regatta::base
