#pragma once

#include <cstddef>
#include <cstdint>

namespace regatta::eccl {

// Small dense algebra for PowerSGD: matrices of float, one row after the other, with the same bits
// on every processor. Factors are kept by columns: column a of Q is factor + a * length.

// Sum of a[i] * b[i], in 16 partial sums of float that are added up at the end.
float Dot(const float* a, const float* b, std::size_t count);
// to[i] += a[i] * by.
void AddScaled(float* to, const float* a, float by, std::size_t count);

// Makes the columns orthonormal by modified Gram-Schmidt, in double. One that is (almost) a
// combination of those before it, or zero, is replaced by a random one made of `seed`.
void Orthonormalise(float* columns, std::size_t length, std::size_t count, std::uint64_t seed);
// Each column becomes one of norm 1, unless it is zero.
void NormaliseColumns(float* columns, std::size_t length, std::size_t count);
// From -1 to 1.
void FillRandom(float* floats, std::size_t count, std::uint64_t seed);
bool AllFinite(const float* floats, std::size_t count);

}  // namespace regatta::eccl
