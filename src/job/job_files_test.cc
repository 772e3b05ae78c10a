#include "job/job_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "job/shim/records.h"
#include "job/shim/request.h"
#include "job/shim/shim.h"
#include "job/test_support.h"

namespace regatta::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kId[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

class JobFilesTest : public ::testing::Test {
 protected:
  JobFilesTest() {
    spec_.id = kId;
    spec_.directory = folder_.path();
    spec_.roles.resize(1);
    spec_.roles[0].replicas = 2;
    EXPECT_TRUE(WriteIntent(spec_).ok());
  }
  void Put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  std::optional<ExitRecord> Exit(const std::string& result, const std::string& stop) {
    Put("shim/rank-0.exit",
        "regatta-exit 1\nresult " + result + "\npid 7\nstop " + stop + "\nstarted 5\nend\n");
    return ReadExit(folder_.path(), 0);
  }

  TemporaryFolder folder_;
  JobSpec spec_;
};

TEST_F(JobFilesTest, AnIntentIsOfOneJob) {
  EXPECT_TRUE(*CheckIntent(spec_));
  spec_.id[0] = '7';
  EXPECT_THAT(std::string(CheckIntent(spec_).status().message()),
              HasSubstr(std::string("is the folder of job \"") + kId + "\", not of 7"));
}

TEST_F(JobFilesTest, ADamagedIntentIsSaidToBeDamaged) {
  for (const char* text : {"", "[]", "{}", R"({"version": 1})", R"({"version": 1, "id": 3})",
                           R"({"version": 1, "id": null})", R"({"version": 0.5, "id": "a"})",
                           R"({"version": -1, "id": "a"})", R"({"version": "1", "id": "a"})"}) {
    Put("job.json", text);
    const absl::Status status = CheckIntent(spec_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder_ / "job.json is damaged"));
  }
  Put("job.json", R"({"version": 2, "id": "a"})");
  EXPECT_THAT(std::string(CheckIntent(spec_).status().message()), HasSubstr("by a newer regatta"));
}

TEST_F(JobFilesTest, ALaunchHasPortsAndAToken) {
  ASSERT_TRUE(WriteLaunch(spec_, {.ports = {1, 65'535}, .token = "t"}).ok());
  EXPECT_THAT((*ReadLaunch(spec_))->ports, ElementsAre(1, 65'535));
  for (const char* ports : {"null", "3", "[0]", "[65536]", "[4294967297]", "[1.5]", "[\"1\"]",
                            "[-1]", "[1e300]", "{\"a\": 1}"}) {
    Put("launch.json", std::string(R"({"version": 1, "token": "t", "ports": )") + ports + "}");
    EXPECT_EQ(ReadLaunch(spec_).status().code(), absl::StatusCode::kDataLoss) << ports;
  }
  Put("launch.json", R"({"version": 1, "token": 3, "ports": [1]})");
  EXPECT_EQ(ReadLaunch(spec_).status().code(), absl::StatusCode::kDataLoss);
}

// A replica can write where its shim does: what it makes up is no ending, and gets into no message.
TEST_F(JobFilesTest, AnEndingHasTheWordsOfTheFormat) {
  ASSERT_TRUE(Exit("code 3", "peer"));
  EXPECT_EQ(Exit("code 3", "peer")->value, 3);
  EXPECT_EQ(Exit("exec 2", "none")->result, "exec");
  EXPECT_FALSE(Exit("gone 3", "none"));
  EXPECT_FALSE(Exit(std::string("code\0 3", 7), "none"));
  EXPECT_FALSE(Exit("", "none"));
  EXPECT_FALSE(Exit("code 0", "nobody"));
}

TEST_F(JobFilesTest, ATokenIsWrittenWholeOrNotAtAll) {
  const std::string before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  const std::string cgroup(5000, 'c');
  const shim::Request request{.job = kId, .cgroup = cgroup.c_str(), .engine = getppid()};
  EXPECT_EQ(shim::Records(request).TakeToken(), shim::kCannotWrite);
  EXPECT_FALSE(ReadToken(folder_.path(), 0));
  const shim::Request shorter{.job = kId, .cgroup = cgroup.c_str() + 4000, .engine = getppid()};
  EXPECT_EQ(shim::Records(shorter).TakeToken(), shim::kDone);
  EXPECT_EQ(ReadToken(folder_.path(), 0)->cgroup, cgroup.substr(4000));
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace regatta::job
