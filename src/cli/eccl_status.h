#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace regatta::cli {

// What the processes of this host said of their communicators (docs/formats/eccl-status.md), as a
// text: each communicator once, a line a rank (those on other hosts as their peers here have heard
// of them), and who holds the others up.
std::string RenderEcclStatus(const std::vector<base::Json>& answers);

}  // namespace regatta::cli
