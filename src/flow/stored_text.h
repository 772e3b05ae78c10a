#pragma once

#include <map>
#include <string>
#include <vector>

#include "flow/cache_key.h"
#include "flow/run_state.h"

namespace regatta::flow {

// JSON texts that are written once or more for every step, so without a tree of values: that was
// most of what a step cost. What reads them back is in records.h.

std::string DetailText(const StepRun& step);        // flow_step_details.detail
std::string JobSpecText(const job::JobSpec& spec);  // flow_step_details.job_spec
std::string OutputsText(const std::map<std::string, ArtifactList>& artifacts);
std::string PartsText(const std::vector<CachePart>& parts);  // flow_step_latest.parts
std::string LastMetricsText(const std::map<std::string, MetricPoint>& metrics);
std::string EventText(const StepView& step);  // a `step` event; the same members as ToJson(step)

}  // namespace regatta::flow
