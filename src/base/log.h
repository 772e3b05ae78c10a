#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace regatta::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// Process-wide. Defaults: kInfo, or REGATTA_LOG=debug|info|warning|error; text, or
// REGATTA_LOG_FORMAT=json.
void SetLogLevel(LogLevel level);
void SetLogFormat(LogFormat format);

// From now on `secret` (a token, a password) is written as "***" wherever it occurs in a log line.
// Secrets shorter than 6 characters are ignored: hiding them would hide ordinary text.
void HideInLogs(const std::string& secret);

using LogField = std::pair<std::string_view, std::string>;

// One structured line on standard error, in one write(2): time, level, room, message, fields.
// Thread-safe.
void Log(LogLevel level, std::string_view room, std::string_view message,
         std::initializer_list<LogField> fields = {});

}  // namespace regatta::base
