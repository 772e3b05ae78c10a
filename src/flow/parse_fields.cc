#include "flow/parse_fields.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "flow/names.h"
#include "flow/parse_file_systems.h"
#include "flow/template.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

constexpr std::array<std::pair<const char*, ParameterType>, 5> kTypes = {{
    {"string", ParameterType::kString},
    {"int", ParameterType::kInt},
    {"float", ParameterType::kFloat},
    {"path", ParameterType::kPath},
    {"list", ParameterType::kList},
}};

bool IsPathText(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '/' || c == '_' || c == '-';
    if (!fits) return false;
  }
  // ".." would let a parameter leave the folder that its pipeline was written for.
  for (std::string_view rest = text; !rest.empty();) {
    if (rest.substr(0, rest.find('/')) == "..") return false;
    const std::size_t slash = rest.find('/');
    rest = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  }
  return true;
}

bool CheckName(const YamlNode::Member& member, const std::string& path, const char* what,
               ReadContext* context) {
  if (!IsFieldName(member.key)) {
    context->Add(context->At(member), path,
                 Cat(Quoted(member.key), " is no name for ", what,
                     "; use letters, digits and _, not a digit first, at most 50"));
    return false;
  }
  return true;
}

TemplateStyle StyleOf(const ReadContext& context) {
  return context.compat() ? TemplateStyle::kPaddleFlow : TemplateStyle::kOurs;
}

bool HasTemplate(const base::Json& value, TemplateStyle style) {
  if (value.is_string()) return HasTemplates(value.get_ref<const std::string&>(), style);
  return value.is_structured() && std::any_of(value.begin(), value.end(), [&](const auto& item) {
           return HasTemplate(item, style);
         });
}

// The first item that no list may hold, or null.
const base::Json* Unlistable(const base::Json& list) {
  for (const base::Json& item : list) {
    if (item.is_array()) {
      if (const base::Json* found = Unlistable(item)) return found;
    } else if (!item.is_string() && !item.is_number()) {
      return &item;
    }
  }
  return nullptr;
}

void ReadTypedParameter(const YamlNode& node, const std::string& path, ReadContext* context,
                        Parameter* parameter) {
  std::vector<std::string> keys = {"type", "default"};
  if (context->compat()) {
    // What else stands there means nothing to PaddleFlow.
    for (const YamlNode::Member& member : node.members) keys.push_back(member.key);
  }
  const MapReader reader(node, "parameter", path, std::move(keys), context);
  const std::string type = reader.Text("type");
  for (const auto& [name, value] : kTypes) {
    if (type == name) parameter->type = value;
  }
  if (parameter->type == ParameterType::kAny) {
    context->Add(node, JoinDots(path, "type"),
                 Cat("must be one of string, int, float, path and list, not ", Quoted(type)));
    return;
  }
  const YamlNode* fallback = reader.Find("default");
  if (fallback == nullptr) return;
  if (context->compat()) {
    // There an empty default is none, and a list is never one.
    if (fallback->is_scalar() && fallback->scalar.empty()) return;
    if (parameter->type == ParameterType::kList) {
      context->Add(*fallback, reader.PathOf("default"),
                   "PaddleFlow takes no list as the default of a typed list; leave the type out");
      return;
    }
  }
  parameter->value = ReadValue(*fallback, reader.PathOf("default"), context);
  if (parameter->value.is_null()) return;
  // A text with templates gets its type when it is filled in.
  if (HasTemplate(parameter->value, StyleOf(*context))) return;
  ReadListText(parameter->type, &parameter->value);
  if (const char* wanted = MissesType(parameter->type, parameter->value)) {
    context->Add(*fallback, reader.PathOf("default"),
                 Cat("must be ", wanted, ", not ", fallback->Describe()));
  }
}

}  // namespace

const char* MissesType(ParameterType type, const base::Json& value) {
  switch (type) {
    case ParameterType::kAny:
      return nullptr;
    case ParameterType::kString:
      return value.is_string() ? nullptr : "a text";
    case ParameterType::kInt:
      return value.is_number_integer() ? nullptr : "a whole number";
    case ParameterType::kFloat:
      return value.is_number() ? nullptr : "a number";
    case ParameterType::kPath:
      return value.is_string() && IsPathText(value.get_ref<const std::string&>())
                 ? nullptr
                 : "a path of letters, digits and . / _ - without \"..\"";
    case ParameterType::kList:
      return value.is_array() ? nullptr : "a list";
  }
  return nullptr;
}

