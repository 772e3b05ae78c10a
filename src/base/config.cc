#include "base/config.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/suggest.h"

namespace regatta::base {
namespace {

// "[begin, end)" of the password in `scheme://user:password@host`, or an empty range.
std::pair<std::size_t, std::size_t> PasswordRange(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {0, 0};
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < begin) return {0, 0};
  const std::size_t colon = url.find(':', begin);
  if (colon == std::string_view::npos || colon > at) return {0, 0};
  return {colon + 1, at};
}

// Fixed spelling: "1000", "0.5", not "1000.000000".
std::string Spell(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", number);
  return text;
}

// "" when `value` fits the key, else what would be right.
std::string Complaint(const ConfigKey& key, const std::string& value) {
  const char* const begin = value.data();
  const char* const end = begin + value.size();
  switch (key.type) {
    case ConfigType::kText:
    case ConfigType::kUrl:
      return "";
    case ConfigType::kInteger: {
      std::int64_t number = 0;
      const auto [stop, error] = std::from_chars(begin, end, number);
      if (error == std::errc() && stop == end && static_cast<double>(number) >= key.minimum &&
          static_cast<double>(number) <= key.maximum) {
        return "";
      }
      return "must be a whole number from " + Spell(key.minimum) + " to " + Spell(key.maximum);
    }
    case ConfigType::kNumber: {
      double number = 0;
      const auto [stop, error] = std::from_chars(begin, end, number);
      if (error == std::errc() && stop == end && number >= key.minimum && number <= key.maximum) {
        return "";
      }
      return "must be a number from " + Spell(key.minimum) + " to " + Spell(key.maximum);
    }
    case ConfigType::kChoice: {
      std::string list;
      for (const std::string& choice : key.choices) {
        if (choice == value) return "";
        list += (list.empty() ? "" : ", ") + choice;
      }
      return "must be one of " + list + DidYouMean(value, key.choices);
    }
  }
  return "";
}

}  // namespace

std::string HideUrlPassword(std::string_view url) {
  const auto [begin, end] = PasswordRange(url);
  std::string shown(url);
  if (end > begin) shown.replace(begin, end - begin, "***");
  return shown;
}

std::string UrlPassword(std::string_view url) {
  const auto [begin, end] = PasswordRange(url);
  return std::string(url.substr(begin, end - begin));
}

Config::Config(std::vector<ConfigKey> keys) {
  for (ConfigKey& key : keys) {
    Entry entry;
    entry.value = key.fallback;
    entry.key = std::move(key);
    entries_.push_back(std::move(entry));
  }
}

Status Config::Set(const std::string& name, const std::string& value, Layer layer,
                   const std::string& origin) {
  for (Entry& entry : entries_) {
    if (entry.key.name != name) continue;
    if (const std::string complaint = Complaint(entry.key, value); !complaint.empty()) {
      return Status(Code::kInvalidArgument,
                    origin + ": \"" + name + "\" " + complaint + ", not \"" + value + "\"");
    }
    // A weaker layer never replaces a stronger one; what it says was checked all the same.
    if (layer >= entry.layer) {
      entry.value = value;
      entry.layer = layer;
      entry.origin = origin;
    }
    return Status();
  }
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.key.name);
  return Status(Code::kInvalidArgument,
                origin + ": there is no setting \"" + name + "\"" + DidYouMean(name, names));
}

Status Config::SetFromFile(const std::string& name, const std::string& value,
                           const std::string& origin) {
  return Set(name, value, Layer::kFile, origin);
}

Status Config::SetFromEnvironment(
    const std::function<std::optional<std::string>(const std::string&)>& get) {
  for (const Entry& entry : entries_) {
    if (entry.key.environment.empty()) continue;
    const std::optional<std::string> value = get(entry.key.environment);
    if (!value || value->empty()) continue;
    BASE_RETURN_IF_ERROR(
        Set(entry.key.name, *value, Layer::kEnvironment, "environment " + entry.key.environment));
  }
  return Status();
}

Status Config::SetFromFlag(const std::string& name, const std::string& value) {
  return Set(name, value, Layer::kFlag, "flag");
}

const Config::Entry& Config::Find(const std::string& name) const {
  for (const Entry& entry : entries_) {
    if (entry.key.name == name) return entry;
  }
  std::fprintf(stderr, "regatta: no such configuration key: %s\n", name.c_str());
  std::abort();
}

const std::string& Config::Text(const std::string& name) const { return Find(name).value; }

std::int64_t Config::Integer(const std::string& name) const {
  return std::strtoll(Find(name).value.c_str(), nullptr, 10);
}

double Config::Number(const std::string& name) const {
  return std::strtod(Find(name).value.c_str(), nullptr);
}

Config::Layer Config::From(const std::string& name) const { return Find(name).layer; }

std::vector<Config::Shown> Config::Show() const {
  std::vector<Shown> shown;
  for (const Entry& entry : entries_) {
    shown.push_back(
        {.name = entry.key.name,
         .value = entry.key.type == ConfigType::kUrl ? HideUrlPassword(entry.value) : entry.value,
         .origin = entry.origin,
         .help = entry.key.help});
  }
  return shown;
}

}  // namespace regatta::base
