#pragma once

#include "job/yaml/map_reader.h"
#include "job/yaml/text.h"
#include "job/yaml/yaml_reader.h"

// What the room reads YAML with is the room below's: a training job is read with it, too.
namespace regatta::flow {

using job::Cat;
using job::JoinDots;
using job::MapReader;
using job::Quoted;
using job::ReadContext;
using job::ReadYaml;
using job::Trim;
using job::YamlLimits;
using job::YamlNode;

}  // namespace regatta::flow
