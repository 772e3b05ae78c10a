#pragma once

#include "flow/pipeline.h"
#include "flow/text.h"

namespace regatta::flow {

// Our extension keys of a step: distributed_job, snapshot, python, timeout, grace.
void ReadExtensions(const MapReader& reader, ReadContext* context, Node* node);

}  // namespace regatta::flow
