#include "eccl/formats/top.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <random>

namespace regatta::eccl {
namespace {

// By sorting.
std::vector<std::uint32_t> Reference(const std::vector<float>& values, std::size_t k) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return (std::bit_cast<std::uint32_t>(values[a]) & 0x7fffffff) >
           (std::bit_cast<std::uint32_t>(values[b]) & 0x7fffffff);
  });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

TEST(Top, SelectsWhatSortingWould) {
  std::mt19937 random(3);
  std::normal_distribution<float> draw(0, 1);
  for (const std::size_t count : {1, 2, 3, 100, 4097}) {
    for (const int kind : {0, 1, 2, 3}) {
      std::vector<float> values(count);
      for (float& value : values) {
        if (kind == 0) value = draw(random);
        if (kind == 1) value = static_cast<float>(random() % 5) - 2;  // many alike
        if (kind == 2) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
        if (kind == 3) value = 1.0f + static_cast<float>(random() % 3) * 0x1p-23f;  // nearly alike
      }
      for (const std::size_t k : {std::size_t{0}, std::size_t{1}, count / 3, count - 1, count}) {
        ASSERT_EQ(SelectTop(values, k).indices, Reference(values, k))
            << count << " of kind " << kind << ", k " << k;
      }
    }
  }
}

TEST(Top, SaysWhetherAllIsFinite) {
  std::vector<float> values(101, 1);
  EXPECT_TRUE(SelectTop(values, 3).all_finite);
  for (const std::size_t at : {0, 50, 100}) {
    for (const float odd :
         {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::quiet_NaN()}) {
      values.assign(101, 1);
      values[at] = odd;
      const Top top = SelectTop(values, 1);
      EXPECT_FALSE(top.all_finite);
      EXPECT_EQ(top.indices, std::vector<std::uint32_t>{static_cast<std::uint32_t>(at)});
    }
  }
}

}  // namespace
}  // namespace regatta::eccl
