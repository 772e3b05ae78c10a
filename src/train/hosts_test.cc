#include "train/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace regatta::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Hosts, AreReadWithTheirSlots) {
  EXPECT_THAT(*ParseHosts("a:4, me@b.example ,[fe80::1%eth0]:2,"),
              ElementsAre(Host{"a", 4}, Host{"me@b.example", 1}, Host{"fe80::1%eth0", 2}));
  EXPECT_EQ(*ParseHost("a", 3), (Host{"a", 3}));
}

TEST(Hosts, WhatIsNoneIsRefusedByItsText) {
  for (const char* text : {"a:0", ":2", "a:two", "a:-1", "a:70000", "-oProxyCommand=x", "a b",
                           "fe80::1", "[::1", "[::1]2", "a;b", ""}) {
    const auto host = ParseHost(text);
    ASSERT_FALSE(host.ok()) << text;
    EXPECT_THAT(host.status().message(), HasSubstr("is not a host")) << text;
  }
  EXPECT_THAT(ParseHosts("a:1,b:1,a:2").status().message(), HasSubstr("\"a\" is named twice"));
  EXPECT_THAT(ParseHosts(" , ").status().message(), HasSubstr("is empty"));
}

TEST(Hosts, AFileHasOneALine) {
  const std::string path = testing::TempDir() + "hosts-" + std::to_string(::getpid());
  std::ofstream(path) << "# the left rack\n\nnode1 slots=4\r\nnode2:2  # half of it\nnode3\n";
  EXPECT_THAT(*ReadHostFile(path),
              ElementsAre(Host{"node1", 4}, Host{"node2", 2}, Host{"node3", 1}));
  std::ofstream(path) << "node1\nnode2 cores=4\n";
  EXPECT_THAT(ReadHostFile(path).status().message(), HasSubstr(":2: \"cores=4\""));
  std::ofstream(path) << "# nobody\n";
  EXPECT_THAT(ReadHostFile(path).status().message(), HasSubstr("names no host"));
  ::unlink(path.c_str());
  EXPECT_EQ(ReadHostFile(path).status().code(), base::Code::kNotFound);
}

TEST(Hosts, ThisMachineIsKnownByItsNames) {
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  EXPECT_TRUE(IsHere(name)) << name;
  for (const char* here : {"localhost", "127.0.0.1", "127.0.0.2", "::1"}) {
    EXPECT_TRUE(IsHere(here)) << here;
  }
  for (const char* elsewhere : {"node1.example", "10.0.0.1", "128.0.0.1"}) {
    EXPECT_FALSE(IsHere(elsewhere)) << elsewhere;
  }
}

}  // namespace
}  // namespace regatta::train
