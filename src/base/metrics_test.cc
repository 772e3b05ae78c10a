#include "base/metrics.h"

#include <gtest/gtest.h>

namespace regatta::base {
namespace {

TEST(Metrics, RendersPrometheusText) {
  GetCounter("t_requests_total", "Requests", "code=\"200\"").Add(3);
  GetGauge("t_depth", "Depth").Set(-2);
  const std::string text = RenderMetrics();
  EXPECT_NE(text.find("# HELP t_requests_total Requests\n# TYPE t_requests_total counter\n"
                      "t_requests_total{code=\"200\"} 3\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("t_depth -2\n"), std::string::npos);
}

TEST(Metrics, CountsHistogramBucketsCumulatively) {
  Histogram& histogram = GetHistogram("t_seconds", "Time");
  histogram.Observe(0.0004);
  histogram.Observe(0.3);
  histogram.Observe(100);
  const std::string text = RenderMetrics();
  EXPECT_NE(text.find("t_seconds_bucket{le=\"0.0005\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("t_seconds_bucket{le=\"0.5\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("t_seconds_bucket{le=\"60\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("t_seconds_bucket{le=\"+Inf\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("t_seconds_count 3\n"), std::string::npos);
}

}  // namespace
}  // namespace regatta::base
