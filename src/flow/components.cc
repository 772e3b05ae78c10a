#include "flow/components.h"

#include <algorithm>
#include <map>
#include <utility>

#include "flow/parse_fields.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

// Ten components that each use the one before ten times would be ten billion steps.
constexpr std::size_t kMostNodes = 100'000;
constexpr std::size_t kLongestChain = 50;

// A text with templates gets its type when it is filled in.
const char* MissesGiven(ParameterType type, const base::Json& value) {
  const bool templated =
      value.is_string() && value.get_ref<const std::string&>().find("{{") != std::string::npos;
  return value.is_null() || templated ? nullptr : MissesType(type, value);
}

class Resolver {
 public:
  Resolver(const std::vector<std::unique_ptr<Node>>& components,
           const ComponentReferences& references, ReadContext* context)
      : references_(references), context_(context) {
    for (const auto& component : components) components_[component->name] = {component.get()};
  }

  void Tree(Node* node, const std::string& path) {
    if (const auto it = references_.find(node); it != references_.end()) {
      Replace(node, it->second, path);
    }
    for (const auto& child : node->children)
      Tree(child.get(), Cat(path, ".entry_points.", child->name));
  }

  // Also those that nobody uses: what is wrong with them is wrong.
  void All() {
    for (auto& [name, component] : components_)
      Component(name, component.node->place, "components");
  }

  // Those that stand for themselves alone; one that failed to resolve was reported.
  std::vector<const Node*> Unused() const {
    std::vector<const Node*> unused;
    for (const auto& [name, component] : components_) {
      if (!component.used && !Unresolved(*component.node)) unused.push_back(component.node);
    }
    return unused;
  }

 private:
  struct Entry {
    Node* node = nullptr;
    bool done = false;
    bool used = false;  // by a reference
  };

  // The component, with everything inside it resolved; null: reported.
  const Node* Component(const std::string& name, const Place& place, const std::string& path) {
    const auto it = components_.find(name);
    if (it == components_.end()) {
      std::vector<std::string> names;
      for (const auto& [known, entry] : components_) names.push_back(known);
      context_->Add(place, path,
                    Cat("there is no component ", Quoted(name), context_->Hint(name, names)));
      return nullptr;
    }
    if (it->second.done) return it->second.node;
    const auto open = std::find(open_.begin(), open_.end(), name);
    if (open != open_.end() || open_.size() >= kLongestChain) {
      std::string circle;
      for (auto step = open == open_.end() ? open_.begin() : open; step != open_.end(); ++step) {
        circle += Cat(*step, " -> ");
      }
      context_->Add(place, path,
                    open == open_.end()
                        ? Cat("components refer to components more than ",
                              std::to_string(kLongestChain), " deep")
                        : Cat("components refer to each other in a circle: ", circle, name));
      return nullptr;
    }
    open_.push_back(name);
    Tree(it->second.node, Cat("components.", name));
    open_.pop_back();
    it->second.done = true;
    return it->second.node;
  }

  void Replace(Node* node, const ComponentReference& reference, const std::string& path) {
    const Node* component =
        Component(reference.component, reference.place, Cat(path, ".reference"));
    if (component == nullptr) return;
    components_[reference.component].used = true;
    if (Unresolved(*component)) return;  // which was reported
    if (node->kind == NodeKind::kPostProcess && component->kind == NodeKind::kDag) {
      context_->Add(reference.place, path, "post_process must be a step; the component is a DAG");
      return;
    }
    std::unique_ptr<Node> copy = Clone(*component);
    if (copy == nullptr) {
      if (!too_many_) {
        context_->Add(reference.place, path,
                      Cat("more than ", std::to_string(kMostNodes), " steps out of components"));
      }
      too_many_ = true;
      return;
    }
    copy->name = node->name;
    copy->place = node->place;
    copy->deps = std::move(node->deps);
    if (node->kind == NodeKind::kPostProcess) copy->kind = NodeKind::kPostProcess;
    for (const char* field : {"deps", "artifacts"}) {
      if (const auto it = node->field_places.find(field); it != node->field_places.end()) {
        copy->field_places[field] = it->second;
      }
    }
    Parameters(*node, *component, path, copy.get());
    Inputs(*node, *component, path, copy.get());
    *node = std::move(*copy);
  }

