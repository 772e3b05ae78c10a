#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::base {
namespace {

using ::testing::HasSubstr;

Config Make() {
  return Config({{.name = "listen", .environment = "REGATTA_LISTEN", .fallback = "127.0.0.1:8470"},
                 {.name = "log_level",
                  .environment = "REGATTA_LOG",
                  .type = ConfigType::kChoice,
                  .fallback = "info",
                  .choices = {"debug", "info"}},
                 {.name = "processes",
                  .environment = "REGATTA_PROCESSES",
                  .type = ConfigType::kInteger,
                  .fallback = "0",
                  .maximum = 1000},
                 {.name = "cpus", .type = ConfigType::kNumber, .fallback = "0"},
                 {.name = "store", .environment = "REGATTA_STORE", .type = ConfigType::kUrl}});
}

std::function<std::optional<std::string>(const std::string&)> Environment(
    const std::map<std::string, std::string>& values) {
  return [values](const std::string& name) -> std::optional<std::string> {
    const auto it = values.find(name);
    if (it == values.end()) return std::nullopt;
    return it->second;
  };
}

TEST(Config, StrongerLayerWinsWhateverTheOrder) {
  Config config = Make();
  EXPECT_EQ(config.Text("listen"), "127.0.0.1:8470");
  ASSERT_TRUE(config.SetFromFlag("listen", "flag:1").ok());
  ASSERT_TRUE(config.SetFromEnvironment(Environment({{"REGATTA_LISTEN", "env:1"}})).ok());
  ASSERT_TRUE(config.SetFromFile("listen", "file:1", "c.yaml:1").ok());
  EXPECT_EQ(config.Text("listen"), "flag:1");
  EXPECT_EQ(config.From("listen"), Config::Layer::kFlag);

  Config other = Make();
  ASSERT_TRUE(other.SetFromFile("processes", "4", "c.yaml:2").ok());
  EXPECT_EQ(other.Integer("processes"), 4);
  EXPECT_EQ(other.Show()[2].origin, "c.yaml:2");
  ASSERT_TRUE(other.SetFromEnvironment(Environment({{"REGATTA_PROCESSES", "8"}})).ok());
  EXPECT_EQ(other.Integer("processes"), 8);
  EXPECT_EQ(other.Show()[2].origin, "environment REGATTA_PROCESSES");
}

TEST(Config, EmptyVariableCountsAsUnset) {
  Config config = Make();
  ASSERT_TRUE(config.SetFromEnvironment(Environment({{"REGATTA_LISTEN", ""}})).ok());
  EXPECT_EQ(config.From("listen"), Config::Layer::kDefault);
}

TEST(Config, UnknownKeyIsRefusedWithASuggestion) {
  Config config = Make();
  const Status status = config.SetFromFile("lisen", "x", "c.yaml:3");
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "c.yaml:3: there is no setting \"lisen\" (did you mean \"listen\"?)");
}

TEST(Config, WrongValuesNameOriginKeyAndWhatWouldBeRight) {
  Config config = Make();
  EXPECT_EQ(config.SetFromFlag("processes", "many").message(),
            "flag: \"processes\" must be a whole number from 0 to 1000, not \"many\"");
  EXPECT_FALSE(config.SetFromFlag("processes", "1001").ok());
  EXPECT_FALSE(config.SetFromFlag("cpus", "1,5").ok());
  EXPECT_TRUE(config.SetFromFlag("cpus", "1.5").ok());
  EXPECT_EQ(config.Number("cpus"), 1.5);
  EXPECT_THAT(config.SetFromEnvironment(Environment({{"REGATTA_LOG", "dbug"}})).message(),
              HasSubstr("must be one of debug, info (did you mean \"debug\"?)"));
}

TEST(Config, PasswordsAreNeverShown) {
  Config config = Make();
  ASSERT_TRUE(config.SetFromFlag("store", "postgresql://ann:s3cr:et@db:5432/x").ok());
  EXPECT_EQ(config.Show()[4].value, "postgresql://ann:***@db:5432/x");
  EXPECT_EQ(UrlPassword("postgresql://ann:s3cr:et@db:5432/x"), "s3cr:et");
  EXPECT_EQ(HideUrlPassword("postgresql://db:5432/x?a=b@c"), "postgresql://db:5432/x?a=b@c");
  EXPECT_EQ(HideUrlPassword("sqlite:///home/a:b/x.db"), "sqlite:///home/a:b/x.db");
}

}  // namespace
}  // namespace regatta::base
