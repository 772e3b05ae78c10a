// hwloc's functions as libeccl_topo has them: each hands on to libhwloc, which is loaded when the
// first of them is needed. So the library works where hwloc is not installed (a wheel in a bare
// container) for everything but asking the machine, and hwloc.cc is the same code as in the
// program.
#include "topology/api/hwloc_stand_in.h"

#include <dlfcn.h>
#include <hwloc.h>

#include <string>

namespace regatta::topology {
namespace {

constexpr char kLibrary[] = "libhwloc.so.15";  // the ABI of all versions 2.x

#define HWLOC_FUNCTIONS(use)                                                                     \
  use(hwloc_bitmap_alloc) use(hwloc_bitmap_free) use(hwloc_bitmap_isincluded)                    \
      use(hwloc_bitmap_iszero) use(hwloc_bitmap_list_asprintf) use(hwloc_bitmap_or)              \
          use(hwloc_bitmap_weight) use(hwloc_distances_get_by_name) use(hwloc_distances_release) \
              use(hwloc_get_obj_by_depth) use(hwloc_get_type_depth) use(hwloc_topology_destroy)  \
                  use(hwloc_topology_init) use(hwloc_topology_load)                              \
                      use(hwloc_topology_set_components) use(hwloc_topology_set_io_types_filter) \
                          use(hwloc_topology_set_xmlbuffer)

struct Functions {
#define DECLARE(name) decltype(&::name) name = nullptr;  // NOLINT(bugprone-macro-parentheses)
  HWLOC_FUNCTIONS(DECLARE)
#undef DECLARE
  std::string missing;  // why they are not there; "": they are
};

Functions Load() {
  Functions functions;
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    functions.missing = ::dlerror();
    return functions;
  }
#define FIND(name)                                                               \
  functions.name = reinterpret_cast<decltype(&::name)>(::dlsym(library, #name)); \
  if (functions.name == nullptr) functions.missing = std::string(kLibrary) + " has no " #name;
  HWLOC_FUNCTIONS(FIND)
#undef FIND
  return functions;
}

const Functions& Hwloc() {
  static const Functions& functions = *new Functions(Load());
  return functions;
}

}  // namespace

base::Status FindHwloc() {
  if (Hwloc().missing.empty()) return {};
  return base::Status(
      base::Code::kUnavailable,
      "asking a machine and reading hwloc's XML need hwloc 2, which is not installed "
      "here (Debian: libhwloc15): " +
          Hwloc().missing);
}

}  // namespace regatta::topology

using regatta::topology::Hwloc;

extern "C" {

hwloc_bitmap_t hwloc_bitmap_alloc(void) { return Hwloc().hwloc_bitmap_alloc(); }
void hwloc_bitmap_free(hwloc_bitmap_t bitmap) { Hwloc().hwloc_bitmap_free(bitmap); }
int hwloc_bitmap_isincluded(hwloc_const_bitmap_t sub, hwloc_const_bitmap_t super) {
  return Hwloc().hwloc_bitmap_isincluded(sub, super);
}
int hwloc_bitmap_iszero(hwloc_const_bitmap_t bitmap) { return Hwloc().hwloc_bitmap_iszero(bitmap); }
int hwloc_bitmap_list_asprintf(char** text, hwloc_const_bitmap_t bitmap) {
  return Hwloc().hwloc_bitmap_list_asprintf(text, bitmap);
}
int hwloc_bitmap_or(hwloc_bitmap_t result, hwloc_const_bitmap_t a, hwloc_const_bitmap_t b) {
  return Hwloc().hwloc_bitmap_or(result, a, b);
}
int hwloc_bitmap_weight(hwloc_const_bitmap_t bitmap) { return Hwloc().hwloc_bitmap_weight(bitmap); }
int hwloc_distances_get_by_name(hwloc_topology_t topology, const char* name, unsigned* count,
                                hwloc_distances_s** distances, unsigned long flags) {
  return Hwloc().hwloc_distances_get_by_name(topology, name, count, distances, flags);
}
void hwloc_distances_release(hwloc_topology_t topology, hwloc_distances_s* distances) {
  Hwloc().hwloc_distances_release(topology, distances);
}
hwloc_obj_t hwloc_get_obj_by_depth(hwloc_topology_t topology, int depth, unsigned index) {
  return Hwloc().hwloc_get_obj_by_depth(topology, depth, index);
}
int hwloc_get_type_depth(hwloc_topology_t topology, hwloc_obj_type_t type) {
  return Hwloc().hwloc_get_type_depth(topology, type);
}
void hwloc_topology_destroy(hwloc_topology_t topology) { Hwloc().hwloc_topology_destroy(topology); }
int hwloc_topology_init(hwloc_topology_t* topology) {
  return Hwloc().hwloc_topology_init(topology);
}
int hwloc_topology_load(hwloc_topology_t topology) { return Hwloc().hwloc_topology_load(topology); }
int hwloc_topology_set_components(hwloc_topology_t topology, unsigned long flags,
                                  const char* name) {
  return Hwloc().hwloc_topology_set_components(topology, flags, name);
}
int hwloc_topology_set_io_types_filter(hwloc_topology_t topology, hwloc_type_filter_e filter) {
  return Hwloc().hwloc_topology_set_io_types_filter(topology, filter);
}
int hwloc_topology_set_xmlbuffer(hwloc_topology_t topology, const char* text, int bytes) {
  return Hwloc().hwloc_topology_set_xmlbuffer(topology, text, bytes);
}

}  // extern "C"
