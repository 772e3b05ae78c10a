#pragma once

#include <string_view>
#include <vector>

#include "flow/pipeline.h"
#include "flow/text.h"

namespace regatta::flow {

// `fs_options` of a pipeline: main_fs and the extra_fs of every step.
void ReadFileSystems(const MapReader& reader, ReadContext* context, Pipeline* pipeline);
// A list of file systems under `extra_fs`.
std::vector<FileSystem> ReadExtraFs(const MapReader& reader, ReadContext* context);

// Whether a path from a pipeline has ".." in it or begins with "/".
bool LeavesFolder(std::string_view path);

}  // namespace regatta::flow
