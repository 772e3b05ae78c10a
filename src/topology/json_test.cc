#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/detect.h"
#include "topology/testing/fixtures.h"
#include "topology/text.h"

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;

TEST(FromJson, GivesBackWhatWasWritten) {
  for (const char* name : {"dgx-a100.nccl.xml", "hgx-h100.hwloc.xml", "hgx-h100.nccl.xml",
                           "pcie-8gpu.nccl.xml", "vm-2-cores.hwloc.xml"}) {
    auto topology = ReadTopologyFile(testing::FixturePath(name));
    ASSERT_TRUE(topology.ok()) << topology.status().ToString();
    topology->limits = {.cgroup_version = 2, .cpus = 1.5, .cpu_list = "0-1", .memory_bytes = 1};
    topology->notes = {"a note"};
    topology->links.push_back({.a = 0,
                               .b = 1,
                               .kind = LinkKind::kNetwork,
                               .gigabytes_per_second = 0.3,
                               .latency_us = 1.25,
                               .measured = true});
    const auto back = ReadTopology(base::DumpJson(ToJson(*topology)), name);
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(*back, *topology) << name;
  }
}

TEST(FromJson, SaysWhatIsWrongAndWhere) {
  const std::string host = R"({"id":0,"kind":"host","name":"a"})";
  const auto document = [&](const std::string& parts, const std::string& links = "") {
    return R"({"version":1,"parts":[)" + parts + R"(],"links":[)" + links + "]}";
  };
  const std::pair<std::string, const char*> cases[] = {
      {"{", "line 1"},
      {R"({"parts":[]})", "t.json: \"version\" is 0; this program reads version 1"},
      {R"({"version":2})", "\"version\" is 2"},
      {document(""), "t.json: there is no host in it"},
      {R"({"version":1,"parts":{}})", "\"parts\" is no list"},
      {document("7"), "part 0: it is no object"},
      {document(R"({"id":1,"kind":"host"})"), "part 0: its id is 1"},
      {document(R"({"kind":"hots"})"),
       "\"hots\" is not known as \"kind\" (did you mean \"host\"?)"},
      {document(host + R"(,{"kind":"nic","parent":1})"), "a parent must come before its children"},
      {document(host + R"(,{"kind":"nic"})"), "must have a parent"},
      {document(host + R"(,{"kind":"nic","parent":0,"bus_id":"x"})"), "part 1: \"x\" is no PCI"},
      {document(host + R"(,{"kind":"nic","parent":0,"rail":-2})"),
       "part 1: \"rail\" is no integer"},
      {document(host + R"(,{"kind":"nic","parent":0,"bytes":1e300})"), "\"bytes\" is no integer"},
      {document(host + R"(,{"kind":"nic","parent":0,"name":7})"), "\"name\" is no text"},
      {document(host + R"(,{"kind":"nic","parent":0,"extra":{"a":1}})"), "\"extra\": \"a\" is no"},
      {document(host, R"({"a":0,"b":5,"kind":"pcie"})"), "a link from part 0 to part 5"},
      {document(host, R"({"b":0,"kind":"pcie"})"), "a link from part -1"},
      {document(host, R"({"a":0,"b":0,"kind":"pcie","latency_us":-1})"), "is no number from 0"},
  };
  for (const auto& [text, expected] : cases) {
    const auto topology = ReadTopology(text, "t.json");
    ASSERT_FALSE(topology.ok()) << text;
    EXPECT_EQ(topology.status().code(), base::Code::kInvalidArgument) << text;
    EXPECT_THAT(topology.status().message(), HasSubstr(expected)) << text;
  }
}

TEST(FromJson, RefusesATreeThatWouldOverflowTheStack) {
  std::string parts = R"({"kind":"host"})";
  for (int i = 0; i < 100'000; ++i) {
    parts += R"(,{"kind":"bridge","parent":)" + std::to_string(i) + "}";
  }
  const auto topology = ReadTopology(R"({"version":1,"parts":[)" + parts + "]}", "t.json");
  ASSERT_FALSE(topology.ok());
  EXPECT_THAT(topology.status().message(), HasSubstr("is below more than 64 others"));
}

TEST(FromJson, TakesTextsThatMeanNothingToUs) {
  const auto topology = ReadTopology(
      R"({"version":1,"parts":[{"kind":"host","name":"a"},
          {"kind":"cores","parent":0,"name":"2 cores","extra":{"l2_bytes":"many"}}]})",
      "t.json");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_THAT(RenderText(*topology), HasSubstr("2 cores"));
}

}  // namespace
}  // namespace regatta::topology
