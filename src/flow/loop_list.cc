#include "flow/loop_list.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace regatta::flow {
namespace {

// Whether `text` has the template {{node.name}}, or {{name}} where `node` is empty.
bool Has(const std::string& text, std::string_view node, const std::string& name,
         TemplateStyle style) {
  const auto templates = FindTemplates(text, style);
  return templates.ok() &&
         std::any_of(templates->begin(), templates->end(), [&](const TemplateReference& reference) {
           return reference.node == node && reference.name == name;
         });
}

// Whether the node itself says {{name}} anywhere but in its loop.
bool Uses(const Node& node, const std::string& name, TemplateStyle style) {
  std::vector<const std::string*> texts = {&node.command.shell, &node.condition};
  for (const std::string& argument : node.command.argv) texts.push_back(&argument);
  for (const auto& [variable, value] : node.env) texts.push_back(&value);
  if (node.distributed_job) {
    for (const Member& member : node.distributed_job->members) {
      if (member.command) texts.push_back(&*member.command);
      for (const auto& [variable, value] : member.env) texts.push_back(&value);
    }
  }
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string* text) { return Has(*text, "", name, style); });
}

// Whether a child takes it as {{PF_PARENT.name}}.
bool ChildrenUse(const Node& node, const std::string& name, TemplateStyle style) {
  for (const auto& child : node.children) {
    for (const auto& [parameter, value] : child->parameters) {
      if (value.value.is_string() &&
          Has(value.value.get_ref<const std::string&>(), "PF_PARENT", name, style)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

std::string LoopListParameter(const Node& node, TemplateStyle style) {
  if (!node.loop_argument || !node.loop_argument->is_string()) return "";
  const auto templates = FindTemplates(node.loop_argument->get_ref<const std::string&>());
  if (!templates.ok() || templates->size() != 1) return "";
  const std::string& name = templates->front().name;
  return Uses(node, name, style) || ChildrenUse(node, name, style) ? "" : name;
}

}  // namespace regatta::flow
