#include "base/version.h"

namespace regatta::base {

const char* Version() { return REGATTA_VERSION; }

}  // namespace regatta::base
