#include "topology/nccl_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "topology/detect.h"
#include "topology/hwloc.h"
#include "topology/nics.h"
#include "topology/testing/fixtures.h"
#include "topology/xml.h"

namespace regatta::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Topology Read(const std::string& name) {
  auto topology = FromNcclXml(testing::Fixture(name), name);
  EXPECT_TRUE(topology.ok()) << topology.status().ToString();
  return topology.ok() ? *std::move(topology) : Topology();
}

// The document without what has no meaning: the order of attributes and of children.
std::string Canonical(XmlElement element) {
  std::sort(element.attributes.begin(), element.attributes.end());
  std::string text = element.name;
  for (const auto& [name, value] : element.attributes) text += " " + name + "=" + value;
  std::vector<std::string> children;
  for (XmlElement& child : element.children) children.push_back(Canonical(std::move(child)));
  std::sort(children.begin(), children.end());
  for (const std::string& child : children) text += "\n(" + child + ")";
  return text;
}

class NcclMachine : public ::testing::TestWithParam<const char*> {};

TEST_P(NcclMachine, SurvivesARoundTripWhole) {
  const std::string original = testing::Fixture(GetParam());
  const Topology topology = Read(GetParam());
  EXPECT_TRUE(Check(topology).ok());
  EXPECT_THAT(topology.notes, IsEmpty());
  const auto written = ToNcclXml(topology);
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_EQ(Canonical(*ParseXml(*written, "written")), Canonical(*ParseXml(original, "original")));
  const auto again = FromNcclXml(*written, "written");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(*again, topology);
}

INSTANTIATE_TEST_SUITE_P(
    Fixtures, NcclMachine,
    ::testing::Values("dgx-a100.nccl.xml", "hgx-h100.nccl.xml", "pcie-8gpu.nccl.xml"),
    [](const auto& info) {
      std::string name = info.param;
      std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST(FromNcclXml, ReadsADgxA100) {
  const Topology topology = Read("dgx-a100.nccl.xml");
  const auto gpus = topology.All(PartKind::kAccelerator);
  const auto nics = topology.All(PartKind::kNic);
  ASSERT_THAT(gpus, SizeIs(8));
  ASSERT_THAT(nics, SizeIs(8));
  EXPECT_THAT(topology.All(PartKind::kSwitch), SizeIs(6));
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      EXPECT_EQ(DistanceBetween(topology, gpus[i], gpus[j]),
                i == j ? Distance::kLoc : Distance::kNvl);
      EXPECT_EQ(DistanceBetween(topology, gpus[i], nics[j]),
                i / 2 == j / 2 ? Distance::kPix : Distance::kSys);
    }
  }
  EXPECT_NEAR(BandwidthBetween(topology, gpus[0], gpus[5]), 240, 1e-9) << "12 links of 20 GB/s";
  EXPECT_NEAR(topology.parts[nics[0]].gigabytes_per_second, 25, 1e-9);
  EXPECT_NEAR(BandwidthBetween(topology, gpus[0], nics[0]), 25, 1e-9);
  EXPECT_EQ(topology.parts[topology.Above(gpus[0], PartKind::kNuma)].cpus, "48-63,176-191");
}

TEST(FromNcclXml, ReadsABoxOfPcieCards) {
  const Topology topology = Read("pcie-8gpu.nccl.xml");
  const auto gpus = topology.All(PartKind::kAccelerator);
  ASSERT_THAT(gpus, SizeIs(8));
  const auto distance = [&](int a, int b) { return DistanceBetween(topology, gpus[a], gpus[b]); };
  EXPECT_EQ(distance(0, 1), Distance::kPix);
  EXPECT_EQ(distance(0, 2), Distance::kPxb);
  EXPECT_EQ(distance(0, 4), Distance::kSys);
  EXPECT_EQ(DistanceBetween(topology, gpus[0], topology.All(PartKind::kNic)[0]), Distance::kPhb);
  EXPECT_NEAR(BandwidthBetween(topology, gpus[0], gpus[1]), 31.5, 0.1);
}

