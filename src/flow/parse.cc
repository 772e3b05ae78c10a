#include "flow/parse.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/sha256.h"
#include "flow/check_references.h"
#include "flow/components.h"
#include "flow/names.h"
#include "flow/paddleflow_scalars.h"
#include "flow/parse_distributed.h"
#include "flow/parse_fields.h"
#include "flow/parse_file_systems.h"
#include "flow/run_form.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

std::vector<std::string> StepKeys(bool compat) {
  std::vector<std::string> keys = {"loop_argument", "condition", "parameters", "command",
                                   "deps",          "artifacts", "env",        "docker_env",
                                   "cache",         "reference", "extra_fs",   "type"};
  if (compat) {
    keys.emplace_back("name");  // which means nothing there
  } else {
    keys.insert(keys.end(), {"distributed_job", "snapshot", "python", "timeout", "grace", "retry"});
  }
  return keys;
}

void RememberPlaces(const MapReader& reader, ReadContext* context, Node* node) {
  for (const char* key :
       {"condition", "loop_argument", "command", "deps", "env", "artifacts", "cache"}) {
    if (const YamlNode::Member* member = reader.FindMember(key); member != nullptr) {
      node->field_places[key] = context->At(member->value);
    }
  }
}

std::vector<std::unique_ptr<Node>> ReadChildren(const YamlNode& map, const std::string& path,
                                                ReadContext* context,
                                                ComponentReferences* references);

void CheckType(const MapReader& reader, const char* wanted, ReadContext* context) {
  const std::string type = reader.Text("type", wanted);
  if (!type.empty() && absl::AsciiStrToLower(type) != wanted) {
    context->Add(*reader.Find("type"), reader.PathOf("type"),
                 Cat("must be ", Quoted(wanted), " here, not ", Quoted(type)));
  }
}

void ReadDag(const YamlNode& yaml, const std::string& path, ReadContext* context,
             ComponentReferences* references, Node* node) {
  node->kind = NodeKind::kDag;
  std::vector<std::string> keys = {"loop_argument", "condition",    "parameters", "deps",
                                   "artifacts",     "entry_points", "type"};
  if (context->compat()) keys.emplace_back("name");
  const MapReader reader(yaml, "dag", path, std::move(keys), context);
  CheckType(reader, "dag", context);
  ReadParameters(reader, context, node);
  ReadArtifacts(reader, context, node);
  ReadDeps(reader, context, node);
  ReadLoopArgument(reader, context, node);
  node->condition = reader.Text("condition");
  RememberPlaces(reader, context, node);
  if (const YamlNode* children = reader.Find("entry_points"); children != nullptr) {
    node->children = ReadChildren(*children, reader.PathOf("entry_points"), context, references);
  } else {
    context->Add(yaml, reader.PathOf("entry_points"), "is missing: a DAG needs at least one step");
  }
}

// A step that is a copy of a component: it has no more than what it gives to it.
void ReadReference(const YamlNode& yaml, const MapReader& reader, ReadContext* context,
                   ComponentReferences* references, Node* node) {
  const YamlNode& reference = *reader.Find("reference");
  const MapReader fields(reference, "reference", reader.PathOf("reference"), {"component"},
                         context);
  for (const YamlNode::Member& member : yaml.members) {
    const std::string& key = member.key;
    if (key == "reference" || key == "deps" || key == "parameters" || key == "artifacts" ||
        key == "type" || key == "name" || reader.FindMember(key) == nullptr) {
      continue;
    }
    context->Add(context->At(member), reader.PathOf(key),
                 "may not stand beside reference: only deps, parameters and artifacts.input may, "
                 "the rest is the component's");
  }
  if (!node->outputs.empty()) {
    context->Add(node->outputs[0].place, reader.PathOf("artifacts.output"),
                 "may not stand beside reference: the outputs are the component's");
    node->outputs.clear();
  }
  RememberPlaces(reader, context, node);
  if (fields.Find("component") == nullptr) {
    if (reference.is_map()) {
      context->Add(reference, fields.PathOf("component"), "is missing: name a component");
    }
  } else if (std::string name = fields.Text("component"); !name.empty()) {
    (*references)[node] = {std::move(name), context->At(*fields.Find("component"))};
  }
}

