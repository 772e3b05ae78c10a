#include "eccl/formats/convert.h"

#include "eccl/formats/convert_kernels.h"

namespace regatta::eccl {
namespace {

bool Has(Instructions set) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("f16c") != 0;
  switch (set) {
    case Instructions::kEvery:
      return true;
    case Instructions::kAvx2:
      return avx2;
    case Instructions::kAvx512:
      return avx2 && __builtin_cpu_supports("avx512f") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
             __builtin_cpu_supports("avx512vl") != 0;
  }
  return false;
#else
  return set == Instructions::kEvery;
#endif
}

const ConvertKernels* KernelsFor(Instructions set) {
  if (set == Instructions::kAvx512) return &kConvertAvx512;
  return set == Instructions::kAvx2 ? &kConvertAvx2 : &kConvertHere;
}

const ConvertKernels* Widest() {
  if (Has(Instructions::kAvx512)) return &kConvertAvx512;
  return Has(Instructions::kAvx2) ? &kConvertAvx2 : &kConvertHere;
}

const ConvertKernels* kernels = Widest();

}  // namespace

void FloatsToFloat16(const std::byte* floats, std::byte* wire, std::size_t count) {
  kernels->to_float16(floats, wire, count);
}
void Float16ToFloats(const std::byte* wire, std::byte* floats, std::size_t count) {
  kernels->from_float16(wire, floats, count);
}
void FloatsToBfloat16(const std::byte* floats, std::byte* wire, std::size_t count) {
  kernels->to_bfloat16(floats, wire, count);
}
void Bfloat16ToFloats(const std::byte* wire, std::byte* floats, std::size_t count) {
  kernels->from_bfloat16(wire, floats, count);
}
void FloatsToInt8(const std::byte* floats, std::byte* wire, std::size_t count, std::size_t group) {
  kernels->to_int8(floats, wire, count, group);
}
void Int8ToFloats(const std::byte* wire, std::byte* floats, std::size_t count, std::size_t group) {
  kernels->from_int8(wire, floats, count, group);
}
void Remainder(const std::byte* meant, const std::byte* sent, std::byte* rest, std::size_t count) {
  kernels->remainder(meant, sent, rest, count);
}

void Widen(const std::byte* elements, std::byte* floats, std::size_t count, ecclDataType_t type) {
  if (type == ecclFloat16) return kernels->from_float16(elements, floats, count);
  if (type == ecclBfloat16) return kernels->from_bfloat16(elements, floats, count);
  if (type == ecclFloat64) return kernels->from_float64(elements, floats, count);
  if (count > 0) std::memcpy(floats, elements, count * sizeof(float));
}

void Narrow(const std::byte* floats, std::byte* elements, std::size_t count, ecclDataType_t type) {
  if (type == ecclFloat16) return kernels->to_float16(floats, elements, count);
  if (type == ecclBfloat16) return kernels->to_bfloat16(floats, elements, count);
  if (type == ecclFloat64) return kernels->to_float64(floats, elements, count);
  if (count > 0) std::memcpy(elements, floats, count * sizeof(float));
}

bool UseInstructions(Instructions most) {
  if (!Has(most)) return false;
  kernels = KernelsFor(most);
  return true;
}

}  // namespace regatta::eccl
