#include "flow/file_systems.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "flow/text.h"

namespace regatta::flow {

absl::StatusOr<FileSystemFolders> ParseFileSystemFolders(std::string_view text) {
  FileSystemFolders folders;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = Trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    const std::string name(Trim(item.substr(0, equals)));
    const std::string folder(equals == std::string_view::npos ? "" : Trim(item.substr(equals + 1)));
    if (name.empty() || !folder.starts_with('/')) {
      return absl::InvalidArgumentError(
          Cat(Quoted(item), " must be a name and an absolute folder, as data=/mnt/data"));
    }
    if (!folders.emplace(name, folder).second) {
      return absl::InvalidArgumentError(
          Cat("the file system ", Quoted(name), " has a folder twice; leave one out"));
    }
  }
  return folders;
}

std::string FileSystemRoot(const std::string& name, const FileSystemFolders& folders,
                           const std::string& run_folder) {
  const auto it = folders.find(name);
  return it == folders.end() ? run_folder : it->second;
}

std::vector<SeenFileSystem> SeenFileSystems(const Pipeline& pipeline, const Node& node,
                                            const FileSystemFolders& folders,
                                            const std::string& run_folder) {
  std::vector<SeenFileSystem> seen;
  const auto add = [&](const FileSystem& file_system, bool main) {
    SeenFileSystem one{&file_system, main, FileSystemRoot(file_system.name, folders, run_folder),
                       ""};
    one.folder =
        file_system.sub_path.empty() ? one.root : base::JoinPath(one.root, file_system.sub_path);
    seen.push_back(std::move(one));
  };
  if (pipeline.main_fs) add(*pipeline.main_fs, true);
  for (const FileSystem& file_system : node.extra_fs) add(file_system, false);
  for (const FileSystem& file_system : pipeline.extra_fs) add(file_system, false);
  return seen;
}

std::string FileSystemVariable(const std::string& name) {
  std::string variable = absl::StrCat("REGATTA_FS_", absl::AsciiStrToUpper(name));
  for (char& c : variable) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return variable;
}

}  // namespace regatta::flow
