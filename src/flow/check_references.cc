#include "flow/check_references.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "flow/condition.h"
#include "flow/condition_paddleflow.h"
#include "flow/names.h"
#include "flow/parse_fields.h"
#include "flow/template.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

using Siblings = std::unordered_map<std::string, const Node*>;

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool HasInput(const Node& node, const std::string& name) {
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](const InputArtifact& input) { return input.name == name; });
}

bool HasOutput(const Node& node, const std::string& name) {
  return std::any_of(node.outputs.begin(), node.outputs.end(),
                     [&](const OutputArtifact& output) { return output.name == name; });
}

std::vector<std::string> NamesOf(const Siblings& siblings) {
  std::vector<std::string> names;
  for (const auto& [name, node] : siblings) names.push_back(name);
  return names;
}

// What a node's own names may be used for in one of its fields.
struct OwnNames {
  bool parameters = false;
  bool inputs = false;
  bool outputs = false;
};

// Where a node stands.
struct Surroundings {
  const Node* parent = nullptr;  // the DAG around it; null at the top
  const Siblings& siblings;
  bool live = true;        // no DAG around it is disabled
  bool component = false;  // it is an outermost component: what is around it is not known yet
  bool given = false;      // values of parameters are final
};

// Checks one node against its siblings and its parent.
class NodeChecker {
 public:
  NodeChecker(const Node& node, const Surroundings& around, std::string path, ReadContext* context)
      : node_(node),
        parent_(around.parent),
        siblings_(around.siblings),
        live_(around.live && !node.disabled),
        component_(around.component),
        given_(around.given),
        style_(context->compat() ? TemplateStyle::kPaddleFlow : TemplateStyle::kOurs),
        path_(std::move(path)),
        context_(context) {}

  void Check() {
    CheckNames();
    if (!component_) CheckDeps();
    for (const auto& [name, parameter] : node_.parameters) {
      if (parameter.value.is_string()) CheckParameter(name, parameter);
    }
    if (!component_) {
      for (const InputArtifact& input : node_.inputs) CheckInput(input);
    }
    if (node_.kind == NodeKind::kDag) CheckDagOutputs();
    for (const auto& [name, value] : node_.env) {
      CheckOwn(value, "env." + name, PlaceOf("env"), {.parameters = true});
    }
    const OwnNames all{.parameters = true, .inputs = true, .outputs = true};
    CheckOwn(node_.command.shell, "command", node_.command.place, all);
    for (const std::string& argument : node_.command.argv) {
      CheckOwn(argument, "command", node_.command.place, all);
    }
    if (node_.distributed_job) {
      for (const Member& member : node_.distributed_job->members) {
        const std::string member_path = "distributed_job." + member.role;
        if (member.command) CheckOwn(*member.command, member_path + ".command", member.place, all);
        for (const auto& [name, value] : member.env) {
          CheckOwn(value, member_path + ".env." + name, member.place, {.parameters = true});
        }
      }
    }
    CheckCondition();
    CheckLoop();
    if (node_.kind == NodeKind::kPostProcess) CheckPostProcess();
  }

 private:
  Place PlaceOf(const char* field) const {
    const auto found = node_.field_places.find(field);
    return found == node_.field_places.end() ? node_.place : found->second;
  }

  void Add(const Place& place, const std::string& field, std::string message) {
    context_->Add(place, JoinDots(path_, field), std::move(message));
  }

  // Parameters, inputs and outputs share one namespace, in which case does not count: they become
  // environment variables in upper case.
  void CheckNames() {
    std::unordered_map<std::string, std::string> seen;
    const auto take = [&](const std::string& name, const char* what, const Place& place) {
      const std::string field =
          Cat(std::string_view(what) == "parameter" ? "parameters." : "artifacts.",
              std::string_view(what) == "parameter" ? "" : Cat(what, "."), name);
      // PaddleFlow takes such a name; what it says of a system variable nobody can see there.
      if (name.starts_with("PF_") && !context_->compat()) {
        Add(place, field, Cat(Quoted(name), " begins with PF_, which is kept for the system"));
      }
      const auto [other, fresh] = seen.emplace(Lower(name), what);
      if (!fresh) {
        Add(place, field,
            Cat("the name ", Quoted(name), " of this ", what, " is taken by ",
                other->second == what ? "another " : "a ", other->second,
                " of this step (upper and lower case do not differ)"));
      }
    };
    for (const auto& [name, parameter] : node_.parameters) take(name, "parameter", parameter.place);
    for (const InputArtifact& input : node_.inputs) take(input.name, "input", input.place);
    for (const OutputArtifact& output : node_.outputs) take(output.name, "output", output.place);
  }