void ReadListText(ParameterType type, base::Json* value) {
  if (type != ParameterType::kList || !value->is_string()) return;
  auto parsed = base::ParseJson(value->get_ref<const std::string&>());
  if (parsed.ok() && parsed->is_array()) *value = *std::move(parsed);
}

void MakeFloats(base::Json* value) {
  if (value->is_number_integer()) *value = value->get<double>();
  if (!value->is_structured()) return;
  for (base::Json& item : *value) MakeFloats(&item);
}

base::Json ReadValue(const YamlNode& node, const std::string& path, ReadContext* context) {
  if (node.is_list()) {
    base::Json list = base::Json::array();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const std::string item_path = Cat(path, "[", std::to_string(i), "]");
      base::Json item = ReadValue(node.items[i], item_path, context);
      if (item.is_string() && HasTemplate(item, StyleOf(*context))) {
        context->Add(node.items[i], item_path, "a list item may hold no template");
      }
      if (!item.is_null()) list.push_back(std::move(item));
    }
    return list;
  }
  if (node.is_scalar()) {
    base::Json value = node.Value();
    if (value.is_string() || value.is_number()) return value;
  }
  context->Add(node, path,
               Cat("must be a text, a number or a list, not ", node.Describe(),
                   node.is_scalar() ? "; put it in quotes to give it as text" : ""));
  return nullptr;
}

void ReadParameters(const MapReader& reader, ReadContext* context, Node* node) {
  const YamlNode* map = reader.Find("parameters");
  if (map == nullptr) return;
  const std::string path = reader.PathOf("parameters");
  if (!map->is_map()) {
    context->Add(*map, path, Cat("must be a map of names to values, not ", map->Describe()));
    return;
  }
  for (const YamlNode::Member& member : map->members) {
    const std::string own_path = JoinDots(path, member.key);
    if (member.value.is_null()) continue;  // as an absent key
    if (!CheckName(member, own_path, "a parameter", context)) continue;
    Parameter parameter;
    parameter.place = context->At(member);
    if (member.value.is_map()) {
      ReadTypedParameter(member.value, own_path, context, &parameter);
    } else {
      // A parameter with a wrong value still exists: what refers to it is not wrong as well.
      parameter.value = ReadValue(member.value, own_path, context);
    }
    node->parameters[member.key] = std::move(parameter);
  }
}

void ReadArtifacts(const MapReader& reader, ReadContext* context, Node* node) {
  const YamlNode* map = reader.Find("artifacts");
  if (map == nullptr) return;
  const std::string path = reader.PathOf("artifacts");
  const MapReader fields(*map, "artifacts", path, {"input", "output"}, context);
  const bool dag = node->kind == NodeKind::kDag;
  if (const YamlNode* input = fields.Find("input"); input != nullptr) {
    if (!input->is_map()) {
      context->Add(*input, fields.PathOf("input"),
                   "must be a map of names to templates, as {data: \"{{prepare.data}}\"}");
    }
    for (const YamlNode::Member& member : input->members) {
      const std::string own_path = JoinDots(fields.PathOf("input"), member.key);
      if (!CheckName(member, own_path, "an artifact", context)) continue;
      // Nothing: a component's input, which who refers to it gives; elsewhere told later.
      if (!member.value.is_scalar() && !member.value.is_null()) {
        context->Add(
            member.value, own_path,
            Cat("must be one template, as \"{{prepare.data}}\", not ", member.value.Describe()));
        continue;
      }
      node->inputs.push_back({member.key, member.value.scalar, context->At(member)});
    }
  }
  const YamlNode* output = fields.Find("output");
  if (output == nullptr) return;
  const std::string output_path = fields.PathOf("output");
  if (output->is_list() && !dag) {
    for (const YamlNode& item : output->items) {
      const YamlNode::Member member{item.scalar, item.line, item.column, item};
      if (!item.is_scalar()) {
        context->Add(item, output_path, Cat("must be a list of names, not of ", item.Describe()));
      } else if (CheckName(member, output_path, "an artifact", context)) {
        node->outputs.push_back({item.scalar, "", context->At(item)});
      }
    }
    return;
  }
  if (!output->is_map()) {
    context->Add(
        *output, output_path,
        dag ? "must be a map of names to children's artifacts" : "must be a list of names");
    return;
  }
  for (const YamlNode::Member& member : output->members) {
    const std::string own_path = JoinDots(output_path, member.key);
    if (!CheckName(member, own_path, "an artifact", context)) continue;
    const bool empty =
        member.value.is_null() || (member.value.is_scalar() && member.value.scalar.empty());
    if (!dag && !empty) {
      context->Add(member.value, own_path, "a step's output has no value; its command writes it");
      continue;
    }
    node->outputs.push_back({member.key, member.value.scalar, context->At(member)});
  }
}

