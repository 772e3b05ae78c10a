#include "flow/parse_file_systems.h"

#include "flow/text.h"

namespace regatta::flow {
namespace {

// `main`: artifacts go there, so it must be writable.
FileSystem ReadFileSystem(const YamlNode& node, bool main, const std::string& path,
                          ReadContext* context) {
  const char* what = main ? "main_fs" : "extra_fs";
  std::vector<std::string> keys = {"name", "sub_path", "mount_path", "read_only"};
  if (context->compat()) keys.emplace_back("id");  // which means nothing there
  const MapReader reader(node, what, path, std::move(keys), context);
  FileSystem read;
  read.place = context->At(node);
  read.name = reader.Text("name");
  read.sub_path = reader.Text("sub_path");
  read.mount_path = reader.Text("mount_path");
  read.read_only = reader.Bool("read_only", false);
  const YamlNode* name = reader.Find("name");
  if (node.is_map() && (name == nullptr || (name->is_scalar() && name->scalar.empty()))) {
    context->Add(name == nullptr ? node : *name, reader.PathOf("name"),
                 "is missing: name a file system");
  }
  if (read.sub_path.starts_with('/')) {
    context->Add(*reader.Find("sub_path"), reader.PathOf("sub_path"), "must not start with /");
  } else if (LeavesFolder(read.sub_path)) {
    context->Add(*reader.Find("sub_path"), reader.PathOf("sub_path"),
                 "must stay inside the file system, without \"..\"");
  }
  if (main && read.read_only) {
    context->Add(*reader.Find("read_only"), reader.PathOf("read_only"),
                 "the main file system must be writable: artifacts go there");
  }
  return read;
}

}  // namespace

bool LeavesFolder(std::string_view path) {
  if (path.starts_with('/')) return true;
  while (!path.empty()) {
    if (path.substr(0, path.find('/')) == "..") return true;
    const std::size_t slash = path.find('/');
    path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
  }
  return false;
}

std::vector<FileSystem> ReadExtraFs(const MapReader& reader, ReadContext* context) {
  std::vector<FileSystem> found;
  const YamlNode* list = reader.Find("extra_fs");
  if (list == nullptr) return found;
  const std::string path = reader.PathOf("extra_fs");
  if (!list->is_list()) {
    context->Add(
        *list, path,
        Cat("must be a list of {name, sub_path, mount_path, read_only}, not ", list->Describe()));
    return found;
  }
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    found.push_back(
        ReadFileSystem(list->items[i], false, Cat(path, "[", std::to_string(i), "]"), context));
  }
  return found;
}

void ReadFileSystems(const MapReader& reader, ReadContext* context, Pipeline* pipeline) {
  const YamlNode* options = reader.Find("fs_options");
  if (options == nullptr) return;
  const MapReader fields(*options, "fs_options", reader.PathOf("fs_options"),
                         {"main_fs", "extra_fs"}, context);
  pipeline->extra_fs = ReadExtraFs(fields, context);
  const YamlNode* main = fields.Find("main_fs");
  if (main == nullptr) return;
  pipeline->main_fs = ReadFileSystem(*main, true, fields.PathOf("main_fs"), context);
}

}  // namespace regatta::flow
