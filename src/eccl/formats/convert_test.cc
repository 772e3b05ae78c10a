#include "eccl/formats/convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "eccl/half.h"

namespace regatta::eccl {
namespace {

using Bytes = std::vector<std::byte>;
using Limits = std::numeric_limits<float>;

// Every test runs once for each set of instructions that this processor has.
class Convert : public testing::TestWithParam<Instructions> {
 protected:
  void SetUp() override {
    if (!UseInstructions(GetParam())) GTEST_SKIP() << "this processor has not got them";
  }
  void TearDown() override {
    for (const Instructions set :
         {Instructions::kEvery, Instructions::kAvx2, Instructions::kAvx512}) {
      UseInstructions(set);
    }
  }
};

template <typename T>
Bytes BytesOf(const std::vector<T>& values) {
  // At an odd address: buffers need no alignment.
  Bytes bytes(values.size() * sizeof(T) + 1);
  if (!values.empty()) std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(T));
  return bytes;
}

template <typename T>
std::vector<T> ValuesOf(const Bytes& bytes) {
  std::vector<T> values((bytes.size() - 1) / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data() + 1, values.size() * sizeof(T));
  return values;
}

// Edges of every format, and random bits: NaNs of all kinds, infinities, subnormals.
std::vector<std::uint32_t> AwkwardFloats() {
  std::vector<std::uint32_t> all;
  for (const std::uint32_t exponent :
       {0u, 1u, 80u, 102u, 103u, 112u, 113u, 126u, 127u, 142u, 143u, 253u, 254u, 255u}) {
    for (const std::uint32_t mantissa :
         {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x1fffu, 0x3000u, 0x7fffu, 0x8000u, 0x8001u, 0x18000u,
          0x3fffffu, 0x400000u, 0x7fe000u, 0x7ff000u, 0x7fffffu}) {
      all.push_back(exponent << 23 | mantissa);
      all.push_back(0x80000000u | exponent << 23 | mantissa);
    }
  }
  std::mt19937 random(11);
  while (all.size() < 100'003) all.push_back(static_cast<std::uint32_t>(random()));
  return all;
}

TEST_P(Convert, Float16HasTheReferencesBitsForAwkwardFloats) {
  const auto floats = AwkwardFloats();
  const Bytes in = BytesOf(floats);
  Bytes out(floats.size() * 2 + 1);
  FloatsToFloat16(in.data() + 1, out.data() + 1, floats.size());
  const auto wire = ValuesOf<std::uint16_t>(out);
  for (std::size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(wire[i], FloatToFloat16(std::bit_cast<float>(floats[i]))) << std::hex << floats[i];
  }
}

TEST_P(Convert, Bfloat16HasTheReferencesBitsForAwkwardFloats) {
  const auto floats = AwkwardFloats();
  const Bytes in = BytesOf(floats);
  Bytes out(floats.size() * 2 + 1);
  FloatsToBfloat16(in.data() + 1, out.data() + 1, floats.size());
  const auto wire = ValuesOf<std::uint16_t>(out);
  for (std::size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(wire[i], FloatToBfloat16(std::bit_cast<float>(floats[i]))) << std::hex << floats[i];
  }
}

TEST_P(Convert, EveryHalfIsWidenedAsTheReferenceDoesAndNansAreQuiet) {
  std::vector<std::uint16_t> halves(0x10000);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  const Bytes in = BytesOf(halves);
  Bytes out(halves.size() * 4 + 1);
  Float16ToFloats(in.data() + 1, out.data() + 1, halves.size());
  const auto from16 = ValuesOf<std::uint32_t>(out);
  Bfloat16ToFloats(in.data() + 1, out.data() + 1, halves.size());
  const auto from_b16 = ValuesOf<std::uint32_t>(out);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    auto want = std::bit_cast<std::uint32_t>(Float16ToFloat(halves[i]));
    if ((halves[i] & 0x7fff) > 0x7c00) want |= 0x400000;
    ASSERT_EQ(from16[i], want) << i;
    ASSERT_EQ(from_b16[i], static_cast<std::uint32_t>(halves[i]) << 16) << i;
  }
}

// The definition of the format, one element at a time.
void ReferenceInt8(const std::vector<float>& floats, std::size_t group, std::vector<float>* scales,
                   std::vector<std::int8_t>* codes) {
  for (std::size_t begin = 0; begin < floats.size(); begin += group) {
    const std::size_t end = std::min(floats.size(), begin + group);
    float largest = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (std::isfinite(floats[i])) largest = std::max(largest, std::fabs(floats[i]));
    }
    const float most = std::nextafter(Limits::max() / 127.0f, 0.0f);
    const float scale = largest / 127.0f < Limits::min() ? 0 : std::min(largest / 127.0f, most);
    scales->push_back(scale);
    for (std::size_t i = begin; i < end; ++i) {
      const float by = scale > 0 ? 1.0f / scale : 0;
      codes->push_back(std::isfinite(floats[i])
                           ? static_cast<std::int8_t>(std::nearbyint(floats[i] * by))
                           : static_cast<std::int8_t>(kNotFinite));
    }
  }
}

