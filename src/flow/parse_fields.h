#pragma once

#include "flow/pipeline.h"
#include "flow/text.h"

namespace regatta::flow {

// The fields that several kinds of node share. Each reads the key of its name from `reader`, adds
// what is wrong to `context`, and leaves the model usable so that reading can go on.

void ReadParameters(const MapReader& reader, ReadContext* context, Node* node);
void ReadArtifacts(const MapReader& reader, ReadContext* context, Node* node);
std::map<std::string, std::string> ReadEnv(const MapReader& reader, ReadContext* context);
CacheOptions ReadCache(const MapReader& reader, ReadContext* context);
Command ReadCommand(const MapReader& reader, ReadContext* context);
void ReadDeps(const MapReader& reader, ReadContext* context, Node* node);
void ReadLoopArgument(const MapReader& reader, ReadContext* context, Node* node);
std::string ReadDockerEnv(const MapReader& reader, ReadContext* context);

// A parameter's value: string, integer, float or (nested) list. Null when it is none of them; then
// the problem was added.
base::Json ReadValue(const YamlNode& node, const std::string& path, ReadContext* context);
// Whether `value` fits; if not, what would ("a whole number").
const char* MissesType(ParameterType type, const base::Json& value);
// A list that was given to a typed one as JSON text becomes a list; all else stays.
void ReadListText(ParameterType type, base::Json* value);
// All numbers that PaddleFlow reads out of JSON are floats.
void MakeFloats(base::Json* value);

}  // namespace regatta::flow
