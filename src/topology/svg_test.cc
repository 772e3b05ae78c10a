#include "topology/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/detect.h"
#include "topology/testing/fixtures.h"

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t Count(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(RenderSvg, ShowsEachDeviceOnceAndRailsInColour) {
  const auto topology = ReadTopologyFile(testing::FixturePath("hgx-h100.nccl.xml"));
  ASSERT_TRUE(topology.ok());
  const std::string svg = RenderSvg(*topology);
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_EQ(Count(svg, "<rect class=\"accelerator\""), 8U);
  EXPECT_EQ(Count(svg, "<rect class=\"nic\""), 8U);
  EXPECT_EQ(Count(svg, "<rect class=\"switch\""), 4U);
  EXPECT_EQ(Count(svg, "joins 8 GPUs"), 4U);
  EXPECT_EQ(Count(svg, "<path class=\"link\""), 0U);
  EXPECT_EQ(Count(svg, "fill=\"#0072b2\""), 1U) << "rail 0";
  EXPECT_EQ(Count(svg, "<g>"), Count(svg, "</g>"));
}

TEST(RenderSvg, DrawsALineFromEachNicToItsSwitch) {
  Topology topology;
  for (int i = 0; i < 2; ++i) {
    const int host = topology.Add({.kind = PartKind::kHost, .name = "h"});
    topology.Add({.kind = PartKind::kNic, .name = "nic", .parent = host, .rail = 1});
  }
  const int hub = topology.Add({.kind = PartKind::kSwitch, .name = "network switch 0", .rail = 1});
  for (const int nic : {1, 3}) topology.links.push_back({nic, hub, LinkKind::kNetwork, 25});
  const std::string svg = RenderSvg(topology);
  EXPECT_EQ(Count(svg, "<path class=\"link\" stroke=\"#e69f00\""), 2U);
  EXPECT_EQ(Count(svg, "<rect class=\"switch\""), 1U);
}

TEST(RenderSvg, EscapesNamesFromOutside) {
  Topology topology;
  topology.Add({.kind = PartKind::kHost, .name = "<script>&\"\x01"});
  const std::string svg = RenderSvg(topology);
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;&amp;&quot; "));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
}

TEST(RenderSvg, CountsHostsBeyondSixteen) {
  Topology topology;
  for (int i = 0; i < 20; ++i) topology.Add({.kind = PartKind::kHost, .name = "h"});
  const std::string svg = RenderSvg(topology);
  EXPECT_EQ(Count(svg, "<rect class=\"host\""), 16U);
  EXPECT_THAT(svg, HasSubstr("and 4 more hosts"));
  EXPECT_THAT(RenderSvg(Topology()), HasSubstr("</svg>")) << "nothing is a picture, too";
}

}  // namespace
}  // namespace regatta::topology
