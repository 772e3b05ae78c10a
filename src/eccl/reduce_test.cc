#include "eccl/reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "eccl/half.h"

namespace regatta::eccl {
namespace {

TEST(Half, EveryFloat16SurvivesTheWayToFloatAndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = Float16ToFloat(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Float16ToFloat(FloatToFloat16(value)))) << bits;
    } else {
      EXPECT_EQ(FloatToFloat16(value), bits);
    }
  }
}

#ifdef __FLT16_MAX__
// The compiler's own conversion as an independent judge.
TEST(Half, Float16RoundsLikeTheCompiler) {
  for (std::uint64_t bits = 0; bits < 0x100000000u; bits += 4099) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isnan(value)) continue;
    EXPECT_EQ(FloatToFloat16(value), std::bit_cast<std::uint16_t>(static_cast<_Float16>(value)))
        << value;
  }
}
#endif

TEST(Half, Bfloat16RoundsToNearestEven) {
  const auto near = [](std::uint32_t bits) { return FloatToBfloat16(std::bit_cast<float>(bits)); };
  EXPECT_EQ(near(0x3f808000), 0x3f80) << "a tie goes to the even neighbour below";
  EXPECT_EQ(near(0x3f818000), 0x3f82) << "a tie goes to the even neighbour above";
  EXPECT_EQ(near(0x3f808001), 0x3f81);
  EXPECT_EQ(near(0x7f7fffff), 0x7f80) << "overflow rounds to infinity";
  EXPECT_TRUE(std::isnan(Bfloat16ToFloat(near(0x7f800001)))) << "a NaN stays one";
}

template <typename T>
T Combine(T a, T b, ecclDataType_t type, ecclRedOp_t op) {
  std::byte into[sizeof(T)], from[sizeof(T)];
  std::memcpy(into, &a, sizeof(T));
  std::memcpy(from, &b, sizeof(T));
  Reduce(into, from, 1, type, op);
  std::memcpy(&a, into, sizeof(T));
  return a;
}

TEST(Reduce, IntegersWrapAround) {
  constexpr auto kMax = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(Combine<std::int32_t>(kMax, 1, ecclInt32, ecclSum), -kMax - 1);
  EXPECT_EQ(Combine<std::int8_t>(127, 1, ecclInt8, ecclSum), -128);
  EXPECT_EQ(Combine<std::int32_t>(kMax, 2, ecclInt32, ecclProd), -2);
  EXPECT_EQ(Combine<std::uint64_t>(~0ull, 2, ecclUint64, ecclSum), 1u);
}

TEST(Reduce, ANotANumberIsNeverLostInMinAndMax) {
  const float nan = std::nanf("");
  for (const ecclRedOp_t op : {ecclMin, ecclMax}) {
    EXPECT_TRUE(std::isnan(Combine(nan, 1.0f, ecclFloat32, op)));
    EXPECT_TRUE(std::isnan(Combine(1.0f, nan, ecclFloat32, op)));
  }
}

TEST(Divide, GoesTowardZeroForIntegers) {
  std::int64_t values[2] = {-7, 7};
  Divide(reinterpret_cast<std::byte*>(values), 2, ecclInt64, 2);
  EXPECT_EQ(values[0], -3);
  EXPECT_EQ(values[1], 3);
  std::uint64_t large = ~0ull;
  Divide(reinterpret_cast<std::byte*>(&large), 1, ecclUint64, 2);
  EXPECT_EQ(large, ~0ull / 2);
}

}  // namespace
}  // namespace regatta::eccl
