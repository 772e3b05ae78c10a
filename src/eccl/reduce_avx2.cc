// Compiled with -mavx2 on x86-64.
#include "eccl/reduce_avx2.h"

#include "eccl/reduce_kernels.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace regatta::eccl {

void CombineAvx2(std::byte* to, const std::byte* first, const std::byte* second, std::size_t count,
                 ecclDataType_t type, ecclRedOp_t op) {
  CombineHere(to, first, second, count, type, op);
}

void DivideAvx2(std::byte* data, std::size_t count, ecclDataType_t type, int by) {
  DivideHere(data, count, type, by);
}

void StreamCopyAvx2(std::byte* to, const std::byte* from, std::size_t bytes) {
#if defined(__AVX2__)
  constexpr std::size_t kLine = 64;
  const std::size_t head = -reinterpret_cast<std::uintptr_t>(to) & (kLine - 1);
  if (bytes < head + kLine) {
    std::memcpy(to, from, bytes);
    return;
  }
  std::memcpy(to, from, head);
  to += head;
  from += head;
  bytes -= head;
  for (; bytes >= kLine; bytes -= kLine, to += kLine, from += kLine) {
    const auto* source = reinterpret_cast<const __m256i*>(from);
    const __m256i low = _mm256_loadu_si256(source);
    const __m256i high = _mm256_loadu_si256(source + 1);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), low);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to) + 1, high);
  }
  std::memcpy(to, from, bytes);
  // Streaming stores are weakly ordered: whoever is told next must find the data.
  _mm_sfence();
#else
  std::memcpy(to, from, bytes);
#endif
}

}  // namespace regatta::eccl
