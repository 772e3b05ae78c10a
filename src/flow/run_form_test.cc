#include "flow/run_form.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/parse.h"

namespace regatta::flow {
namespace {

using ::testing::HasSubstr;

constexpr char kForm[] = R"({
  "name": "form", "dockerEnv": "image", "description": "all of it", "username": "ada",
  "env": {"A": "global", "B": "global"}, "queue": "q", "flavour": {"name": "small"},
  "failureOptions": {"strategy": "continue"},
  "fsOptions": {"mainFS": {"name": "m", "subPath": "s"}, "extraFS": [{"name": "e", "readOnly": true}]},
  "cache": {"enable": true, "maxExpiredTime": 60, "fsScope": [{"name": "m"}]},
  "components": {"c": {"command": "x", "env": {"B": "own"}}},
  "entryPoints": {
    "a": {"command": "x", "dockerEnv": "other", "env": {"A": "own"}, "jobType": "single",
          "extraFS": [{"name": "f", "mountPath": "/f"}], "cache": {"maxExpiredTime": -1}},
    "d": {"parameters": {"l": [1, 2]}, "loopArgument": "{{l}}",
          "entryPoints": {"s": {"reference": {"component": "c"}}}}},
  "postProcess": {"p": {"command": "x", "queue": "later"}}
})";

TEST(RunForm, IsReadAsThePipelineThatItIs) {
  const auto pipeline = ParsePipeline(kForm, {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->docker_env, "image");
  EXPECT_EQ(pipeline->failure_strategy, FailureStrategy::kContinue);
  EXPECT_EQ(pipeline->main_fs->sub_path, "s");
  EXPECT_TRUE(pipeline->extra_fs.at(0).read_only);
  EXPECT_EQ(pipeline->cache.max_expired_seconds, 60);
  const Node& a = *pipeline->entry_points[0];
  EXPECT_EQ(a.docker_env, "other");
  EXPECT_EQ(a.extra_fs.at(0).mount_path, "/f");
  EXPECT_EQ(a.cache.max_expired_seconds, -1);
  EXPECT_EQ(a.env, (std::map<std::string, std::string>{{"A", "own"},
                                                       {"B", "global"},
                                                       {"PF_JOB_FLAVOUR", "small"},
                                                       {"PF_JOB_QUEUE_NAME", "q"},
                                                       {"PF_JOB_TYPE", "single"}}));
  const Node& d = *pipeline->entry_points[1];
  EXPECT_EQ(d.loop_argument, base::Json("{{l}}"));
  const Node& s = *d.children.at(0);
  EXPECT_EQ(s.env.at("A"), "global");
  EXPECT_EQ(s.env.at("B"), "own");
  EXPECT_EQ(pipeline->post_process->env.at("PF_JOB_QUEUE_NAME"), "later");
}

TEST(RunForm, TellsWhatIsWrongWithItsPlace) {
  const auto problem = [](const std::string& json) {
    return std::string(ParsePipeline(json, {}, nullptr).status().message());
  };
  EXPECT_THAT(
      problem("{\"name\": \"p\",\n \"entryPoints\": {\"a\": {\"command\": \"x\", \"comand\": 1}}}"),
      HasSubstr("pipeline.yaml:2:40: entry_points.a.comand: step has no attribute"));
  EXPECT_THAT(problem("{\"name\": \"p\", \"entryPoints\": {\"a\": {\"command\": \"x\"}},\n"
                      "\"docker_env\": \"i\", \"dockerEnv\": \"i\"}"),
              HasSubstr("pipeline.yaml:2:20: dockerEnv: workflow has no attribute"));
  EXPECT_THAT(problem("{\"name\": \"p\", \"entryPoints\": {\"a\": {\"command\": \"x\"}},\n"
                      "\"env\": {\"A\": true}}"),
              HasSubstr("pipeline.yaml:2:14: entry_points.a.env.A: must be a text or a number"));
  EXPECT_THAT(problem("{\"name\": \"p\", \"entryPoints\": 1}"), HasSubstr("entry_points: must be"));
  EXPECT_THAT(problem("{\"name\": \"p\", \"entryPoints\": {\"a\": {\"command\": \"x\"}},\n"
                      "\"env\": 5}"),
              HasSubstr("pipeline.yaml:2:1: env: workflow has no attribute"));
  // The YAML form has no global env.
  EXPECT_THAT(problem("name: p\nenv: {A: b}\nentry_points: {a: {command: x}}\n"),
              HasSubstr("workflow has no attribute \"env\""));
}

}  // namespace
}  // namespace regatta::flow