  void CheckDeps() {
    std::set<std::string> seen;
    for (const std::string& dep : node_.deps) {
      if (context_->full()) return;
      if (dep == node_.name) {
        Add(PlaceOf("deps"), "deps", Cat("step ", Quoted(dep), " needs itself"));
      } else if (!siblings_.contains(dep)) {
        Add(PlaceOf("deps"), "deps",
            Cat("step ", Quoted(node_.name), " needs ", Quoted(dep), ", which does not exist",
                context_->Hint(dep, NamesOf(siblings_))));
      } else if (!seen.insert(dep).second && !context_->compat()) {
        Add(PlaceOf("deps"), "deps", Cat(Quoted(dep), " stands here a second time"));
      }
    }
  }

  // The templates of a text, or nothing (and a problem) when they are malformed.
  std::vector<TemplateReference> Templates(const std::string& text, const std::string& field,
                                           const Place& place) {
    auto found = FindTemplates(text, style_);
    if (found.ok()) return *std::move(found);
    Add(place, field, std::string(found.status().message()));
    return {};
  }

  // The sibling that a template names, if it may be named here.
  const Node* Sibling(const TemplateReference& reference, const std::string& field,
                      const Place& place) {
    const auto found = siblings_.find(reference.node);
    if (found == siblings_.end()) {
      Add(place, field,
          Cat("there is no step ", Quoted(reference.node), " beside ", Quoted(node_.name),
              context_->Hint(reference.node, NamesOf(siblings_))));
      return nullptr;
    }
    if (std::find(node_.deps.begin(), node_.deps.end(), reference.node) == node_.deps.end()) {
      Add(place, field,
          Cat("step ", Quoted(node_.name), " uses ", Quoted(reference.node),
              " but does not wait for it; add it to deps"));
      return nullptr;
    }
    if (found->second->disabled && live_) {
      Add(place, field,
          Cat("step ", Quoted(reference.node), " is disabled, but ", Quoted(node_.name),
              " uses what it makes"));
      return nullptr;
    }
    return found->second;
  }

  void CheckParameter(const std::string& name, const Parameter& parameter) {
    const std::string field = "parameters." + name;
    const auto& text = parameter.value.get_ref<const std::string&>();
    for (const TemplateReference& reference : Templates(text, field, parameter.place)) {
      if (reference.node.empty()) {
        if (!IsSystemVariable(reference.name)) {
          Add(parameter.place, field,
              Cat("{{", reference.name,
                  "}} is no system variable; a parameter may use those, "
                  "{{step.parameter}} of steps in deps, and {{PF_PARENT.parameter}}"));
        }
      } else if (component_) {
        continue;  // it may be used within a DAG
      } else if (reference.node == "PF_PARENT") {
        if (parent_ == nullptr) {
          Add(parameter.place, field, "PF_PARENT has no meaning outside a DAG");
        } else if (reference.name == "PF_LOOP_ARGUMENT") {
          if (!parent_->loop_argument) {
            Add(parameter.place, field,
                Cat("the DAG ", Quoted(parent_->name),
                    " has no loop_argument, so there is no item"));
          }
        } else if (!parent_->parameters.contains(reference.name)) {
          Add(parameter.place, field,
              Cat("the DAG ", Quoted(parent_->name), " has no parameter ", Quoted(reference.name)));
        }
      } else if (const Node* sibling = Sibling(reference, field, parameter.place)) {
        if (!sibling->parameters.contains(reference.name)) {
          Add(parameter.place, field,
              Cat("step ", Quoted(sibling->name), " has no parameter ", Quoted(reference.name)));
        }
      }
    }
  }

  // Exactly one template and nothing around it.
  const TemplateReference* Only(const std::vector<TemplateReference>& found,
                                const std::string& text) {
    const std::string_view trimmed = Trim(text);
    return found.size() == 1 && trimmed.starts_with("{{") && trimmed.ends_with("}}") &&
                   found[0].end - found[0].begin == trimmed.size()
               ? &found[0]
               : nullptr;
  }

