#include "base/metrics.h"

#include <cstdio>
#include <map>
#include <memory>
#include <mutex>

namespace regatta::base {
namespace {

struct Family {
  std::string help;
  std::string type;
  std::map<std::string, std::unique_ptr<Counter>> counters;
  std::map<std::string, std::unique_ptr<Gauge>> gauges;
  std::map<std::string, std::unique_ptr<Histogram>> histograms;
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Family> families;
};

Registry& TheRegistry() {
  static Registry& registry = *new Registry;  // Never destroyed: threads may count at exit.
  return registry;
}

template <typename T>
T& Get(std::map<std::string, std::unique_ptr<T>> Family::* member, const char* type,
       const std::string& name, const std::string& help, const std::string& labels) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  Family& family = registry.families[name];
  family.help = help;
  family.type = type;
  std::unique_ptr<T>& slot = (family.*member)[labels];
  if (slot == nullptr) slot = std::make_unique<T>();
  return *slot;
}

std::string Braced(const std::string& labels) { return labels.empty() ? "" : "{" + labels + "}"; }

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

const std::vector<double>& Histogram::Bounds() {
  static const std::vector<double>& bounds = *new std::vector<double>{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return bounds;
}

void Histogram::Observe(double seconds) {
  int bucket = 0;
  while (bucket < kBuckets && seconds > Bounds()[bucket]) ++bucket;
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_micros_.fetch_add(static_cast<std::int64_t>(seconds * 1e6), std::memory_order_relaxed);
}

void Histogram::Render(std::string& out, const std::string& name, const std::string& labels) const {
  std::int64_t total = 0;
  const std::string comma = labels.empty() ? "" : labels + ",";
  for (int i = 0; i <= kBuckets; ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    const std::string bound = i < kBuckets ? Number(Bounds()[i]) : "+Inf";
    out += name + "_bucket{" + comma + "le=\"" + bound + "\"} " + std::to_string(total) + "\n";
  }
  out += name + "_sum" + Braced(labels) + " " +
         Number(static_cast<double>(sum_micros_.load(std::memory_order_relaxed)) / 1e6) + "\n";
  out += name + "_count" + Braced(labels) + " " + std::to_string(total) + "\n";
}

Counter& GetCounter(const std::string& name, const std::string& help, const std::string& labels) {
  return Get(&Family::counters, "counter", name, help, labels);
}

Gauge& GetGauge(const std::string& name, const std::string& help, const std::string& labels) {
  return Get(&Family::gauges, "gauge", name, help, labels);
}

Histogram& GetHistogram(const std::string& name, const std::string& help,
                        const std::string& labels) {
  return Get(&Family::histograms, "histogram", name, help, labels);
}

std::string RenderMetrics() {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  std::string out;
  for (const auto& [name, family] : registry.families) {
    out += "# HELP " + name + " " + family.help + "\n# TYPE " + name + " " + family.type + "\n";
    for (const auto& [labels, counter] : family.counters) {
      out += name + Braced(labels) + " " + std::to_string(counter->value()) + "\n";
    }
    for (const auto& [labels, gauge] : family.gauges) {
      out += name + Braced(labels) + " " + std::to_string(gauge->value()) + "\n";
    }
    for (const auto& [labels, histogram] : family.histograms) histogram->Render(out, name, labels);
  }
  return out;
}

}  // namespace regatta::base
