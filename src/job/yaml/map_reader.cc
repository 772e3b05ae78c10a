#include "job/yaml/map_reader.h"

#include <algorithm>

#include "job/yaml/text.h"

namespace regatta::job {

std::string JoinDots(std::string_view head, std::string_view tail) {
  return head.empty() ? std::string(tail) : Cat(head, ".", tail);
}

MapReader::MapReader(const YamlNode& node, std::string what, std::string path,
                     std::vector<std::string> known, ReadContext* context)
    : node_(node), path_(std::move(path)), context_(context) {
  if (!node.is_map()) {
    context->Add(node, path_,
                 Cat("a ", what, " is a map of keys to values, not ", node.Describe()));
    return;
  }
  for (const YamlNode::Member& member : node.members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    context->Add(
        context->At(member), PathOf(member.key),
        Cat(what, " has no attribute ", Quoted(member.key), context->Hint(member.key, known)));
  }
}

const YamlNode::Member* MapReader::FindMember(std::string_view key) const {
  for (const YamlNode::Member& member : node_.members) {
    if (member.key != key) continue;
    const bool null =
        member.value.is_null() || (member.value.is_scalar() && member.value.Value().is_null());
    return null ? nullptr : &member;
  }
  return nullptr;
}

const YamlNode* MapReader::Find(std::string_view key) const {
  const YamlNode::Member* member = FindMember(key);
  return member == nullptr ? nullptr : &member->value;
}

std::string MapReader::Text(std::string_view key, std::string fallback) const {
  const YamlNode* value = Find(key);
  if (value == nullptr) return fallback;
  if (!value->is_scalar() || !value->Value().is_string()) {
    context_->Add(*value, PathOf(key), Cat("must be a text, not ", value->Describe()));
    return fallback;
  }
  return value->scalar;
}

std::int64_t MapReader::Integer(std::string_view key, std::int64_t fallback) const {
  const YamlNode* value = Find(key);
  if (value == nullptr) return fallback;
  const base::Json number = value->is_scalar() ? value->Value() : base::Json();
  if (!number.is_number_integer()) {
    context_->Add(*value, PathOf(key), Cat("must be a whole number, not ", value->Describe()));
    return fallback;
  }
  return number.get<std::int64_t>();
}

bool MapReader::Bool(std::string_view key, bool fallback) const {
  const YamlNode* value = Find(key);
  if (value == nullptr) return fallback;
  const base::Json truth = value->is_scalar() ? value->Value() : base::Json();
  if (!truth.is_boolean()) {
    context_->Add(*value, PathOf(key), Cat("must be true or false, not ", value->Describe()));
    return fallback;
  }
  return truth.get<bool>();
}

}  // namespace regatta::job