  void CheckInput(const InputArtifact& input) {
    const std::string field = "artifacts.input." + input.name;
    if (input.from.empty()) {
      Add(input.place, field, "has no source; give one template, as \"{{prepare.data}}\"");
      return;
    }
    const std::size_t before = context_->count();
    const auto found = Templates(input.from, field, input.place);
    const TemplateReference* reference = Only(found, input.from);
    if (reference == nullptr || reference->node.empty()) {
      if (context_->count() == before) {
        Add(input.place, field,
            Cat(Quoted(input.from), " must be one template, as \"{{prepare.data}}\""));
      }
      return;
    }
    if (reference->node == "PF_PARENT") {
      if (parent_ == nullptr) {
        Add(input.place, field, "PF_PARENT has no meaning outside a DAG");
      } else if (!HasInput(*parent_, reference->name)) {
        Add(input.place, field,
            Cat("the DAG ", Quoted(parent_->name), " has no input ", Quoted(reference->name)));
      }
      return;
    }
    const Node* sibling = Sibling(*reference, field, input.place);
    if (sibling == nullptr) return;
    if (!HasOutput(*sibling, reference->name)) {
      std::vector<std::string> outputs;
      for (const OutputArtifact& output : sibling->outputs) outputs.push_back(output.name);
      Add(input.place, field,
          Cat("step ", Quoted(sibling->name), " has no output ", Quoted(reference->name),
              context_->Hint(reference->name, outputs)));
    } else if (!sibling->condition.empty()) {
      Add(input.place, field,
          Cat("step ", Quoted(sibling->name),
              " has a condition, so its output may never be written"));
    }
  }

  void CheckDagOutputs() {
    for (const OutputArtifact& output : node_.outputs) {
      const std::string field = "artifacts.output." + output.name;
      const std::size_t before = context_->count();
      const auto found = Templates(output.from, field, output.place);
      const TemplateReference* reference = Only(found, output.from);
      if (reference == nullptr || reference->node.empty()) {
        if (context_->count() == before) {
          Add(output.place, field,
              Cat(Quoted(output.from), " must be one template, as \"{{child.model}}\""));
        }
        continue;
      }
      const auto child =
          std::find_if(node_.children.begin(), node_.children.end(),
                       [&](const auto& candidate) { return candidate->name == reference->node; });
      if (child == node_.children.end() || !HasOutput(**child, reference->name)) {
        Add(output.place, field,
            Cat("no child ", Quoted(reference->node), " with an output ", Quoted(reference->name)));
      } else if (!(*child)->condition.empty()) {
        Add(output.place, field,
            Cat("child ", Quoted(reference->node),
                " has a condition, so its output may never be written"));
      } else if ((*child)->disabled && live_) {
        Add(output.place, field, Cat("child ", Quoted(reference->node), " is disabled"));
      }
    }
  }

  // Fields that may use the node's own names and system variables only.
  void CheckOwn(const std::string& text, const std::string& field, const Place& place,
                const OwnNames& allowed) {
    for (const TemplateReference& reference : Templates(text, field, place)) {
      if (!reference.node.empty()) {
        Add(place, field,
            Cat("{{", reference.node, ".", reference.name,
                "}} may not stand here; give it to a "
                "parameter or an input of this step and use that"));
        continue;
      }
      const std::string& name = reference.name;
      const bool known =
          IsSystemVariable(name) || (allowed.parameters && node_.parameters.contains(name)) ||
          (allowed.inputs && HasInput(node_, name)) || (allowed.outputs && HasOutput(node_, name));
      if (known) continue;
      std::vector<std::string> names;
      for (const auto& [parameter, value] : node_.parameters) names.push_back(parameter);
      if (allowed.inputs) {
        for (const InputArtifact& input : node_.inputs) names.push_back(input.name);
      }
      if (allowed.outputs) {
        for (const OutputArtifact& output : node_.outputs) names.push_back(output.name);
      }
      const bool elsewhere = HasInput(node_, name) || HasOutput(node_, name);
      Add(place, field,
          elsewhere ? Cat("{{", name, "}} is an artifact, which may not be used here")
                    : Cat("{{", name, "}} is neither a parameter nor an artifact of this step",
                          context_->Hint(name, names)));
    }
  }

