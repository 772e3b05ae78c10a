#include "flow/run_form.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace regatta::flow {
namespace {

using Names = std::vector<std::pair<std::string_view, std::string_view>>;

YamlNode* Find(YamlNode& map, std::string_view key) {
  for (YamlNode::Member& member : map.members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

// A key whose other spelling stands there as well stays, to be told as unknown.
void Rename(YamlNode& map, const Names& names) {
  for (const auto& [theirs, ours] : names) {
    if (Find(map, ours) != nullptr) continue;
    for (YamlNode::Member& member : map.members) {
      if (member.key == theirs) member.key = std::string(ours);
    }
  }
}

const Names& FileSystemNames() {
  static const auto& names =
      *new Names{{"subPath", "sub_path"}, {"mountPath", "mount_path"}, {"readOnly", "read_only"}};
  return names;
}

void RenameCache(YamlNode& owner) {
  YamlNode* cache = Find(owner, "cache");
  if (cache == nullptr) return;
  Rename(*cache, {{"maxExpiredTime", "max_expired_time"}, {"fsScope", "fs_scope"}});
}

void RenameExtraFs(YamlNode& owner) {
  Rename(owner, {{"extraFS", "extra_fs"}, {"extraFs", "extra_fs"}});
  YamlNode* list = Find(owner, "extra_fs");
  if (list == nullptr) return;
  for (YamlNode& item : list->items) Rename(item, FileSystemNames());
}

// Adds what `owner` has no value for.
void AddEnv(YamlNode& owner, const std::vector<YamlNode::Member>& variables) {
  if (variables.empty()) return;
  if (Find(owner, "env") == nullptr) {
    YamlNode env;
    env.kind = YamlNode::Kind::kMap;
    env.line = variables[0].line;
    env.column = variables[0].column;
    owner.members.push_back({"env", env.line, env.column, env});
  }
  YamlNode* env = Find(owner, "env");
  if (!env->is_map()) return;  // told when it is read
  for (const YamlNode::Member& variable : variables) {
    if (Find(*env, variable.key) == nullptr) env->members.push_back(variable);
  }
}

// Takes `queue`, `flavour` and `jobType` out of a node and gives them as variables.
std::vector<YamlNode::Member> TakeJobFields(YamlNode& node) {
  std::vector<YamlNode::Member> variables;
  for (const auto& [key, variable] : Names{{"queue", "PF_JOB_QUEUE_NAME"},
                                           {"flavour", "PF_JOB_FLAVOUR"},
                                           {"jobType", "PF_JOB_TYPE"}}) {
    const auto member = std::find_if(node.members.begin(), node.members.end(),
                                     [key = key](const auto& m) { return m.key == key; });
    if (member == node.members.end()) continue;
    YamlNode::Member taken = std::move(*member);
    node.members.erase(member);
    if (YamlNode* name = Find(taken.value, "name"); name != nullptr) {
      YamlNode inner = std::move(*name);
      taken.value = std::move(inner);
    }
    taken.key = std::string(variable);
    variables.push_back(std::move(taken));
  }
  return variables;
}

void ReadNodes(YamlNode* map, const std::vector<YamlNode::Member>& global) {
  if (map == nullptr) return;
  for (YamlNode::Member& member : map->members) {
    YamlNode& node = member.value;
    Rename(node, {{"loopArgument", "loop_argument"},
                  {"dockerEnv", "docker_env"},
                  {"entryPoints", "entry_points"}});
    if (YamlNode* children = Find(node, "entry_points"); children != nullptr) {
      ReadNodes(children, global);
      continue;
    }
    RenameCache(node);
    RenameExtraFs(node);
    AddEnv(node, TakeJobFields(node));
    // What refers to a component has its variables.
    if (node.is_map() && Find(node, "reference") == nullptr) AddEnv(node, global);
  }
}

}  // namespace

void ReadRunForm(YamlNode* tree) {
  if (Find(*tree, "entryPoints") == nullptr) return;
  Rename(*tree, {{"entryPoints", "entry_points"},
                 {"dockerEnv", "docker_env"},
                 {"failureOptions", "failure_options"},
                 {"postProcess", "post_process"},
                 {"fsOptions", "fs_options"}});
  RenameCache(*tree);
  if (YamlNode* options = Find(*tree, "fs_options"); options != nullptr) {
    Rename(*options, {{"mainFS", "main_fs"}, {"mainFs", "main_fs"}});
    if (YamlNode* main = Find(*options, "main_fs"); main != nullptr) {
      Rename(*main, FileSystemNames());
    }
    RenameExtraFs(*options);
  }
  std::vector<YamlNode::Member> global;
  if (const YamlNode* env = Find(*tree, "env"); env != nullptr) global = env->members;
  for (YamlNode::Member& variable : TakeJobFields(*tree)) {
    const bool given = std::any_of(global.begin(), global.end(),
                                   [&](const auto& other) { return other.key == variable.key; });
    if (!given) global.push_back(std::move(variable));
  }
  // Who asks, and for what: the request says that.
  std::erase_if(tree->members, [](const YamlNode::Member& member) {
    const bool text = member.value.is_scalar() || member.value.is_null();
    return (member.key == "env" && member.value.is_map()) ||
           ((member.key == "description" || member.key == "username") && text);
  });
  for (const char* key : {"components", "entry_points", "post_process"}) {
    ReadNodes(Find(*tree, key), global);
  }
}

}  // namespace regatta::flow