std::map<std::string, std::string> ReadEnv(const MapReader& reader, ReadContext* context) {
  std::map<std::string, std::string> env;
  const YamlNode* map = reader.Find("env");
  if (map == nullptr) return env;
  const std::string path = reader.PathOf("env");
  if (!map->is_map()) {
    context->Add(*map, path, Cat("must be a map of names to values, not ", map->Describe()));
    return env;
  }
  for (const YamlNode::Member& member : map->members) {
    const std::string own_path = JoinDots(path, member.key);
    if (!CheckName(member, own_path, "an environment variable", context)) continue;
    if (member.value.is_null()) continue;  // as an absent key
    const base::Json value = member.value.is_scalar() ? member.value.Value() : base::Json();
    if (!value.is_string() && !value.is_number()) {
      context->Add(member.value, own_path,
                   Cat("must be a text or a number, not ", member.value.Describe(),
                       "; put it in quotes to give it as text"));
      continue;
    }
    if (context->compat() && value.is_number_float()) {
      // PaddleFlow prints floats with 8 decimals and trims zeros, but not the point.
      char text[400];
      std::snprintf(text, sizeof text, "%.8f", value.get<double>());
      std::string trimmed = text;
      while (trimmed.ends_with('0')) trimmed.pop_back();
      env[member.key] = trimmed;
    } else {
      env[member.key] = ValueText(value);
    }
  }
  return env;
}

CacheOptions ReadCache(const MapReader& reader, ReadContext* context) {
  CacheOptions cache;
  const YamlNode* node = reader.Find("cache");
  if (node == nullptr) return cache;
  const MapReader fields(*node, "cache", reader.PathOf("cache"),
                         {"enable", "max_expired_time", "fs_scope"}, context);
  if (fields.Find("enable") != nullptr) cache.enable = fields.Bool("enable", false);
  const YamlNode* expiry = fields.Find("max_expired_time");
  const bool unset = context->compat() && expiry != nullptr && expiry->is_scalar() &&
                     expiry->scalar.empty();  // which PaddleFlow takes for never
  if (expiry != nullptr && !unset) {
    YamlNode number = *expiry;
    number.quoted = false;  // "3600" is accepted, too
    const base::Json seconds = number.is_scalar() ? number.Value() : base::Json();
    if (seconds.is_number_integer() && seconds.get<std::int64_t>() >= -1) {
      cache.max_expired_seconds = seconds.get<std::int64_t>();
    } else {
      context->Add(*expiry, fields.PathOf("max_expired_time"),
                   Cat("must be a number of seconds, or -1 for never, not ", expiry->Describe()));
    }
  }
  const YamlNode* scopes = fields.Find("fs_scope");
  if (scopes == nullptr) return cache;
  if (!scopes->is_list()) {
    context->Add(*scopes, fields.PathOf("fs_scope"), "must be a list of {name, path}");
    return cache;
  }
  for (std::size_t i = 0; i < scopes->items.size(); ++i) {
    const YamlNode& item = scopes->items[i];
    const MapReader scope(item, "fs_scope",
                          Cat(fields.PathOf("fs_scope"), "[", std::to_string(i), "]"),
                          context->compat() ? std::vector<std::string>{"name", "path", "id"}
                                            : std::vector<std::string>{"name", "path"},
                          context);
    FsScope read{scope.Text("name"), SplitCommas(scope.Text("path", "/")), context->At(item)};
    if (item.is_map() && read.name.empty()) {
      context->Add(item, scope.PathOf("name"), "is missing: name a file system");
    }
    for (std::string_view path : read.paths) {
      while (path.starts_with('/')) path.remove_prefix(1);
      if (!LeavesFolder(path)) continue;
      context->Add(*scope.Find("path"), scope.PathOf("path"),
                   "must stay inside the file system, without \"..\"");
    }
    cache.fs_scope.push_back(std::move(read));
  }
  return cache;
}