TEST(FromNcclXml, CountsADirectNvlinkOnce) {
  const std::string xml = R"(<system version="1"><cpu numaid="0">
<pci busid="1:0.0" class="0x030200"><gpu dev="0" sm="70"><nvlink target="2:0.0" count="3" tclass="0x030200"/></gpu></pci>
<pci busid="2:0.0" class="0x030200"><gpu dev="1" sm="70"><nvlink target="1:0.0" count="3" tclass="0x030200"/></gpu></pci>
</cpu></system>)";
  const auto topology = FromNcclXml(xml, "v100.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  const auto gpus = topology->All(PartKind::kAccelerator);
  EXPECT_NEAR(BandwidthBetween(*topology, gpus[0], gpus[1]), 60, 1e-9);
}

TEST(FromNcclXml, KeepsTwoPortsOfOneNicApart) {
  const std::string xml = R"(<system version="1"><cpu numaid="-1">
<pci busid="0000:01:00.0" class="0x020000"><nic><net name="a" dev="0" speed="1000"/><net name="b" dev="1"/></nic></pci>
<nic><net name="eth0" dev="2" speed="10000"/></nic>
</cpu></system>)";
  const auto topology = FromNcclXml(xml, "t");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_THAT(topology->All(PartKind::kNic), SizeIs(3));
  EXPECT_EQ(Canonical(*ParseXml(*ToNcclXml(*topology), "t")), Canonical(*ParseXml(xml, "t")));
}

TEST(FromNcclXml, LeavesOutAndNotesWhatItDoesNotKnow) {
  const std::string xml =
      "<system version=\"1\">\n<cpu numaid=\"0\">\n<cxl/>\n"
      "<pci busid=\"0000:01:00.0\" class=\"0x010802\"/>\n</cpu>\n</system>";
  const auto topology = FromNcclXml(xml, "t.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_THAT(topology->notes,
              ElementsAre("t.xml:3: <cxl> is not known here; it was left out",
                          HasSubstr("t.xml:4: 0000:01:00.0 is neither a switch nor holds")));
}

TEST(FromNcclXml, TakesAContainerWithSomeOfTheGpus) {
  const std::string xml = R"(<system version="1">
<cpu numaid="0" affinity="">
<pci busid="0000:01:00.0" class="0x030200"><gpu dev="0" sm="70">
<nvlink target="0000:02:00.0" count="3" tclass="0x030200"/></gpu></pci>
</cpu></system>)";
  const auto topology = FromNcclXml(xml, "t.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_THAT(topology->All(PartKind::kAccelerator), SizeIs(1));
  EXPECT_THAT(topology->notes,
              ElementsAre("t.xml:4: <nvlink> leads to 0000:02:00.0, which no <pci> in this file "
                          "has; it was left out"));
}

TEST(FromNcclXml, SaysWhatIsWrongAndWhere) {
  const std::string begin = "<system version=\"1\">\n<cpu numaid=\"0\">\n";
  const std::string end = "\n</cpu></system>";
  const std::string gpu =
      "<pci busid=\"0000:01:00.0\" class=\"0x030200\"><gpu dev=\"0\" sm=\"80\">";
  const std::pair<std::string, const char*> cases[] = {
      {"<topology/>", "t.xml:1: NCCL's topology begins with <system>, not <topology>"},
      {"<system version=\"2\"/>", "version 2 of the format"},
      {"<system version=\"1\"/>", "there is no <cpu>"},
      {"<system>\n<cpu/></system>", "t.xml:2: <cpu> has no \"numaid\""},
      {"<system>\n<cpu numa_id=\"0\"/></system>", "(did you mean \"numa_id\"?)"},
      {"<system>\n<cpu numaid=\"zero\"/></system>", "numaid=\"zero\" of <cpu> is no number"},
      {"<system>\n<cpu numaid=\"0\"/><cpu numaid=\"0\"/></system>", "a second <cpu> with numaid 0"},
      {"<system>\n<cpu numaid=\"0\" affinity=\"0-3\"/></system>", "is no mask"},
      {begin + "<pci class=\"0x030200\"/>" + end, "t.xml:3: <pci> has no \"busid\""},
      {begin + "<pci busid=\"gpu0\" class=\"0x030200\"/>" + end, "it is written as 0000:3b:00.0"},
      {begin + gpu + "</gpu></pci>\n" + gpu + "</gpu></pci>" + end,
       "t.xml:4: a second <pci> with busid 0000:01:00.0; the first is in line 3"},
      {begin + "<pci busid=\"0000:01:00.0\" class=\"0x030200\"><gpu sm=\"80\"/></pci>" + end,
       "<gpu> has no \"dev\""},
      {begin + "<pci busid=\"0000:01:00.0\" class=\"0x030200\" link_speed=\"16 apples\"/>" + end,
       "it is written as \"16.0 GT/s PCIe\""},
      {begin + gpu +
           "<nvlink target=\"0000:01:00.0\" count=\"1\" tclass=\"0x030200\"/></gpu></pci>" + end,
       "the GPU that it is part of"},
      {begin + gpu +
           "<nvlink target=\"0000:02:00.0\" count=\"0\" tclass=\"0x068000\"/></gpu></pci>" + end,
       "a link counts at least 1"},
      {begin + gpu + "<nvlink target=\"2:0.0\" count=\"1\" tclass=\"0x030200\"/></gpu></pci>\n" +
           "<pci busid=\"2:0.0\" class=\"0x030200\"><gpu dev=\"1\">" +
           "<nvlink target=\"1:0.0\" count=\"2\" tclass=\"0x030200\"/></gpu></pci>" + end,
       "t.xml:4: count=\"2\" of <nvlink>, but line 3 counts 1 between the same two GPUs"},
  };
  for (const auto& [xml, expected] : cases) {
    const auto topology = FromNcclXml(xml, "t.xml");
    ASSERT_FALSE(topology.ok()) << xml;
    EXPECT_EQ(topology.status().code(), base::Code::kInvalidArgument);
    EXPECT_THAT(topology.status().message(), HasSubstr(expected)) << xml;
  }
}

