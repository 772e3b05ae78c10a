#include "flow/stored_text.h"

#include "base/json_writer.h"

namespace regatta::flow {
namespace {

using base::JsonWriter;

void WriteArtifacts(JsonWriter& out, const std::map<std::string, ArtifactList>& artifacts) {
  out.BeginObject();
  for (const auto& [name, list] : artifacts) {
    out.Key(name);
    out.BeginArray();
    for (const Artifact& artifact : list) {
      out.BeginObject();
      out.Text("path", artifact.path);
      out.Text("kind", artifact.kind);
      out.Text("digest", artifact.digest);
      out.Integer("bytes", artifact.bytes);
      out.EndObject();
    }
    out.EndArray();
  }
  out.EndObject();
}

void WriteRanks(JsonWriter& out, const std::vector<RankView>& ranks) {
  out.BeginArray();
  for (const RankView& rank : ranks) {
    out.BeginObject();
    out.Integer("rank", rank.rank);
    out.Text("role", rank.role);
    out.Integer("index", rank.index);
    out.Text("state", rank.state);
    out.Integer("pid", rank.pid);
    out.Integer("started_at", rank.started_at);
    out.Integer("finished_at", rank.finished_at);
    out.Text("message", rank.message);
    if (rank.exit_code) out.Integer("exit_code", *rank.exit_code);
    if (rank.signal) out.Integer("signal", *rank.signal);
    out.EndObject();
  }
  out.EndArray();
}

// A cached step has a part for each thing that did not change: its value is written once.
void WriteCacheReport(JsonWriter& out, const CacheReport& report) {
  out.BeginObject();
  out.Text("outcome", report.outcome);
  out.Text("reason", report.reason);
  out.Text("key", report.key);
  out.Text("from_run_id", report.from_run_id);
  out.Text("from_step_id", report.from_step_id);
  out.Key("parts");
  out.BeginArray();
  for (const CachePart& part : report.parts) {
    out.BeginObject();
    out.Text("name", part.name);
    out.Text("value", part.value);
    if (part.changed) out.Bool("changed", true);
    if (part.previous == part.value) {
      out.Bool("same", true);
    } else if (part.previous) {
      out.Text("previous", *part.previous);
    }
    out.EndObject();
  }
  out.EndArray();
  out.EndObject();
}

void WriteMetrics(JsonWriter& out, const std::map<std::string, MetricPoint>& metrics) {
  out.BeginObject();
  for (const auto& [name, point] : metrics) out.Value(name, ToJson(point));
  out.EndObject();
}

void WriteTime(JsonWriter& out, const char* name, base::Micros time) {
  if (time != 0) out.Integer(name, time);
}

}  // namespace

std::string DetailText(const StepRun& step) {
  const StepDetail& detail = *step.detail;
  JsonWriter out;
  out.BeginObject();
  out.Text("command", detail.command);
  out.Text("condition", detail.condition);
  out.Text("interpreter", detail.interpreter);
  out.Value("parameters", step.parameters);
  out.TextMap("env", detail.env);
  out.Key("inputs");
  WriteArtifacts(out, step.inputs);
  out.Key("outputs");
  WriteArtifacts(out, step.outputs);
  out.Key("ranks");
  WriteRanks(out, detail.ranks);
  out.Key("cache");
  WriteCacheReport(out, detail.cache);
  out.Text("job_folder", step.job_folder);
  out.EndObject();
  return out.Take();
}

std::string JobSpecText(const job::JobSpec& spec) {
  JsonWriter out;
  out.BeginObject();
  out.Text("id", spec.id);
  out.Text("name", spec.name);
  out.Text("project", spec.project);
  out.Text("created_by", spec.created_by);
  out.Integer("framework", static_cast<int>(spec.framework));
  out.Key("roles");
  out.BeginArray();
  for (const job::Role& role : spec.roles) {
    out.BeginObject();
    out.Text("name", role.name);
    out.Integer("replicas", role.replicas);
    out.Texts("argv", role.argv);
    out.TextMap("env", role.env);
    out.Text("image", role.image);
    out.Value("cpus", role.resources.cpus);
    out.Integer("memory_bytes", role.resources.memory_bytes);
    out.EndObject();
  }
  out.EndArray();
  out.TextMap("env", spec.env);
  out.Text("working_directory", spec.working_directory);
  out.Text("directory", spec.directory);
  out.Texts("python_imports", spec.python_imports);
  out.Key("folders");
  out.BeginArray();
  for (const job::SharedFolder& folder : spec.folders) {
    out.BeginObject();
    out.Text("path", folder.path);
    out.Text("inside", folder.inside);
    out.Bool("read_only", folder.read_only);
    out.EndObject();
  }
  out.EndArray();
  out.Integer("grace_ms", spec.grace.count());
  out.Integer("timeout_ms", spec.timeout.count());
  out.EndObject();
  return out.Take();
}

std::string OutputsText(const std::map<std::string, ArtifactList>& artifacts) {
  JsonWriter out;
  WriteArtifacts(out, artifacts);
  return out.Take();
}

std::string PartsText(const std::vector<CachePart>& parts) {
  JsonWriter out;
  out.BeginArray();
  for (const CachePart& part : parts) {
    out.BeginObject();
    out.Text("name", part.name);
    out.Text("value", part.value);
    out.EndObject();
  }
  out.EndArray();
  return out.Take();
}

std::string LastMetricsText(const std::map<std::string, MetricPoint>& metrics) {
  JsonWriter out;
  WriteMetrics(out, metrics);
  return out.Take();
}

std::string EventText(const StepView& step) {
  JsonWriter out;
  out.BeginObject();
  out.Text("id", step.id);
  out.Text("run_id", step.run_id);
  out.Text("name", step.name);
  out.Text("node", step.node);
  out.Text("kind", step.kind);
  out.Text("state", StateName(step.state));
  out.Bool("cached", step.cached);
  out.Text("reason", step.reason);
  out.Texts("deps", step.deps);
  out.Integer("replicas", step.replicas);
  out.Integer("created_at", step.created_at);
  if (!step.parent_id.empty()) out.Text("parent_id", step.parent_id);
  if (step.loop_index) {
    out.Integer("loop_index", *step.loop_index);
    out.Value("loop_argument", step.loop_argument);
  }
  WriteTime(out, "started_at", step.started_at);
  WriteTime(out, "finished_at", step.finished_at);
  if (!step.last_metrics.empty()) {
    out.Key("last_metrics");
    WriteMetrics(out, step.last_metrics);
  }
  out.EndObject();
  return out.Take();
}

}  // namespace regatta::flow
