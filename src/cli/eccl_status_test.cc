#include "cli/eccl_status.h"

#include <gtest/gtest.h>

namespace regatta::cli {
namespace {

using base::Json;

Json Rank(int rank, int sequence, bool inside, int heard_us_ago = 0) {
  return {{"rank", rank},         {"name", "rank " + std::to_string(rank) + " (host a, pid 7)"},
          {"sequence", sequence}, {"call", "allreduce #" + std::to_string(sequence)},
          {"inside", inside},     {"left", false},
          {"gone", false},        {"heard_us_ago", heard_us_ago}};
}

Json Process(const Json& communicator) {
  return {{"version", 1}, {"pid", 7}, {"communicators", Json::array({communicator})}};
}

Json Waiting(int rank, int for_us) {
  return {
      {"communicator", "c0ffee"},
      {"rank", rank},
      {"size", 3},
      {"transport", "shm"},
      {"state", "ok"},
      {"waiting_for", Json::array({{{"rank", 2}, {"for", "data"}}})},
      {"ranks", Json::array({Rank(0, 5, true), Rank(1, 5, true), Rank(2, 4, false, 300'000)})},
      {"links",
       Json::array(
           {{{"rank", 2}, {"transport", "shm"}, {"sent_bytes", 2048}, {"received_bytes", 100}}})},
      {"calls", Json::array({{{"call", "allreduce #5 (int8 x 1, sum)"},
                              {"sequence", 5},
                              {"site", "train.py:9"},
                              {"over", false},
                              {"took_us", for_us}}})}};
}

TEST(EcclStatus, SaysWhoWaitsForWhomAndWhoHoldsThemUp) {
  const std::string text =
      RenderEcclStatus({Process(Waiting(0, 4'000'000)), Process(Waiting(1, 3'000'000))});
  EXPECT_EQ(
      text,
      "communicator c0ffee  3 ranks, shm\n"
      "  rank 0 (host a, pid 7)\n"
      "    in allreduce #5 (int8 x 1, sum) at train.py:9 for 4.0 s, waits for data of rank 2\n"
      "    sent 2.0 KiB, received 100 B\n"
      "  rank 1 (host a, pid 7)\n"
      "    in allreduce #5 (int8 x 1, sum) at train.py:9 for 3.0 s, waits for data of rank 2\n"
      "    sent 2.0 KiB, received 100 B\n"
      "  rank 2 (host a, pid 7)\n"
      "    computes since allreduce #4\n"
      "  Held up by rank 2.\n");
}

TEST(EcclStatus, NobodyIsHeldUpWhileWaitsAreShort) {
  const std::string text = RenderEcclStatus({Process(Waiting(0, 200))});
  EXPECT_EQ(text.find("Held up"), std::string::npos) << text;
}

TEST(EcclStatus, NamesSilentAndGoneRanksAndWhyItFailed) {
  Json said = Waiting(0, 5'000'000);
  said["state"] = "failed";
  said["why"] = "rank 1 is gone";
  said["ranks"][1]["gone"] = true;
  said["ranks"][2] = Rank(2, 5, true, 2'500'000);
  const std::string text = RenderEcclStatus({Process(said)});
  EXPECT_NE(text.find("3 ranks, shm, failed\n  rank 1 is gone\n"), std::string::npos) << text;
  EXPECT_NE(text.find("is gone: its process has ended"), std::string::npos) << text;
  EXPECT_NE(text.find("silent for 2.5 s"), std::string::npos) << text;
  EXPECT_NE(text.find("Held up by rank 1, rank 2."), std::string::npos) << text;
}

TEST(EcclStatus, SaysThatThereIsNone) {
  EXPECT_EQ(RenderEcclStatus({}), "No process on this host has an ECCL communicator.\n");
}

}  // namespace
}  // namespace regatta::cli
