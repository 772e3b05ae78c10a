#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/device.h"
#include "device/kinds.h"

namespace regatta::device {
namespace {

using testing::HasSubstr;

TEST(Plugins, ThoseThatCannotBeUsedAreRefusedWithTheReason) {
  const auto refusal = [](const std::string& path) {
    const auto api = LoadPlugin(path);
    EXPECT_FALSE(api.ok());
    EXPECT_THAT(api.status().message(), HasSubstr(path));
    return api.status().message();
  };
  EXPECT_THAT(refusal("/nowhere/libnone.so"), HasSubstr("cannot load"));
  EXPECT_THAT(refusal(DEVICE_BAD_SYMBOL), HasSubstr("has no regattaDevicePlugin"));
  EXPECT_THAT(refusal(DEVICE_BAD_NULL), HasSubstr("no device table of version 1"));
  EXPECT_THAT(refusal(DEVICE_BAD_VERSION), HasSubstr("of version 2, not of version 1"));
  EXPECT_THAT(refusal(DEVICE_BAD_HOLES), HasSubstr("not complete"));
}

TEST(Plugins, AreFoundThroughTheEnvironmentBesideTheBuiltInKinds) {
  // Read once a process, so in one of its own.
  const auto look = [] {
    setenv("REGATTA_SIM_DEVICES", "1", 1);
    setenv("REGATTA_SIM_MEMORY_MIB", "1", 1);
    setenv("REGATTA_DEVICE_PLUGINS",
           (std::string(DEVICE_BAD_VERSION) + ":" + DEVICE_SIM_PLUGIN + ":" + DEVICE_SIM_PLUGIN)
               .c_str(),
           1);
    const bool opened = Device::Open("simplug:0").ok();
    const base::Status unknown = Device::Open("simplux:0").status();
    std::fprintf(stderr, "%s; opened %d, %zu kinds\n", unknown.message().c_str(), opened,
                 AllKinds().size());
    std::exit(opened ? 0 : 1);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(look(), testing::ExitedWithCode(0),
              "there are cuda, sim, simplug; .*of version 2.*there is a kind \"simplug\" "
              "already; opened 1, 3 kinds");
}

TEST(Names, ThatAreNoDeviceAreExplained) {
  for (const char* name : {"", "cuda", ":0", "cuda:", "cuda:x", "cuda:-1", "cuda:0x"}) {
    const auto device = Device::Open(name);
    EXPECT_EQ(device.status().code(), base::Code::kInvalidArgument) << name;
    EXPECT_THAT(device.status().message(), HasSubstr("like cuda:0")) << name;
  }
  const auto unknown = Device::Open("abacus:0");
  EXPECT_EQ(unknown.status().code(), base::Code::kNotFound);
  EXPECT_THAT(unknown.status().message(), HasSubstr("no kind of device is called \"abacus\""));
}

}  // namespace
}  // namespace regatta::device
