#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "flow/artifacts.h"
#include "flow/pipeline.h"
#include "job/interpreter.h"

namespace regatta::flow {

// docs/formats/cache-key.md. A change of what enters, or how, raises this number; keys made by
// another version never match.
inline constexpr int kCacheKeyVersion = 1;

// One thing that a step's result depends on.
struct KeyPart {
  std::string kind;   // step command parameter loop input code interpreter packages env output ...
  std::string name;   // which of its kind: "lr", "train.py"; may be empty
  std::string value;  // whole; shown shortened
};

// What a step's result depends on, in the order of the format. Pure data: nothing here reads a
// clock, a run id or a path of the state folder.
struct KeyInputs {
  std::string pipeline;
  std::string node;     // dotted, without loop suffixes
  std::string command;  // as docs/formats/cache-key.md writes it
  std::string docker_env;
  base::Json parameters = base::Json::object();
  base::Json loop_argument;                       // null outside loops
  std::map<std::string, ArtifactList> inputs;     // digests enter, paths do not
  std::map<std::string, std::string> code;        // declared path -> digest
  const job::Interpreter* interpreter = nullptr;  // null: no Python
  std::map<std::string, std::string> env;         // without system variables
  std::vector<std::string> outputs;               // names
  std::string layout;                             // of a distributed job; empty without
  std::vector<KeyPart> file_systems;              // those that the step sees
  std::string source;  // digest of the whole pipeline; empty: of no account
};
std::vector<KeyPart> CacheKeyParts(const KeyInputs& inputs);

// "1:" and 64 hexadecimal digits: SHA-256 of the encoded parts.
std::string CacheKey(const std::vector<KeyPart>& parts);
// The bytes that are hashed.
std::string EncodeKeyParts(const std::vector<KeyPart>& parts);

// How a part is kept to explain later differences: "parameter lr" -> "0.1". Values that are long,
// or that may be secret, are kept as a digest.
struct ShownPart {
  std::string name;
  std::string value;
};
std::vector<ShownPart> ShowParts(const std::vector<KeyPart>& parts);

// Whether an environment variable's value must not be shown (its name has SECRET, TOKEN, PASSWORD
// or KEY in it).
bool IsSecretName(std::string_view name);

// "parameter lr changed from 0.1 to 0.05; input data changed (step prepare ran again)"; the notes,
// by part name, come in parentheses. Empty when nothing differs.
std::string ExplainDifference(const std::vector<ShownPart>& before,
                              const std::vector<ShownPart>& now,
                              const std::map<std::string, std::string>& notes);

// Code that enters a key: what it is called there, and where it is.
struct CodePath {
  std::string name;
  std::string path;
};
// The digests of a step's declared code, by name. `skip` (the state folder) is left out of folders
// that contain it. A path that does not exist enters as "missing".
absl::StatusOr<std::map<std::string, std::string>> DigestCode(const std::vector<CodePath>& paths,
                                                              const std::string& skip);

}  // namespace regatta::flow
