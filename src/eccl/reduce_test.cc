#include "eccl/reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "eccl/half.h"
#include "eccl/types.h"

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
T One(T a, T b, ecclDataType_t type, ecclRedOp_t op) {
  std::byte first[sizeof(T)], second[sizeof(T)];
  std::memcpy(first, &a, sizeof(T));
  std::memcpy(second, &b, sizeof(T));
  Combine(first, first, second, 1, type, op);
  std::memcpy(&a, first, sizeof(T));
  return a;
}

TEST(Combine, IntegersWrapAround) {
  constexpr auto kMax = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(One<std::int32_t>(kMax, 1, ecclInt32, ecclSum), -kMax - 1);
  EXPECT_EQ(One<std::int8_t>(127, 1, ecclInt8, ecclSum), -128);
  EXPECT_EQ(One<std::int32_t>(kMax, 2, ecclInt32, ecclProd), -2);
  EXPECT_EQ(One<std::uint64_t>(~0ull, 2, ecclUint64, ecclSum), 1u);
}

TEST(Combine, BitwiseOperationsCombineTheBitsOfIntegers) {
  EXPECT_EQ(One<std::int32_t>(-2, 5, ecclInt32, ecclBand), 4);
  EXPECT_EQ(One<std::int8_t>(-128, 3, ecclInt8, ecclBor), -125);
  EXPECT_EQ(One<std::uint8_t>(0xf0, 0x3c, ecclUint8, ecclBxor), 0xcc);
  EXPECT_EQ(One<std::uint64_t>(~0ull, 1, ecclUint64, ecclBxor), ~0ull - 1);
}

TEST(Combine, ANotANumberIsNeverLostInMinAndMax) {
  const float nan = std::nanf("");
  for (const ecclRedOp_t op : {ecclMin, ecclMax}) {
    EXPECT_TRUE(std::isnan(One(nan, 1.0f, ecclFloat32, op)));
    EXPECT_TRUE(std::isnan(One(1.0f, nan, ecclFloat32, op)));
  }
}

// Random bits, so that NaNs of all kinds, infinities and subnormals are among the elements; at odd
// addresses; into a third buffer, the first and the second.
TEST(Combine, GivesTheSameBitsWithEverySetOfInstructionsAndInEveryPlace) {
  constexpr std::size_t kCount = 1003;
  std::mt19937_64 random(7);
  std::vector<std::byte> first(kCount * 8 + 1), second(kCount * 8 + 1);
  for (std::byte& byte : first) byte = static_cast<std::byte>(random());
  for (std::byte& byte : second) byte = static_cast<std::byte>(random());
  for (int type = ecclInt8; type <= ecclBfloat16; ++type) {
    const std::size_t bytes = kCount * SizeOf(static_cast<ecclDataType_t>(type));
    for (int op = ecclSum; op <= ecclBxor; ++op) {
      std::vector<std::vector<std::byte>> results;
      for (const bool wide : {false, true}) {
        UseWideInstructions(wide);
        for (int place = 0; place < 3; ++place) {
          std::vector<std::byte> a = first, b = second, c(first.size());
          std::byte* to = place == 0 ? c.data() : place == 1 ? a.data() : b.data();
          Combine(to + 1, a.data() + 1, b.data() + 1, kCount, static_cast<ecclDataType_t>(type),
                  static_cast<ecclRedOp_t>(op));
          results.emplace_back(to + 1, to + 1 + bytes);
        }
      }
      for (std::size_t i = 1; i < results.size(); ++i) {
        EXPECT_TRUE(results[i] == results[0])
            << NameOf(static_cast<ecclDataType_t>(type)) << " "
            << NameOf(static_cast<ecclRedOp_t>(op)) << ", way " << i;
      }
    }
  }
}

TEST(StreamCopy, CopiesAnyBytesBetweenAnyAddresses) {
  std::vector<std::byte> from(5000);
  std::mt19937_64 random(7);
  for (std::byte& byte : from) byte = static_cast<std::byte>(random());
  for (const std::size_t size : {0, 1, 63, 64, 65, 127, 200, 4096, 4900}) {
    for (std::size_t shift = 0; shift < 66; shift += 5) {
      std::vector<std::byte> to(5100), expected(5100);
      std::memcpy(expected.data() + shift, from.data() + 3, size);
      StreamCopy(to.data() + shift, from.data() + 3, size);
      EXPECT_TRUE(to == expected) << size << " bytes to " << shift;
    }
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
