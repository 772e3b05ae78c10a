#include "job/python_path.h"

#include <cstdlib>
#include <filesystem>

namespace regatta::job {
namespace {

// build/<preset>/src/<room>/<test> is the deepest place of an executable in a source tree.
constexpr int kLevelsUp = 5;

bool HasPackage(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::is_regular_file(folder / "regatta/__init__.py", error);
}

std::string Find() {
  if (const char* given = std::getenv("REGATTA_PYTHONPATH")) return given;
  std::error_code error;
  std::filesystem::path folder =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  if (const auto installed = folder.parent_path() / "lib/regatta/python"; HasPackage(installed)) {
    return installed;
  }
  for (int level = 0; level < kLevelsUp && folder.has_relative_path(); ++level) {
    if (HasPackage(folder / "python")) return folder / "python";
    folder = folder.parent_path();
  }
  return "";
}

}  // namespace

std::string RegattaPythonPath() {
  static const std::string path = Find();
  return path;
}

void AddRegattaPythonPath(std::map<std::string, std::string>* env) {
  const std::string ours = RegattaPythonPath();
  if (ours.empty()) return;
  std::string& path = (*env)["PYTHONPATH"];
  if ((":" + path + ":").find(":" + ours + ":") != std::string::npos) return;
  path = path.empty() ? ours : ours + ":" + path;
}

}  // namespace regatta::job
