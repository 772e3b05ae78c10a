#include "eccl/rails/interfaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "eccl/options.h"

namespace regatta::eccl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

const std::vector<Interface> kHost = {
    {"lo", "127.0.0.1", 8},           {"eth0", "10.0.0.1", 24, 25000},
    {"eth1", "10.0.1.1", 24, 25000},  {"ib0", "10.0.2.1", 16},
    {"admin0", "10.0.3.1", 24, 1000}, {"docker0", "172.17.0.1", 16, 100000}};

std::vector<std::string> Chosen(const std::string& text) {
  auto patterns = InterfacePatterns::Parse(text);
  EXPECT_TRUE(patterns.ok()) << patterns.status().message();
  auto chosen = patterns->Choose(kHost);
  EXPECT_TRUE(chosen.ok()) << chosen.status().message();
  std::vector<std::string> names;
  for (const Interface& one : *chosen) names.push_back(one.name);
  return names;
}

TEST(Interfaces, AreChosenByNamePatternAndExclusion) {
  EXPECT_THAT(Chosen(""), ElementsAre("eth0", "eth1")) << "the fastest that are known";
  EXPECT_THAT(Chosen("eth1,eth0"), ElementsAre("eth1", "eth0"));
  EXPECT_THAT(Chosen("ib*,eth?"), ElementsAre("ib0", "eth0", "eth1"));
  EXPECT_THAT(Chosen("^eth0"), ElementsAre("eth1", "ib0", "admin0"));
  EXPECT_THAT(Chosen("eth*,^eth0"), ElementsAre("eth1"));
  EXPECT_THAT(Chosen("docker0"), ElementsAre("docker0"));
}

TEST(Interfaces, ErrorsNameTheVariableAndWhatWouldBeRight) {
  for (const char* text : {",", "eth0,", "^", "eth0 eth1", "a/b"}) {
    const auto patterns = InterfacePatterns::Parse(text);
    ASSERT_FALSE(patterns.ok()) << text;
    EXPECT_THAT(std::string(patterns.status().message()),
                AllOf(HasSubstr(std::string("ECCL_INTERFACES=\"") + text + "\""),
                      HasSubstr("eth0,eth1 or ib* or ^docker0")));
  }
  const auto chosen = InterfacePatterns::Parse("eth7")->Choose(kHost);
  EXPECT_THAT(std::string(chosen.status().message()),
              AllOf(HasSubstr("ECCL_INTERFACES=\"eth7\""), HasSubstr("eth0 (10.0.0.1)")));
  setenv("ECCL_SOCKETS_PER_RAIL", "0", 1);
  EXPECT_THAT(std::string(ReadOptions(nullptr).status().message()),
              HasSubstr("ECCL_SOCKETS_PER_RAIL is 0; it may be 1 to 16"));
  unsetenv("ECCL_SOCKETS_PER_RAIL");
}

TEST(Interfaces, ArePairedBySubnetAndThenByName) {
  const std::vector<Interface> mine = {{"eth1", "10.0.1.1", 24}, {"eth2", "10.0.2.1", 24}};
  EXPECT_THAT(PairInterfaces(
                  mine, std::vector<Interface>{{"eth2", "10.0.1.2", 24}, {"eth1", "10.0.2.2", 24}}),
              ElementsAre(Pair(0, 0), Pair(1, 1)));
  const std::vector<Interface> flat = {{"eth1", "10.0.0.1", 24}, {"eth2", "10.0.0.2", 24}};
  EXPECT_THAT(PairInterfaces(
                  flat, std::vector<Interface>{{"eth2", "10.0.0.3", 24}, {"eth1", "10.0.0.4", 24}}),
              ElementsAre(Pair(0, 1), Pair(1, 0)));
  // Each host has a bridge of its own with this address.
  const std::vector<Interface> bridge = {{"cni7", "10.88.0.1", 16}};
  EXPECT_THAT(PairInterfaces(bridge, bridge), IsEmpty());
  EXPECT_THAT(PairInterfaces(mine, std::vector<Interface>{{"eth1", "192.168.0.2", 24}}), IsEmpty());
  EXPECT_THAT(PairInterfaces(std::vector<Interface>{{"a", "fd00:1::1", 64}},
                             std::vector<Interface>{{"b", "fd00:1::2", 64}}),
              ElementsAre(Pair(0, 0)));
}

TEST(Interfaces, OfThisHostHaveLoopback) {
  const auto all = InterfacesOfThisHost();
  EXPECT_EQ(InterfaceOf(all, "127.0.0.1"), "lo");
  EXPECT_EQ(InterfaceOf(all, "203.0.113.7"), "");
}

}  // namespace
}  // namespace regatta::eccl