TEST(FromNcclXml, SurvivesAnyCut) {
  const std::string whole = testing::Fixture("pcie-8gpu.nccl.xml");
  for (std::size_t size = 0; size + 10 < whole.size(); ++size) {
    EXPECT_FALSE(FromNcclXml(whole.substr(0, size), "cut").ok()) << size;
  }
}

TEST(ToNcclXml, DescribesAMachineThatHwlocSaw) {
  auto topology = FromHwlocXml(testing::Fixture("hgx-h100.hwloc.xml"), "hgx");
  ASSERT_TRUE(topology.ok());
  const auto xml = ToNcclXml(*topology);
  ASSERT_TRUE(xml.ok()) << xml.status().ToString();
  EXPECT_THAT(
      *xml,
      HasSubstr("<cpu numaid=\"1\" affinity=\"0000ff00\" arch=\"x86_64\" vendor=\"GenuineIntel\" "
                "familyid=\"6\" modelid=\"143\">"));
  EXPECT_THAT(
      *xml,
      HasSubstr(
          "<pci busid=\"0000:1b:00.0\" class=\"0x030200\" vendor=\"0x10de\" device=\"0x2330\" "
          "link_speed=\"32.0 GT/s PCIe\" link_width=\"16\">"));
  EXPECT_THAT(*xml, HasSubstr("<nvlink target=\"0000:05:00.0\" count=\"5\" tclass=\"0x068000\"/>"));
  EXPECT_THAT(*xml, HasSubstr("<net name=\"mlx5_7\" dev=\"7\" guid=\"0x8\"/>"));
  const auto again = FromNcclXml(*xml, "again");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  const auto gpus = again->All(PartKind::kAccelerator);
  const auto nics = again->All(PartKind::kNic);
  ASSERT_THAT(gpus, SizeIs(8));
  EXPECT_EQ(DistanceBetween(*again, gpus[0], nics[0]), Distance::kPix);
  EXPECT_EQ(DistanceBetween(*again, gpus[0], gpus[7]), Distance::kNvl);
}

TEST(ToNcclXml, WantsOneHost) {
  Topology two = Read("hgx-h100.nccl.xml");
  const Topology one = two;
  Append(one, &two);
  EXPECT_EQ(ToNcclXml(two).status().code(), base::Code::kFailedPrecondition);
  EXPECT_EQ(ToNcclXml(two, 3).status().code(), base::Code::kInvalidArgument);
  const auto second = ToNcclXml(two, two.All(PartKind::kHost)[1]);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(*second, *ToNcclXml(one));
}

TEST(ReadTopologyFile, TellsNcclsFromHwlocs) {
  const auto topology = ReadTopologyFile(testing::FixturePath("hgx-h100.nccl.xml"));
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_THAT(topology->All(PartKind::kAccelerator), SizeIs(8));
  EXPECT_EQ(topology->parts[topology->All(PartKind::kNic)[3]].rail, 3);
}

}  // namespace
}  // namespace regatta::topology
