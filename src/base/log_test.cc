#include "base/log.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace regatta::base {
namespace {

std::string Logged(LogFormat format, LogLevel level, std::string_view message,
                   std::initializer_list<LogField> fields = {}) {
  SetLogFormat(format);
  testing::internal::CaptureStderr();
  Log(level, "room", message, fields);
  SetLogFormat(LogFormat::kText);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WritesOneLineWithFields) {
  const std::string line = Logged(LogFormat::kText, LogLevel::kInfo, "started", {{"port", "80"}});
  EXPECT_NE(line.find(" info room: started port=80\n"), std::string::npos) << line;
}

TEST(Log, WritesJson) {
  const std::string line = Logged(LogFormat::kJson, LogLevel::kError, "a \"b\"", {{"k", "v"}});
  const auto json = ParseJson(line);
  ASSERT_TRUE(json.ok()) << line;
  EXPECT_EQ((*json)["message"], "a \"b\"");
  EXPECT_EQ((*json)["k"], "v");
}

TEST(Log, HidesSecretsInMessagesAndFields) {
  HideInLogs("hunter2-token");
  const std::string line =
      Logged(LogFormat::kText, LogLevel::kInfo, "got hunter2-token", {{"t", "xhunter2-tokenx"}});
  EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
  EXPECT_NE(line.find("t=x***x"), std::string::npos) << line;
}

TEST(Log, KeepsHostileTextOnOneLine) {
  const std::string line = Logged(LogFormat::kText, LogLevel::kInfo, "a\n2026 error forged");
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
}

TEST(Log, DropsLinesBelowTheLevel) {
  SetLogLevel(LogLevel::kWarning);
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kInfo, "quiet"), "");
  SetLogLevel(LogLevel::kInfo);
}

}  // namespace
}  // namespace regatta::base