  void Parameters(const Node& node, const Node& component, const std::string& path, Node* copy) {
    for (const auto& [name, parameter] : node.parameters) {
      const std::string own = Cat(path, ".parameters.", name);
      const auto it = copy->parameters.find(name);
      if (it == copy->parameters.end()) {
        std::vector<std::string> names;
        for (const auto& [known, value] : component.parameters) names.push_back(known);
        context_->Add(
            parameter.place, own,
            Cat("the component has no parameter ", Quoted(name), context_->Hint(name, names)));
        continue;
      }
      if (it->second.type == ParameterType::kAny) {
        it->second.type = parameter.type;
      } else if (parameter.type != ParameterType::kAny && parameter.type != it->second.type) {
        context_->Add(parameter.place, own, "the component gives this parameter another type");
        continue;
      }
      it->second.value = parameter.value;
      ReadListText(it->second.type, &it->second.value);
      if (const char* wanted = MissesGiven(it->second.type, it->second.value)) {
        context_->Add(parameter.place, own,
                      Cat("must be ", wanted, ", not ", base::DumpJson(parameter.value)));
      }
      it->second.place = parameter.place;
    }
  }

  void Inputs(const Node& node, const Node& component, const std::string& path, Node* copy) {
    const auto has = [](const Node& where, const std::string& name) {
      return std::any_of(where.inputs.begin(), where.inputs.end(),
                         [&](const InputArtifact& input) { return input.name == name; });
    };
    for (const InputArtifact& input : node.inputs) {
      if (has(component, input.name)) continue;
      std::vector<std::string> names;
      for (const InputArtifact& known : component.inputs) names.push_back(known.name);
      context_->Add(input.place, Cat(path, ".artifacts.input.", input.name),
                    Cat("the component has no input artifact ", Quoted(input.name),
                        context_->Hint(input.name, names)));
    }
    // One that was not given stays without a source, which is told with the templates.
    for (InputArtifact& input : copy->inputs) {
      input.place = node.place;
      input.from.clear();
      for (const InputArtifact& given : node.inputs) {
        if (given.name == input.name) input = given;
      }
    }
  }

  bool Unresolved(const Node& node) const {
    return references_.contains(&node) && node.command.empty() && node.children.empty() &&
           !node.distributed_job;
  }

  // Null: there would be too many nodes.
  std::unique_ptr<Node> Clone(const Node& node) {
    if (++nodes_ > kMostNodes) return nullptr;
    auto copy = std::make_unique<Node>();
    copy->name = node.name;
    copy->kind = node.kind;
    copy->place = node.place;
    copy->deps = node.deps;
    copy->parameters = node.parameters;
    copy->inputs = node.inputs;
    copy->outputs = node.outputs;
    copy->condition = node.condition;
    copy->loop_argument = node.loop_argument;
    copy->field_places = node.field_places;
    copy->command = node.command;
    copy->env = node.env;
    copy->docker_env = node.docker_env;
    copy->cache = node.cache;
    copy->extra_fs = node.extra_fs;
    copy->distributed_job = node.distributed_job;
    copy->snapshot_paths = node.snapshot_paths;
    copy->python_imports = node.python_imports;
    copy->timeout = node.timeout;
    copy->grace = node.grace;
    copy->retry = node.retry;
    for (const auto& child : node.children) {
      copy->children.push_back(Clone(*child));
      if (copy->children.back() == nullptr) return nullptr;
    }
    return copy;
  }

  const ComponentReferences& references_;
  ReadContext* context_;
  std::map<std::string, Entry> components_;
  std::vector<std::string> open_;
  std::size_t nodes_ = 0;
  bool too_many_ = false;
};

}  // namespace

std::vector<const Node*> ResolveComponents(const std::vector<std::unique_ptr<Node>>& components,
                                           const ComponentReferences& references,
                                           ReadContext* context, Pipeline* pipeline) {
  for (const auto& component : components) {
    if (component->deps.empty()) continue;
    context->Add(component->field_places["deps"], Cat("components.", component->name, ".deps"),
                 "an outermost component has no deps; the step that refers to it has them");
  }
  Resolver resolver(components, references, context);
  resolver.All();
  for (const auto& node : pipeline->entry_points) {
    resolver.Tree(node.get(), Cat("entry_points.", node->name));
  }
  if (pipeline->post_process != nullptr) {
    resolver.Tree(pipeline->post_process.get(), Cat("post_process.", pipeline->post_process->name));
  }
  return resolver.Unused();
}

}  // namespace regatta::flow
