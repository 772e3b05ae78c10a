#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace regatta::base {

// Process-wide metrics in Prometheus' text format. Make one as a function-local static reference:
//   static Counter& requests = GetCounter("regatta_http_requests_total", "HTTP requests answered");
// Names and help are fixed strings; `labels` is the text between the braces (`code="200"`), or "".
// Objects live as long as the process; all functions are thread-safe.

class Counter {
 public:
  void Add(std::int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_ = 0;
};

class Gauge {
 public:
  void Set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_ = 0;
};

// Durations in seconds over fixed buckets from 0.5 ms to 60 s.
class Histogram {
 public:
  static const std::vector<double>& Bounds();
  void Observe(double seconds);
  void Render(std::string& out, const std::string& name, const std::string& labels) const;

 private:
  static constexpr int kBuckets = 16;
  std::atomic<std::int64_t> counts_[kBuckets + 1] = {};
  std::atomic<std::int64_t> sum_micros_ = 0;
};

Counter& GetCounter(const std::string& name, const std::string& help,
                    const std::string& labels = "");
Gauge& GetGauge(const std::string& name, const std::string& help, const std::string& labels = "");
Histogram& GetHistogram(const std::string& name, const std::string& help,
                        const std::string& labels = "");

// Everything registered so far, sorted by name.
std::string RenderMetrics();

}  // namespace regatta::base