TEST_P(Convert, Int8HasTheReferencesScalesAndCodes) {
  std::mt19937 random(5);
  std::normal_distribution<float> draw(0, 3);
  for (const std::size_t group : {32, 256, 4096}) {
    for (const std::size_t count : {0, 1, 31, 32, 33, 255, 256, 257, 5000}) {
      for (const float unit : {1.0f, 1e-37f, 1e-30f, 1e37f}) {
        std::vector<float> floats(count);
        for (float& value : floats) value = draw(random) * unit;
        if (count > 40) {
          floats[3] = Limits::quiet_NaN();
          floats[17] = -Limits::infinity();
          floats[33] = Limits::denorm_min();
          floats[34] = -0.0f;
          floats[35] = -Limits::max();
        }
        std::vector<float> scales;
        std::vector<std::int8_t> codes;
        ReferenceInt8(floats, group, &scales, &codes);
        const Bytes in = BytesOf(floats);
        Bytes wire(Int8Bytes(count, group) + 1);
        FloatsToInt8(in.data() + 1, wire.data() + 1, count, group);
        ASSERT_EQ(wire.size() - 1, scales.size() * 4 + count);
        if (count == 0) continue;
        ASSERT_EQ(std::memcmp(wire.data() + 1, scales.data(), scales.size() * 4), 0);
        ASSERT_EQ(std::memcmp(wire.data() + 1 + scales.size() * 4, codes.data(), count), 0)
            << "group " << group << " count " << count << " unit " << unit;

        Bytes back(count * 4 + 1);
        Int8ToFloats(wire.data() + 1, back.data() + 1, count, group);
        const auto values = ValuesOf<float>(back);
        for (std::size_t i = 0; i < count; ++i) {
          if (!std::isfinite(floats[i])) {
            ASSERT_TRUE(std::isnan(values[i]));
            continue;
          }
          ASSERT_EQ(values[i], static_cast<float>(codes[i]) * scales[i / group]);
          ASSERT_TRUE(std::isfinite(values[i]));
          // Half a step, and a little for the scale's own rounding.
          const float bound = scales[i / group] * 0.50002f;
          if (scales[i / group] > 0) {
            ASSERT_LE(std::fabs(values[i] - floats[i]), bound) << floats[i];
          }
        }
      }
    }
  }
}

TEST_P(Convert, TheRemainderIsTheDifferenceOrNothingWhereThatIsNotFinite) {
  const auto bits = AwkwardFloats();
  std::vector<float> meant, sent;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    meant.push_back(std::bit_cast<float>(bits[i]));
    sent.push_back(std::bit_cast<float>(bits[(i * 7 + 13) % bits.size()]));
  }
  const Bytes from = BytesOf(meant), other = BytesOf(sent);
  Bytes apart(from.size()), in_place = from;
  Remainder(from.data() + 1, other.data() + 1, apart.data() + 1, meant.size());
  Remainder(in_place.data() + 1, other.data() + 1, in_place.data() + 1, meant.size());
  EXPECT_EQ(std::memcmp(apart.data() + 1, in_place.data() + 1, meant.size() * 4), 0);
  const auto rest = ValuesOf<float>(apart);
  for (std::size_t i = 0; i < meant.size(); ++i) {
    const float difference = meant[i] - sent[i];
    ASSERT_EQ(rest[i], std::isfinite(difference) ? difference : 0.0f) << meant[i] << " " << sent[i];
  }
}

TEST_P(Convert, EveryTypeIsWidenedAndNarrowed) {
  const std::vector<double> values = {0, -0.0, 1, -2.5, 65504, 1e-3, 3e38, 1e300};
  const Bytes in = BytesOf(values);
  Bytes floats(values.size() * 4 + 1);
  Widen(in.data() + 1, floats.data() + 1, values.size(), ecclFloat64);
  const auto wide = ValuesOf<float>(floats);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(wide[i], static_cast<float>(values[i]));
  }
  for (const ecclDataType_t type : {ecclFloat64, ecclFloat32, ecclFloat16, ecclBfloat16}) {
    Bytes narrow(values.size() * 8 + 1), back(values.size() * 4 + 1);
    Narrow(floats.data() + 1, narrow.data() + 1, values.size(), type);
    Widen(narrow.data() + 1, back.data() + 1, values.size(), type);
    const auto got = ValuesOf<float>(back);
    for (std::size_t i = 0; i < values.size(); ++i) {
      float want = wide[i];
      if (type == ecclFloat16) want = Float16ToFloat(FloatToFloat16(want));
      if (type == ecclBfloat16) want = Bfloat16ToFloat(FloatToBfloat16(want));
      EXPECT_EQ(got[i], want) << "type " << type;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Instructions, Convert,
                         testing::Values(Instructions::kEvery, Instructions::kAvx2,
                                         Instructions::kAvx512),
                         [](const auto& info) {
                           return std::string(info.param == Instructions::kEvery  ? "Every"
                                              : info.param == Instructions::kAvx2 ? "Avx2"
                                                                                  : "Avx512");
                         });

}  // namespace
}  // namespace regatta::eccl