Command ReadCommand(const MapReader& reader, ReadContext* context) {
  Command command;
  const YamlNode* node = reader.Find("command");
  if (node == nullptr) return command;
  command.place = context->At(*node);
  if (node->is_scalar()) {
    command.shell = reader.Text("command");
    if (node->Value().is_string() && Trim(node->scalar).empty() && !context->compat()) {
      context->Add(*node, reader.PathOf("command"), "is empty; name a program");
    }
    return command;
  }
  if (!node->is_list() || context->compat()) {
    context->Add(*node, reader.PathOf("command"), Cat("must be a text, not ", node->Describe()));
    return command;
  }
  for (const YamlNode& item : node->items) {
    if (!item.is_scalar()) {
      context->Add(item, reader.PathOf("command"),
                   Cat("must be a list of texts, not of ", item.Describe()));
      continue;
    }
    command.argv.push_back(item.scalar);
  }
  if (node->items.empty()) {
    context->Add(*node, reader.PathOf("command"), "is an empty list; name a program first");
  }
  return command;
}

void ReadDeps(const MapReader& reader, ReadContext* context, Node* node) {
  const YamlNode* deps = reader.Find("deps");
  if (deps == nullptr) return;
  if (deps->is_scalar()) {
    node->deps = SplitCommas(deps->scalar);
  } else if (deps->is_list() && !context->compat()) {
    for (const YamlNode& item : deps->items) {
      if (item.is_scalar()) {
        node->deps.push_back(item.scalar);
      } else {
        context->Add(item, reader.PathOf("deps"), "must be a list of step names");
      }
    }
  } else {
    context->Add(
        *deps, reader.PathOf("deps"),
        Cat("must be step names joined by commas, as \"prepare,train\", not ", deps->Describe()));
  }
}

void ReadLoopArgument(const MapReader& reader, ReadContext* context, Node* node) {
  const YamlNode* loop = reader.Find("loop_argument");
  if (loop == nullptr) return;
  const std::string path = reader.PathOf("loop_argument");
  if (!loop->is_list() && !loop->is_scalar()) {
    context->Add(*loop, path,
                 Cat("must be a list or one template, as \"{{rates}}\", not ", loop->Describe()));
    return;
  }
  base::Json value = loop->is_list() ? ReadValue(*loop, path, context) : base::Json(loop->scalar);
  if (loop->is_scalar()) {
    // A JSON list as text counts as a list.
    const std::string_view text = Trim(loop->scalar);
    if (text.starts_with('[')) {
      auto parsed = base::ParseJson(text);
      if (!parsed.ok()) {
        context->Add(*loop, path, parsed.status().message());
        return;
      }
      value = *std::move(parsed);
      if (context->compat()) MakeFloats(&value);
      if (HasTemplate(value, StyleOf(*context))) {
        context->Add(*loop, path, "a list item may hold no template");
      } else if (const base::Json* item = Unlistable(value)) {
        context->Add(*loop, path,
                     Cat("its items must be texts, numbers or lists, not ", base::DumpJson(*item)));
      }
    }
  }
  if (value.is_array() && value.empty() && !context->compat()) {
    context->Add(*loop, path, "is an empty list: there is nothing to loop over");
  }
  node->loop_argument = std::move(value);
}

std::string ReadDockerEnv(const MapReader& reader, ReadContext* context) {
  std::string image = reader.Text("docker_env");
  if (image.ends_with(".tar")) {
    context->Add(*reader.Find("docker_env"), reader.PathOf("docker_env"),
                 "must name an image, not a .tar file");
  }
  return image;
}

}  // namespace regatta::flow
