#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flow/pipeline.h"
#include "flow/text.h"

namespace regatta::flow {

// The nodes that are written as a reference to a component, and where.
struct ComponentReference {
  std::string component;
  Place place;
};
using ComponentReferences = std::map<const Node*, ComponentReference>;

// Replaces every node that refers to a component by a copy of it, with the node's own name, deps,
// inputs and parameters. Only outermost components can be referred to; components may refer to
// components, a circle is a problem. At most 100,000 nodes come out of components. Returns the
// outermost components that nobody refers to: their copies will not be checked anywhere.
std::vector<const Node*> ResolveComponents(const std::vector<std::unique_ptr<Node>>& components,
                                           const ComponentReferences& references,
                                           ReadContext* context, Pipeline* pipeline);

}  // namespace regatta::flow
