#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace regatta::base {
namespace {

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

LogLevel LevelFromEnvironment() {
  const char* value = std::getenv("REGATTA_LOG");
  for (int i = 0; value != nullptr && i < 4; ++i) {
    if (kNames[i] == value) return static_cast<LogLevel>(i);
  }
  return LogLevel::kInfo;
}

LogFormat FormatFromEnvironment() {
  const char* value = std::getenv("REGATTA_LOG_FORMAT");
  return value != nullptr && std::string_view(value) == "json" ? LogFormat::kJson
                                                               : LogFormat::kText;
}

std::atomic<LogLevel>& Level() {
  static std::atomic<LogLevel> level = LevelFromEnvironment();
  return level;
}

std::atomic<LogFormat>& Format() {
  static std::atomic<LogFormat> format = FormatFromEnvironment();
  return format;
}

struct Secrets {
  std::mutex mutex;
  std::vector<std::string> values;
};
Secrets& HiddenSecrets() {
  static Secrets& secrets = *new Secrets;  // Never destroyed: other threads may log at exit.
  return secrets;
}

void Hide(std::string& line) {
  Secrets& secrets = HiddenSecrets();
  const std::lock_guard lock(secrets.mutex);
  for (const std::string& secret : secrets.values) {
    for (std::size_t at = line.find(secret); at != std::string::npos; at = line.find(secret, at)) {
      line.replace(at, secret.size(), "***");
    }
  }
}

// A log line is one line: control characters in a value could forge another.
void AppendPlain(std::string& line, std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
      line += ' ';
    } else {
      line += c;
    }
  }
}

}  // namespace

void SetLogLevel(LogLevel level) { Level() = level; }
void SetLogFormat(LogFormat format) { Format() = format; }

void HideInLogs(const std::string& secret) {
  if (secret.size() < 6) return;
  Secrets& secrets = HiddenSecrets();
  const std::lock_guard lock(secrets.mutex);
  secrets.values.push_back(secret);
}

void Log(LogLevel level, std::string_view room, std::string_view message,
         std::initializer_list<LogField> fields) {
  if (level < Level().load(std::memory_order_relaxed)) return;
  std::string line;
  if (Format() == LogFormat::kJson) {
    Json json = {{"time", FormatRfc3339(NowMicros())},
                 {"level", kNames[static_cast<int>(level)]},
                 {"room", room},
                 {"message", message}};
    for (const auto& [name, value] : fields) json[std::string(name)] = value;
    line = DumpJson(json);
  } else {
    line = FormatRfc3339(NowMicros()) + " ";
    line += kNames[static_cast<int>(level)];
    line += " ";
    line += room;
    line += ": ";
    AppendPlain(line, message);
    for (const auto& [name, value] : fields) {
      line += " ";
      line += name;
      line += "=";
      AppendPlain(line, value);
    }
  }
  Hide(line);
  line += "\n";
  // A lost log line must not stop the program; there is nowhere left to report it.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace regatta::base
