#pragma once

#include <dlfcn.h>

#include <string>

#include "base/status.h"

namespace regatta::device {

// A shared library that is looked for at run time. It stays loaded for the rest of the process:
// drivers keep threads of their own, which must not lose their code.
class Library {
 public:
  // kUnavailable with the loader's reason.
  static base::Result<Library> Open(const std::string& path) {
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return Library(handle, path);
    const char* why = ::dlerror();
    return base::Status(base::Code::kUnavailable,
                        "cannot load " + path + ": " + (why != nullptr ? why : "unknown reason"));
  }

  const std::string& path() const { return path_; }
  // False, and null in `into`, where the library has no such symbol.
  template <typename Function>
  bool Find(const char* symbol, Function* into) const {
    *into = reinterpret_cast<Function>(::dlsym(handle_, symbol));
    return *into != nullptr;
  }
  // kUnavailable names library and symbol.
  template <typename Function>
  base::Status Load(const char* symbol, Function* into) const {
    if (Find(symbol, into)) return base::Status();
    return base::Status(base::Code::kUnavailable, path_ + " has no " + symbol);
  }

 private:
  Library(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

  void* handle_;
  std::string path_;
};

}  // namespace regatta::device
