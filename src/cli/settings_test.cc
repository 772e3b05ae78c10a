#include "cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace regatta::cli {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/regatta-settings-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    ::setenv("XDG_CONFIG_HOME", (folder_ + "/config").c_str(), 1);
    ::setenv("XDG_DATA_HOME", (folder_ + "/data").c_str(), 1);
    for (const char* name : {"REGATTA_HOME", "REGATTA_LISTEN", "REGATTA_LOG", "REGATTA_STORE"}) {
      ::unsetenv(name);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& file, const std::string& text) {
    ASSERT_TRUE(base::MakeFolders(std::filesystem::path(folder_ + file).parent_path()).ok());
    ASSERT_TRUE(base::WriteFileDurably(folder_ + file, text).ok());
  }
  std::string folder_;
};

TEST_F(SettingsTest, EachSourceOverridesTheOneBefore) {
  EXPECT_EQ(LoadSettings({})->Text("home"), folder_ + "/data/regatta");
  Write("/config/regatta/config.yaml", "# mine\nlisten: 127.0.0.1:1\ncpus: 1.5\n");
  EXPECT_EQ(LoadSettings({})->Text("listen"), "127.0.0.1:1");
  EXPECT_EQ(LoadSettings({})->Number("cpus"), 1.5);
  Write("/data/regatta/config.yaml", "listen: 127.0.0.1:2\n");
  EXPECT_EQ(LoadSettings({})->Text("listen"), "127.0.0.1:2");
  ::setenv("REGATTA_LISTEN", "127.0.0.1:3", 1);
  EXPECT_EQ(LoadSettings({})->Text("listen"), "127.0.0.1:3");
  EXPECT_EQ(LoadSettings({{"listen", "127.0.0.1:4"}})->Text("listen"), "127.0.0.1:4");
  EXPECT_THAT(LoadSettings({})->Show()[6].origin, HasSubstr("/config/regatta/config.yaml:3"));
}

TEST_F(SettingsTest, MistakesInAFileAreNamedByLine) {
  Write("/config/regatta/config.yaml", "cpus: 2\nlisen: x\n");
  EXPECT_THAT(std::string(LoadSettings({}).status().message()),
              HasSubstr("config.yaml:2: there is no setting \"lisen\" (did you mean \"listen\"?)"));
  Write("/config/regatta/config.yaml", "cpus: [2\n");
  EXPECT_THAT(std::string(LoadSettings({}).status().message()), HasSubstr("config.yaml:2:"));
}

TEST_F(SettingsTest, PasswordsOnTheCommandLineAreRefused) {
  EXPECT_FALSE(LoadSettings({{"store", "postgresql://ann:secret@db/x"}}).ok());
  EXPECT_TRUE(LoadSettings({{"store", "postgresql://ann@db/x"}}).ok());
  ::setenv("REGATTA_STORE", "postgresql://ann:secret@db/x", 1);
  EXPECT_EQ(LoadSettings({})->Show()[2].value, "postgresql://ann:***@db/x");
}

}  // namespace
}  // namespace regatta::cli
