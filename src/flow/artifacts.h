#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"

namespace regatta::flow {

// A file or folder that a step wrote, as it was when the step succeeded.
struct Artifact {
  std::string path;    // absolute
  std::string kind;    // file folder missing
  std::string digest;  // "sha256:..."; docs/formats/cache-key.md says how a folder's is made
  std::int64_t bytes = 0;
  bool operator==(const Artifact&) const = default;
};

// What a name stands for downstream: one artifact, or all iterations' of a looped node.
using ArtifactList = std::vector<Artifact>;

// The paths, separated by commas, as PaddleFlow hands them to commands.
std::string JoinedPaths(const ArtifactList& artifacts);
ArtifactList ArtifactsFrom(const base::Json& json);

// Reads `path` whole and says what it is. A missing path gives kind "missing". Links inside a
// folder must stay inside it; a link as `path` itself must end inside `allowed_root`:
// kFailedPrecondition names the link otherwise. An empty `allowed_root` takes links as they are:
// one that leaves enters by the text of its target (code folders have such links, in virtual
// environments for one). Sockets and devices are refused.
absl::StatusOr<Artifact> DigestPath(const std::string& path, const std::string& allowed_root);

// Bytes below `path`, stopping once they exceed `limit`: a cheap look before hashing.
std::int64_t SizeUpTo(const std::string& path, std::int64_t limit);

// Makes the parent of an output and removes what is there from an earlier attempt.
absl::Status PrepareOutput(const std::string& path);

// The first `limit` bytes must be all of the file: for conditions and loop arguments.
absl::StatusOr<std::string> ReadSmallArtifact(const std::string& what, const ArtifactList& artifact,
                                              std::size_t limit);

// The regular file `inner` of the artifact at `artifact_path` ("" when the artifact is a file).
// kInvalidArgument for an absolute path or one with "..", kNotFound, kFailedPrecondition for a
// folder, kPermissionDenied for a link that leaves the artifact.
absl::StatusOr<std::string> FileInArtifact(const std::string& artifact_path,
                                           const std::string& inner);

// Up to `limit` files of a folder, relative and sorted.
std::vector<std::string> ListFiles(const std::string& folder, std::size_t limit);

// From the first bytes and the name: "image/png", "text/plain", "application/octet-stream".
std::string GuessMediaType(const std::string& path);

}  // namespace regatta::flow
