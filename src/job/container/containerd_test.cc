#include "job/container/containerd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FullImageName, IsWhatDockerMeans) {
  EXPECT_EQ(FullImageName("tiny"), "docker.io/library/tiny:latest");
  EXPECT_EQ(FullImageName("tiny:2"), "docker.io/library/tiny:2");
  EXPECT_EQ(FullImageName("team/tiny"), "docker.io/team/tiny:latest");
  EXPECT_EQ(FullImageName("localhost/tiny"), "localhost/tiny:latest");
  EXPECT_EQ(FullImageName("host:5000/tiny"), "host:5000/tiny:latest");
  EXPECT_EQ(FullImageName("host.example/a/b:1"), "host.example/a/b:1");
  EXPECT_EQ(FullImageName("tiny@sha256:00"), "docker.io/library/tiny@sha256:00");
}

TEST(ChainId, OfOneLayerIsTheLayer) { EXPECT_EQ(ChainId({"sha256:aa"}), "sha256:aa"); }

// The second value: printf 'sha256:aa sha256:bb' | sha256sum; the third goes on from there.
TEST(ChainId, GoesOnFromLayerToLayer) {
  const std::string two = ChainId({"sha256:aa", "sha256:bb"});
  EXPECT_EQ(two, "sha256:b68ad689d6d1ec110ea1c13617437ad6f3766d4b3b309f6a603a222e07a0164f");
  EXPECT_EQ(ChainId({"sha256:aa", "sha256:bb", "sha256:cc"}), ChainId({two, "sha256:cc"}));
}

TEST(LayersOf, ReadsWhatContainerdPrints) {
  EXPECT_THAT(*LayersOf("mount -t overlay overlay /x -o index=off,lowerdir=/s/2/fs:/s/1/fs"),
              ElementsAre("/s/2/fs", "/s/1/fs"));
  EXPECT_THAT(*LayersOf("mount -t bind /s/1/fs /x -o ro,rbind"), ElementsAre("/s/1/fs"));
}

TEST(LayersOf, RefusesOtherSnapshotters) {
  for (const char* line :
       {"", "mount -t zfs pool/1 /x -o ro", "mount -t overlay overlay /x -o ro"}) {
    const auto layers = LayersOf(line);
    EXPECT_EQ(layers.status().code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(layers.status().message(), HasSubstr("overlayfs"));
  }
}

}  // namespace
}  // namespace regatta::job
