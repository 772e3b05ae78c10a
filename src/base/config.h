#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace regatta::base {

enum class ConfigType {
  kText,
  kInteger,  // decimal, within [minimum, maximum]
  kNumber,   // decimal, within [minimum, maximum]
  kChoice,   // one of `choices`
  kUrl,      // text; Show() hides the password in it
};

// One setting of the program.
struct ConfigKey {
  std::string name;         // "log_level": the key in a file; the flag is --log-level
  std::string environment;  // "REGATTA_LOG"
  ConfigType type = ConfigType::kText;
  std::string fallback;  // the default, as text
  std::string help;
  std::vector<std::string> choices;
  double minimum = 0;
  double maximum = 9e15;
};

// Settings with their order of precedence: default < file < environment < flag. Every value knows
// where it came from. Filled once at the start, then only read: not thread-safe while it is filled.
//
// The Set functions may be called in any order and repeatedly; within one layer the last call wins.
// They check the value and return kInvalidArgument that names the origin, the key, what is wrong
// and what would be right.
class Config {
 public:
  enum class Layer { kDefault, kFile, kEnvironment, kFlag };

  explicit Config(std::vector<ConfigKey> keys);

  // `origin` is the place for messages: "/etc/x/config.yaml:3".
  Status SetFromFile(const std::string& name, const std::string& value, const std::string& origin);
  // Reads each key's variable. An empty variable counts as unset.
  Status SetFromEnvironment(
      const std::function<std::optional<std::string>(const std::string&)>& get);
  Status SetFromFlag(const std::string& name, const std::string& value);

  // The value in force. `name` must be a key: asking for another is a defect and aborts.
  const std::string& Text(const std::string& name) const;
  std::int64_t Integer(const std::string& name) const;
  double Number(const std::string& name) const;
  Layer From(const std::string& name) const;

  struct Shown {
    std::string name;
    std::string value;   // passwords hidden
    std::string origin;  // "default", "/etc/x/config.yaml:3", "environment REGATTA_LOG", "flag"
    std::string help;
  };
  // Every setting in the order of the keys.
  std::vector<Shown> Show() const;

 private:
  struct Entry {
    ConfigKey key;
    std::string value;
    std::string origin = "default";
    Layer layer = Layer::kDefault;
  };
  Status Set(const std::string& name, const std::string& value, Layer layer,
             const std::string& origin);
  const Entry& Find(const std::string& name) const;

  std::vector<Entry> entries_;
};

// "postgresql://user:secret@host/db" -> "postgresql://user:***@host/db".
std::string HideUrlPassword(std::string_view url);
// The password in a URL's user part, or "".
std::string UrlPassword(std::string_view url);

}  // namespace regatta::base
