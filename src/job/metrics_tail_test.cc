#include "job/metrics_tail.h"

#include <gtest/gtest.h>

#include "job/test_support.h"

namespace regatta::job {
namespace {

TEST(MetricsTail, TakesWhatCanBeStored) {
  const TemporaryFolder folder;
  std::ofstream(folder / "m") << R"({"name": "a", "value": 1, "step": 9223372036854775807})"
                                 "\n"
                              << R"({"name": "a", "value": 1, "step": 9223372036854775808})"
                                 "\n"
                              << R"({"name": "a\u0000b", "value": 1})"
                                 "\n"
                              << R"({"name": "a\nb", "value": 1})"
                                 "\n";
  MetricsTail tail("job", 0, folder / "m");
  std::vector<base::Event> events;
  EXPECT_FALSE(tail.Read(&events));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].data["step"], std::int64_t{9223372036854775807});
  EXPECT_EQ(events[1].data["name"], "a\nb");
  EXPECT_EQ(tail.malformed(), 2);
}

}  // namespace
}  // namespace regatta::job