void ReadStep(const YamlNode& yaml, const std::string& path, ReadContext* context,
              ComponentReferences* references, Node* node) {
  const MapReader reader(yaml, "step", path, StepKeys(context->compat()), context);
  CheckType(reader, "step", context);
  ReadParameters(reader, context, node);
  ReadArtifacts(reader, context, node);
  ReadDeps(reader, context, node);
  if (reader.Find("reference") != nullptr) {
    ReadReference(yaml, reader, context, references, node);
    return;
  }
  ReadLoopArgument(reader, context, node);
  node->condition = reader.Text("condition");
  node->command = ReadCommand(reader, context);
  node->env = ReadEnv(reader, context);
  node->docker_env = ReadDockerEnv(reader, context);
  node->cache = ReadCache(reader, context);
  node->extra_fs = ReadExtraFs(reader, context);
  if (!context->compat()) ReadExtensions(reader, context, node);
  RememberPlaces(reader, context, node);

  const bool members_have_commands =
      node->distributed_job && !node->distributed_job->members.empty() &&
      std::all_of(node->distributed_job->members.begin(), node->distributed_job->members.end(),
                  [](const Member& member) { return member.command.has_value(); });
  if (node->command.empty() && reader.Find("command") == nullptr && !members_have_commands &&
      !context->compat()) {
    context->Add(yaml, reader.PathOf("command"), "is missing: a step needs a command");
  }
}

std::unique_ptr<Node> ReadNode(const YamlNode::Member& member, const std::string& path,
                               NodeKind kind, ReadContext* context,
                               ComponentReferences* references) {
  auto node = std::make_unique<Node>();
  node->name = member.key;
  node->kind = kind;
  node->place = context->At(member);
  if (!IsStepName(member.key)) {
    context->Add(
        context->At(member), path,
        Cat(Quoted(member.key),
            " is no name for a step; use letters, digits and -, a letter first, at most 30"));
  }
  if (!member.value.is_map()) {
    context->Add(member.value, path,
                 Cat("a step is a map of keys to values, not ", member.value.Describe()));
    return node;
  }
  const bool dag =
      std::any_of(member.value.members.begin(), member.value.members.end(),
                  [](const YamlNode::Member& field) { return field.key == "entry_points"; });
  if (dag && kind == NodeKind::kStep) {
    ReadDag(member.value, path, context, references, node.get());
  } else {
    ReadStep(member.value, path, context, references, node.get());
  }
  return node;
}

std::vector<std::unique_ptr<Node>> ReadChildren(const YamlNode& map, const std::string& path,
                                                ReadContext* context,
                                                ComponentReferences* references) {
  std::vector<std::unique_ptr<Node>> children;
  if (!map.is_map() || map.members.empty()) {
    context->Add(map, path, "must be a map of at least one step");
    return children;
  }
  for (const YamlNode::Member& member : map.members) {
    children.push_back(
        ReadNode(member, JoinDots(path, member.key), NodeKind::kStep, context, references));
  }
  return children;
}

void ReadParallelism(const MapReader& reader, ReadContext* context, Pipeline* pipeline) {
  constexpr std::int64_t kMost = 10'000;
  constexpr std::int64_t kUsual = 10;
  std::int64_t parallelism = reader.Integer("parallelism", kUsual);
  if (context->compat()) {
    parallelism = std::min<std::int64_t>(parallelism <= 0 ? kUsual : parallelism, 20);
  } else if (parallelism < 0) {
    context->Add(*reader.Find("parallelism"), reader.PathOf("parallelism"),
                 "must not be negative: it is how many steps run at once");
    parallelism = kUsual;
  } else if (parallelism == 0) {
    parallelism = kUsual;
  } else if (parallelism > kMost) {
    context->Add(*reader.Find("parallelism"), reader.PathOf("parallelism"),
                 Cat("must be at most ", std::to_string(kMost)));
    parallelism = kMost;
  }
  pipeline->parallelism = static_cast<int>(parallelism);
}

void ReadFailureOptions(const MapReader& reader, ReadContext* context, Pipeline* pipeline) {
  const YamlNode* options = reader.Find("failure_options");
  if (options == nullptr) return;
  const MapReader fields(*options, "failure_options", reader.PathOf("failure_options"),
                         {"strategy"}, context);
  const std::string strategy = fields.Text("strategy", "fail_fast");
  if (strategy == "continue") {
    pipeline->failure_strategy = FailureStrategy::kContinue;
  } else if (strategy != "fail_fast") {
    context->Add(*fields.Find("strategy"), fields.PathOf("strategy"),
                 Cat("must be fail_fast or continue, not ", Quoted(strategy)));
  }
}

void ReadPostProcess(const MapReader& reader, ReadContext* context, ComponentReferences* references,
                     Pipeline* pipeline) {
  const YamlNode* map = reader.Find("post_process");
  if (map == nullptr) return;
  const std::string path = reader.PathOf("post_process");
  if (map->is_map() && map->members.empty()) return;
  if (!map->is_map() || map->members.size() != 1) {
    context->Add(*map, path, "must be a map of exactly one step");
    return;
  }
  pipeline->post_process = ReadNode(map->members[0], JoinDots(path, map->members[0].key),
                                    NodeKind::kPostProcess, context, references);
}

