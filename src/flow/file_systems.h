#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "flow/pipeline.h"

namespace regatta::flow {

// Where the file systems that pipelines name are on this machine: name -> absolute folder. A name
// that is not here stands for the run's own folder.
using FileSystemFolders = std::map<std::string, std::string>;

// Reads "data=/mnt/data,models=/srv/models". kInvalidArgument for a name without a folder, for a
// folder that is not absolute, and for a name that stands there twice.
absl::StatusOr<FileSystemFolders> ParseFileSystemFolders(std::string_view text);

// A file system as the processes of a step see it.
struct SeenFileSystem {
  const FileSystem* file_system = nullptr;
  bool main = false;
  std::string root;    // of the whole file system
  std::string folder;  // what the step sees: its sub_path
};
// The main one first, then the step's own, then those that the pipeline gives to every step.
std::vector<SeenFileSystem> SeenFileSystems(const Pipeline& pipeline, const Node& node,
                                            const FileSystemFolders& folders,
                                            const std::string& run_folder);

// The root of the file system `name`.
std::string FileSystemRoot(const std::string& name, const FileSystemFolders& folders,
                           const std::string& run_folder);

// "REGATTA_FS_DATA": the variable that holds a file system's folder.
std::string FileSystemVariable(const std::string& name);

}  // namespace regatta::flow
