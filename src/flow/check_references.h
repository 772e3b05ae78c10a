#pragma once

#include <string>
#include <vector>

#include "flow/pipeline.h"
#include "flow/text.h"

namespace regatta::flow {

// What only the whole pipeline shows: names that clash, deps that do not exist, cycles, templates
// that refer to what they may not, the rules of post_process. `given`: a request was applied, so
// that values of parameters are what they will be.
void CheckReferences(const Pipeline& pipeline, bool given, ReadContext* context);

// An outermost component that nobody refers to: what can be known without knowing who would.
void CheckComponent(const Node& component, const Pipeline& pipeline, ReadContext* context);

// Every parameter has a value by now.
void CheckAllGiven(const Pipeline& pipeline, ReadContext* context);

// Marks nodes by their full dotted names; unknown and repeated names are problems.
void DisableNodes(const std::vector<std::string>& names, const Place& place,
                  const std::string& path, ReadContext* context, Pipeline* pipeline);

void EnableAll(Pipeline* pipeline);

// "step.param", "dag.step.param", or "param" for every node that has it.
void SetParameters(const base::Json& parameters, const Place& place, ReadContext* context,
                   Pipeline* pipeline);

}  // namespace regatta::flow