// First of all: what else may stand there depends on it.
void ReadCompat(const MapReader& reader, ReadContext* context, Pipeline* pipeline) {
  const std::string compat = reader.Text("compat");
  if (compat == "paddleflow") {
    context->SetCompat();
  } else if (reader.Find("compat") != nullptr && reader.Find("compat")->is_scalar()) {
    context->Add(*reader.Find("compat"), reader.PathOf("compat"),
                 Cat("must be \"paddleflow\", or absent, not ", Quoted(compat)));
  }
  pipeline->compat = context->compat();
}

bool SaysCompat(const YamlNode& tree) {
  return std::any_of(tree.members.begin(), tree.members.end(), [](const YamlNode::Member& member) {
    return member.key == "compat" && member.value.scalar == "paddleflow";
  });
}

void ReadPipeline(const YamlNode& tree, ReadContext* context, Pipeline* pipeline) {
  const MapReader reader(
      tree, "workflow", "",
      {"name", "docker_env", "entry_points", "components", "parallelism", "disabled", "cache",
       "failure_options", "post_process", "fs_options", "compat"},
      context);
  if (!tree.is_map()) return;
  ReadCompat(reader, context, pipeline);
  pipeline->name = reader.Text("name");
  if (!IsPipelineName(pipeline->name)) {
    const YamlNode* name = reader.Find("name");
    context->Add(name == nullptr ? tree : *name, "name",
                 name == nullptr ? std::string("is missing: a pipeline needs a name")
                                 : Cat(Quoted(pipeline->name),
                                       " is no name for a pipeline; use letters, digits, - and _, "
                                       "a letter or _ first, at most 128"));
  }
  ComponentReferences references;
  std::vector<std::unique_ptr<Node>> components;
  const YamlNode* map = reader.Find("components");
  if (map != nullptr && !(map->is_map() && map->members.empty())) {
    components = ReadChildren(*map, "components", context, &references);
  }
  pipeline->docker_env = ReadDockerEnv(reader, context);
  pipeline->cache = ReadCache(reader, context);
  ReadParallelism(reader, context, pipeline);
  ReadFailureOptions(reader, context, pipeline);
  ReadFileSystems(reader, context, pipeline);
  if (const YamlNode* steps = reader.Find("entry_points"); steps != nullptr) {
    pipeline->entry_points = ReadChildren(*steps, "entry_points", context, &references);
  } else {
    context->Add(tree, "entry_points", "is missing: a pipeline needs at least one step");
  }
  ReadPostProcess(reader, context, &references, pipeline);
  const auto unused = ResolveComponents(components, references, context, pipeline);
  for (const Node* component : unused) CheckComponent(*component, *pipeline, context);
  const std::vector<std::string> disabled = SplitCommas(reader.Text("disabled"));
  if (!disabled.empty()) {
    DisableNodes(disabled, context->At(*reader.Find("disabled")), "disabled", context, pipeline);
  }
}

void SortByPlace(std::vector<Problem>* problems) {
  std::stable_sort(problems->begin(), problems->end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
}

absl::Status Refuse(std::vector<Problem> found, std::vector<Problem>* problems) {
  SortByPlace(&found);
  const std::string first = found.front().ToString();
  if (problems != nullptr) *problems = std::move(found);
  return absl::InvalidArgumentError(first);
}

}  // namespace

absl::StatusOr<Pipeline> ParsePipeline(std::string_view yaml, const ParseOptions& options,
                                       std::vector<Problem>* problems) {
  std::vector<Problem> found;
  Pipeline pipeline;
  YamlNode tree;
  if (ReadYaml(yaml, options.file, {}, &tree, &found)) {
    ReadContext context(options.file, options.paddleflow_compat, &found);
    ReadRunForm(&tree);
    if (context.compat() || SaysCompat(tree)) ReadScalarsAsPaddleFlow(&tree);
    ReadPipeline(tree, &context, &pipeline);
    if (pipeline.compat) pipeline.source_digest = base::Sha256Hex(yaml);
    CheckReferences(pipeline, false, &context);
  }
  if (!found.empty()) return Refuse(std::move(found), problems);
  if (problems != nullptr) problems->clear();
  return pipeline;
}

absl::Status ApplyRequest(const base::Json& parameters, const std::vector<std::string>& disabled,
                          const ParseOptions& options, Pipeline* pipeline,
                          std::vector<Problem>* problems) {
  std::vector<Problem> found;
  ReadContext context(options.file, options.paddleflow_compat || pipeline->compat, &found);
  const Place request{"the request", 1, 1};
  SetParameters(parameters, request, &context, pipeline);
  // PaddleFlow's request replaces the file's list; ours adds to it.
  if (!disabled.empty() && context.compat()) EnableAll(pipeline);
  if (!disabled.empty()) DisableNodes(disabled, request, "disabled", &context, pipeline);
  CheckReferences(*pipeline, true, &context);
  CheckAllGiven(*pipeline, &context);
  if (!found.empty()) return Refuse(std::move(found), problems);
  if (problems != nullptr) problems->clear();
  return absl::OkStatus();
}

}  // namespace regatta::flow
