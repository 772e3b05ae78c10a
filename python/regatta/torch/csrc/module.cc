// What Python sees of the adapter.

#include <pybind11/chrono.h>
#include <torch/csrc/utils/pybind.h>

#include "process_group.h"

namespace regatta::c10d_eccl {
namespace {

void WithoutInterpreter(const std::function<void()>& function) {
  if (Py_IsInitialized() != 0 && PyGILState_Check() != 0) {
    const pybind11::gil_scoped_release released;
    function();
  } else {
    function();
  }
}

c10::intrusive_ptr<Base> Create(const c10::intrusive_ptr<Store>& store, int rank, int size,
                                std::chrono::milliseconds timeout, const std::string& host) {
  return c10::make_intrusive<ProcessGroupEccl>(store, rank, size, CommOptions{timeout, host});
}

}  // namespace
}  // namespace regatta::c10d_eccl

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  namespace eccl = regatta::c10d_eccl;
  eccl::without_interpreter = eccl::WithoutInterpreter;
  module.def("load_library", &eccl::LoadLibrary, pybind11::arg("path"));
  module.def("create", &eccl::Create, pybind11::arg("store"), pybind11::arg("rank"),
             pybind11::arg("size"), pybind11::arg("timeout"), pybind11::arg("host"),
             pybind11::call_guard<pybind11::gil_scoped_release>());
}