  void CheckCondition() {
    if (node_.condition.empty()) return;
    const Place place = PlaceOf("condition");
    const std::size_t before = context_->count();
    CheckOwn(node_.condition, "condition", place, {.parameters = true, .inputs = true});
    if (context_->count() != before) return;
    // One without templates says the same every time, so that it may as well be tried now.
    const absl::Status syntax = context_->compat() ? CheckPaddleFlowConditionSyntax(node_.condition)
                                : HasTemplates(node_.condition)
                                    ? CheckConditionSyntax(node_.condition)
                                    : EvaluateCondition(node_.condition).status();
    if (!syntax.ok()) Add(place, "condition", std::string(syntax.message()));
  }

  void CheckLoop() {
    if (!node_.loop_argument || !node_.loop_argument->is_string()) return;
    const Place place = PlaceOf("loop_argument");
    const auto& text = node_.loop_argument->get_ref<const std::string&>();
    const std::size_t before = context_->count();
    const auto found = Templates(text, "loop_argument", place);
    const TemplateReference* reference = Only(found, text);
    if (context_->count() != before) return;
    if (reference == nullptr || !reference->node.empty()) {
      Add(place, "loop_argument",
          Cat(Quoted(text),
              " must be a list, or exactly one template of an own parameter or input"));
    } else if (const auto own = node_.parameters.find(reference->name);
               own != node_.parameters.end()) {
      if (given_ && !MayBeList(own->second.value)) {
        Add(place, "loop_argument",
            Cat("parameter ", Quoted(reference->name),
                " is no list, so there is nothing to loop over"));
      }
    } else if (!HasInput(node_, reference->name)) {
      Add(place, "loop_argument",
          Cat("{{", reference->name, "}} is neither a parameter nor an input of this step"));
    }
  }

  // A list, a text that is one in JSON, one that a template fills in, or nothing yet.
  static bool MayBeList(const base::Json& value) {
    if (!value.is_string()) return value.is_null() || value.is_array();
    const auto& text = value.get_ref<const std::string&>();
    if (text.find("{{") != std::string::npos) return true;
    const auto parsed = base::ParseJson(text);
    return parsed.ok() && parsed->is_array();
  }

  void CheckPostProcess() {
    const auto refuse = [&](bool present, const char* field, const char* why) {
      if (present) Add(PlaceOf(field), field, Cat("a post_process step has no ", field, ": ", why));
    };
    refuse(!node_.deps.empty(), "deps", "it runs after everything else");
    refuse(!node_.condition.empty(), "condition", "it always runs");
    refuse(node_.loop_argument.has_value(), "loop_argument", "it runs once");
    if (!node_.inputs.empty()) {
      Add(PlaceOf("artifacts"), "artifacts.input",
          "a post_process step has no inputs: it runs even if nothing was made; read "
          "artifacts.json in the folder REGATTA_RUN_DIR");
    }
    if (node_.cache.enable.value_or(false)) {
      Add(PlaceOf("cache"), "cache", "a post_process step has no cache: it runs every time");
    }
  }

  const Node& node_;
  const Node* parent_;
  const Siblings& siblings_;
  const bool live_;
  const bool component_;
  const bool given_;
  const TemplateStyle style_;
  const std::string path_;
  ReadContext* context_;
};

// Peels off nodes without open deps (Kahn); what remains holds the cycles, and following deps
// within it must come back to a node that was seen.
void CheckCycles(const std::vector<std::unique_ptr<Node>>& nodes, const Siblings& siblings,
                 const std::string& path, ReadContext* context) {
  std::unordered_map<const Node*, int> open;
  std::unordered_map<const Node*, std::vector<const Node*>> dependents;
  std::vector<const Node*> ready;
  for (const auto& node : nodes) {
    int count = 0;
    for (const std::string& dep : node->deps) {
      const auto found = siblings.find(dep);
      if (found == siblings.end() || found->second == node.get()) continue;  // told already
      ++count;
      dependents[found->second].push_back(node.get());
    }
    open[node.get()] = count;
    if (count == 0) ready.push_back(node.get());
  }
  std::size_t done = 0;
  while (!ready.empty()) {
    const Node* node = ready.back();
    ready.pop_back();
    ++done;
    for (const Node* dependent : dependents[node]) {
      if (--open[dependent] == 0) ready.push_back(dependent);
    }
  }
  if (done == nodes.size()) return;
  const Node* at = nullptr;
  for (const auto& node : nodes) {
    if (open[node.get()] > 0) at = at == nullptr ? node.get() : at;
  }
  std::vector<const Node*> trail;
  std::unordered_set<const Node*> seen;
  while (seen.insert(at).second) {
    trail.push_back(at);
    for (const std::string& dep : at->deps) {
      const auto found = siblings.find(dep);
      if (found != siblings.end() && found->second != at && open[found->second] > 0) {
        at = found->second;
        break;
      }
    }
  }
  const auto begin = std::find(trail.begin(), trail.end(), at);
  std::string cycle;
  constexpr long kShown = 8;
  const long length = trail.end() - begin;
  for (long i = 0; i < std::min(length, kShown); ++i) cycle += begin[i]->name + " -> ";
  if (length > kShown) cycle += Cat("… (", std::to_string(length - kShown), " more) -> ");
  context->Add((*begin)->place, JoinDots(path, (*begin)->name),
               Cat("steps wait for each other in a circle: ", cycle, at->name));
}

