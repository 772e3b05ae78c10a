#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"

namespace regatta::topology::testing {

inline std::string FixturePath(const std::string& name) {
  std::string path = REGATTA_SOURCE_DIR "/src/topology/testdata/";
  path += name;
  return path;
}

// The bytes of testdata/`name`; "" fails whatever test needs them.
inline std::string Fixture(const std::string& name) {
  auto text = base::ReadFile(FixturePath(name));
  return text.ok() ? *std::move(text) : "";
}

// A tree of files that stands for "/", gone with the object.
class FakeRoot {
 public:
  FakeRoot() {
    char path[] = "/tmp/regatta-topology-XXXXXX";
    root_ = ::mkdtemp(path);
  }
  ~FakeRoot() { std::filesystem::remove_all(root_); }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  const std::string& path() const { return root_; }
  void Write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + file).parent_path());
    std::ofstream(root_ + file) << text;
  }
  // `link` will lead to the folder `target`, which is made.
  void Link(const std::string& link, const std::string& target) {
    std::filesystem::create_directories(root_ + target);
    std::filesystem::create_directories(std::filesystem::path(root_ + link).parent_path());
    std::filesystem::create_directory_symlink(root_ + target, root_ + link);
  }

 private:
  std::string root_;
};

}  // namespace regatta::topology::testing
