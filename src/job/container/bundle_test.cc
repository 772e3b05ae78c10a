#include "job/container/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "job/test_support.h"

namespace regatta::job {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

ContainerPlan Plan() {
  return {
      .image = "docker.io/library/tiny:latest",
      .working_directory = "/work",
      .files = {.layers = {"/layers/2", "/layers/1"}, .env = {{"PATH", "/bin"}, {"A", "image"}}},
      .folders = {{"/work/in", "", true}, {"/work"}, {"/data/2", "/mnt/data"}}};
}

std::vector<std::string> Places(const base::Json& config) {
  std::vector<std::string> places;
  for (const base::Json& mount : config["mounts"]) places.push_back(mount["destination"]);
  return places;
}

TEST(ContainerPlan, IsReadAsItWasWritten) {
  const TemporaryFolder folder;
  const std::string path = PlanPath(folder.path(), "worker");
  ASSERT_TRUE(WritePlan(path, Plan()).ok());
  const auto plan = ReadPlan(path);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->image, Plan().image);
  EXPECT_EQ(plan->working_directory, "/work");
  EXPECT_EQ(plan->files.layers, Plan().files.layers);
  EXPECT_EQ(plan->files.env, Plan().files.env);
  ASSERT_EQ(plan->folders.size(), 3u);
  EXPECT_EQ(plan->folders[0].path, "/work/in");
  EXPECT_TRUE(plan->folders[0].read_only);
  EXPECT_FALSE(plan->folders[1].read_only);
  EXPECT_EQ(plan->folders[2].path, "/data/2");
  EXPECT_EQ(plan->folders[2].inside, "/mnt/data");
}

TEST(ContainerPlan, KeepsTheEntryPointThatVersion1DidNotKnow) {
  const TemporaryFolder folder;
  const std::string path = folder / "plan.json";
  ContainerPlan plan = Plan();
  plan.entry_point = {"python", "-u"};
  plan.arguments = {"train.py"};
  ASSERT_TRUE(WritePlan(path, plan).ok());
  EXPECT_EQ(ReadPlan(path)->entry_point, plan.entry_point);
  EXPECT_EQ(ReadPlan(path)->arguments, plan.arguments);
  base::Json old = *base::ParseJson(Slurp(path));
  old["version"] = 1;
  old.erase("entry_point");
  old.erase("arguments");
  std::ofstream(path) << old.dump();
  ASSERT_TRUE(ReadPlan(path).ok());
  EXPECT_TRUE(ReadPlan(path)->entry_point.empty());
}

TEST(ContainerPlan, OfAnotherVersionOrDamagedIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder / "plan.json";
  ASSERT_TRUE(WritePlan(path, Plan()).ok());
  // Where the rest is good, the version alone decides.
  std::vector<std::string> bad = {"", "{}", "[]", "{\"version\": 3}",
                                  "{\"version\": 1, \"image\": 3}"};
  for (const char* version : {"2.5", "4294967298", "1e300", "true", "null"}) {
    base::Json plan = *base::ParseJson(Slurp(path));
    plan["version"] = *base::ParseJson(version);
    bad.push_back(plan.dump());
  }
  for (const std::string& text : bad) {
    std::ofstream(path) << text;
    const auto plan = ReadPlan(path);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(plan.status().message(), HasSubstr(path));
  }
}

TEST(OciConfig, GivesTheProcessItsVariablesOverThoseOfTheImage) {
  const base::Json config =
      OciConfig(Plan(), {.argv = {"echo", "a b"}, .env = {{"A", "job"}, {"B", "2"}}});
  EXPECT_EQ(config["process"]["args"], base::Json({"echo", "a b"}));
  EXPECT_EQ(config["process"]["cwd"], "/work");
  const auto env = config["process"]["env"].get<std::vector<std::string>>();
  EXPECT_THAT(env, Contains("A=job"));
  EXPECT_THAT(env, Contains("B=2"));
  EXPECT_THAT(env, Contains("PATH=/bin"));
}

TEST(OciConfig, MountsAFolderBeforeWhatLiesInIt) {
  const auto places = Places(OciConfig(Plan(), {.argv = {"true"}}));
  const auto outer = std::ranges::find(places, "/work");
  const auto inner = std::ranges::find(places, "/work/in");
  ASSERT_NE(outer, places.end());
  ASSERT_NE(inner, places.end());
  EXPECT_LT(outer, inner);
}

TEST(OciConfig, MountsAFolderWhereItIsWanted) {
  const base::Json config = OciConfig(Plan(), {.argv = {"true"}});
  const auto& mounts = config["mounts"];
  const auto at = std::ranges::find(mounts, base::Json("/mnt/data"),
                                    [](const base::Json& mount) { return mount["destination"]; });
  ASSERT_NE(at, mounts.end());
  EXPECT_EQ((*at)["source"], "/data/2");
}

TEST(OciConfig, SharesNetworkAndProcessesWithTheMachine) {
  const base::Json config = OciConfig(Plan(), {.argv = {"true"}});
  std::vector<std::string> kinds;
  for (const base::Json& item : config["linux"]["namespaces"]) kinds.push_back(item["type"]);
  EXPECT_THAT(kinds, Contains("mount"));
  EXPECT_THAT(kinds, Not(Contains("network")));
  EXPECT_THAT(kinds, Not(Contains("pid")));
}

}  // namespace
}  // namespace regatta::job
