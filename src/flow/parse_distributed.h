#pragma once

#include "flow/map_reader.h"
#include "flow/pipeline.h"

namespace regatta::flow {

// Our extension keys of a step: distributed_job, snapshot, python, timeout, grace.
void ReadExtensions(const MapReader& reader, ReadContext* context, Node* node);

}  // namespace regatta::flow