bool Has(const std::vector<FileSystem>& file_systems, const std::string& name) {
  return std::any_of(file_systems.begin(), file_systems.end(),
                     [&](const FileSystem& other) { return other.name == name; });
}

// A file system that is not mounted cannot be watched. Where none is, the run's own folder stands
// in for any name, except in PaddleFlow's own language.
void CheckScopes(const CacheOptions& cache, const std::vector<FileSystem>& own,
                 const std::string& path, const Pipeline& pipeline, ReadContext* context) {
  const bool any = pipeline.main_fs || !pipeline.extra_fs.empty() || !own.empty();
  if (!any && !context->compat()) return;
  for (const FsScope& scope : cache.fs_scope) {
    if (pipeline.main_fs && scope.name == pipeline.main_fs->name) continue;
    if (Has(pipeline.extra_fs, scope.name) || Has(own, scope.name)) continue;
    context->Add(scope.place, path,
                 Cat("the file system ", Quoted(scope.name),
                     " is not mounted; name it in fs_options or in extra_fs of the step"));
  }
}

// What needs a file system: cache scopes and, in PaddleFlow's own language, output artifacts.
void CheckFileSystems(const Node& node, const std::string& path, const Pipeline& pipeline,
                      ReadContext* context) {
  CheckScopes(node.cache, node.extra_fs, JoinDots(path, "cache.fs_scope"), pipeline, context);
  if (!context->compat() || pipeline.main_fs || node.kind == NodeKind::kDag) return;
  for (const OutputArtifact& output : node.outputs) {
    context->Add(output.place, JoinDots(path, "artifacts.output"),
                 Cat("the output ", Quoted(output.name), " needs fs_options.main_fs"));
  }
}

void CheckChildren(const std::vector<std::unique_ptr<Node>>& nodes, const Surroundings& outer,
                   const std::string& path, const Pipeline& pipeline, ReadContext* context) {
  Siblings siblings;
  for (const auto& node : nodes) siblings[node->name] = node.get();
  for (const auto& node : nodes) {
    if (context->full()) return;
    const std::string own_path = JoinDots(path, node->name);
    const Surroundings around{outer.parent, siblings, outer.live, false, outer.given};
    NodeChecker(*node, around, own_path, context).Check();
    CheckFileSystems(*node, own_path, pipeline, context);
    if (node->kind == NodeKind::kDag) {
      const bool live = outer.live && !node->disabled;
      CheckChildren(node->children, {node.get(), siblings, live, false, outer.given},
                    JoinDots(own_path, "entry_points"), pipeline, context);
    }
  }
  CheckCycles(nodes, siblings, path, context);
}

// Calls `visit(full dotted name, node)` for every node below the entry points and post_process.
template <typename Visit>
void VisitNodes(const std::vector<std::unique_ptr<Node>>& nodes, const std::string& prefix,
                const Visit& visit) {
  for (const auto& node : nodes) {
    const std::string name = JoinDots(prefix, node->name);
    visit(name, node.get());
    VisitNodes(node->children, name, visit);
  }
}

template <typename Visit>
void VisitAll(const Pipeline& pipeline, const Visit& visit) {
  VisitNodes(pipeline.entry_points, "", visit);
  if (pipeline.post_process) visit(pipeline.post_process->name, pipeline.post_process.get());
}

const char* MissesTypeOf(const Parameter& parameter, const base::Json& value) {
  if (!value.is_string() && !value.is_number() && !value.is_array()) {
    return "a text, a number or a list";
  }
  return MissesType(parameter.type, value);
}

