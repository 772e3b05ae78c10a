#include "eccl/reduce.h"

#include "eccl/reduce_avx2.h"
#include "eccl/reduce_kernels.h"

namespace regatta::eccl {
namespace {

bool DetectAvx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

bool has_avx2 = DetectAvx2();

}  // namespace

void Combine(std::byte* to, const std::byte* first, const std::byte* second, std::size_t count,
             ecclDataType_t type, ecclRedOp_t op) {
  if (has_avx2) return CombineAvx2(to, first, second, count, type, op);
  CombineHere(to, first, second, count, type, op);
}

void StreamCopy(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (has_avx2) return StreamCopyAvx2(to, from, bytes);
  std::memcpy(to, from, bytes);
}

void Divide(std::byte* data, std::size_t count, ecclDataType_t type, int by) {
  if (has_avx2) return DivideAvx2(data, count, type, by);
  DivideHere(data, count, type, by);
}

void UseWideInstructions(bool use) { has_avx2 = use && DetectAvx2(); }

}  // namespace regatta::eccl