// `owner` empty: of every node that has a parameter of this name.
void SetParameter(const std::string& owner, const std::string& name, const base::Json& given,
                  const Place& place, ReadContext* context, Pipeline* pipeline) {
  bool found = false;
  std::vector<std::string> known;
  VisitAll(*pipeline, [&](const std::string& node_name, Node* node) {
    for (const auto& [parameter, old] : node->parameters) {
      known.push_back(Cat(node_name, ".", parameter));
      known.push_back(parameter);
    }
    if (!owner.empty() && owner != node_name) return;
    const auto parameter = node->parameters.find(name);
    if (parameter == node->parameters.end()) return;
    found = true;
    base::Json value = given;
    ReadListText(parameter->second.type, &value);
    if (const char* wanted = MissesTypeOf(parameter->second, value)) {
      context->Add(place, Cat(node_name, ".parameters.", name),
                   Cat("must be ", wanted, ", not ", base::DumpJson(value)));
      return;
    }
    parameter->second.value = std::move(value);
  });
  if (found) return;
  const std::string key = JoinDots(owner, name);
  context->Add(place, key, Cat("no step has a parameter ", Quoted(key), context->Hint(key, known)));
}

}  // namespace

void CheckReferences(const Pipeline& pipeline, bool given, ReadContext* context) {
  const Siblings none;
  CheckScopes(pipeline.cache, {}, "cache.fs_scope", pipeline, context);
  CheckChildren(pipeline.entry_points, {.siblings = none, .given = given}, "entry_points", pipeline,
                context);
  if (!pipeline.post_process) return;
  const Node& post = *pipeline.post_process;
  NodeChecker(post, {.siblings = none}, JoinDots("post_process", post.name), context).Check();
  CheckFileSystems(post, JoinDots("post_process", post.name), pipeline, context);
  for (const auto& node : pipeline.entry_points) {
    if (node->name == post.name) {
      context->Add(post.place, JoinDots("post_process", post.name),
                   Cat("the name ", Quoted(post.name), " is taken by a step of entry_points"));
    }
  }
}

void CheckComponent(const Node& component, const Pipeline& pipeline, ReadContext* context) {
  const std::string path = JoinDots("components", component.name);
  const Siblings none;
  NodeChecker(component, {.siblings = none, .component = true}, path, context).Check();
  CheckFileSystems(component, path, pipeline, context);
  CheckChildren(component.children, {.parent = &component, .siblings = none},
                JoinDots(path, "entry_points"), pipeline, context);
}

void EnableAll(Pipeline* pipeline) {
  VisitAll(*pipeline, [](const std::string&, Node* node) { node->disabled = false; });
}

void CheckAllGiven(const Pipeline& pipeline, ReadContext* context) {
  VisitAll(pipeline, [&](const std::string& name, const Node* node) {
    for (const auto& [parameter, value] : node->parameters) {
      if (!value.value.is_null()) continue;
      context->Add(value.place, Cat(name, ".parameters.", parameter),
                   Cat("has no default; give it with -p ", name, ".", parameter, "=…"));
    }
  });
}

void DisableNodes(const std::vector<std::string>& names, const Place& place,
                  const std::string& path, ReadContext* context, Pipeline* pipeline) {
  std::unordered_map<std::string, Node*> nodes;
  std::vector<std::string> known;
  VisitAll(*pipeline, [&](const std::string& name, Node* node) {
    nodes[name] = node;
    known.push_back(name);
  });
  std::set<std::string> seen;
  for (const std::string& name : names) {
    const auto found = nodes.find(name);
    if (found == nodes.end()) {
      context->Add(
          place, path,
          Cat("there is no step ", Quoted(name), " to disable", context->Hint(name, known)));
    } else if (!seen.insert(name).second) {
      context->Add(place, path, Cat(Quoted(name), " stands here a second time"));
    } else {
      found->second->disabled = true;
    }
  }
}

void SetParameters(const base::Json& parameters, const Place& place, ReadContext* context,
                   Pipeline* pipeline) {
  if (!parameters.is_object()) return;
  // Bare names first: one for a single step is the more exact wish.
  for (const bool bare : {true, false}) {
    for (const auto& item : parameters.items()) {
      const std::size_t dot = item.key().rfind('.');
      if ((dot == std::string::npos) != bare) continue;
      const std::string owner = bare ? "" : item.key().substr(0, dot);
      const std::string name = bare ? item.key() : item.key().substr(dot + 1);
      SetParameter(owner, name, item.value(), place, context, pipeline);
    }
  }
}

}  // namespace regatta::flow
