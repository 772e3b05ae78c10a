#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CommandLine, RunTakesItsOptionsInAnyOrder) {
  const Parsed parsed =
      ParseCommandLine({"run", "-p", "train.lr=0.1", "p.yaml", "-p", "seed=3", "--disable", "a,b",
                        "--home", "/h", "--new", "--port", "0"});
  ASSERT_TRUE(parsed.invocation) << parsed.err;
  const Invocation& call = *parsed.invocation;
  EXPECT_EQ(call.command, "run");
  EXPECT_EQ(call.file, "p.yaml");
  EXPECT_THAT(call.parameters, ElementsAre("train.lr=0.1", "seed=3"));
  EXPECT_THAT(call.disabled, ElementsAre("a", "b"));
  EXPECT_EQ(call.settings.at("home"), "/h");
  EXPECT_TRUE(call.fresh);
  EXPECT_FALSE(call.detach);
  EXPECT_EQ(call.port, 0);
}

TEST(CommandLine, RunTakesAFileOrAStoredPipeline) {
  const Parsed stored = ParseCommandLine({"run", "--pipeline", "train@3", "--directory", "d"});
  ASSERT_TRUE(stored.invocation) << stored.err;
  EXPECT_EQ(stored.invocation->pipeline, "train@3");
  EXPECT_EQ(stored.invocation->directory, "d");
  EXPECT_THAT(ParseCommandLine({"run"}).err, HasSubstr("a pipeline (FILE, or --pipeline NAME)"));
  EXPECT_EQ(ParseCommandLine({"run", "p.yaml", "--pipeline", "train"}).exit_code, 2);
}

TEST(CommandLine, WhatIsStoredHasItsCommands) {
  EXPECT_EQ(ParseCommandLine({"pipelines"}).invocation->command, "pipelines list");
  const Parsed update =
      ParseCommandLine({"pipelines", "update", "train", "p.yaml", "--description", "faster"});
  ASSERT_TRUE(update.invocation) << update.err;
  EXPECT_EQ(update.invocation->pipeline, "train");
  EXPECT_EQ(update.invocation->file, "p.yaml");
  EXPECT_EQ(update.invocation->description, "faster");
  EXPECT_EQ(ParseCommandLine({"artifacts", "--run", "last"}).invocation->run_id, "last");
  EXPECT_EQ(ParseCommandLine({"artifacts", "--kind", "pipe"}).exit_code, 2);
  EXPECT_EQ(ParseCommandLine({"caches", "delete", "x"}).invocation->cache, "x");
  EXPECT_FALSE(ParseCommandLine({"runs", "delete", "last"}).invocation->no_cache_check);
  EXPECT_TRUE(
      ParseCommandLine({"runs", "delete", "last", "--no-cache-check"}).invocation->no_cache_check);
}

TEST(CommandLine, NestedCommandsAreNamedInFull) {
  EXPECT_EQ(ParseCommandLine({"runs"}).invocation->command, "runs list");
  EXPECT_EQ(ParseCommandLine({"runs", "show", "last"}).invocation->command, "runs show");
  EXPECT_EQ(ParseCommandLine({"runs", "retry", "last"}).invocation->command, "runs retry");
  EXPECT_EQ(ParseCommandLine({"runs", "logs", "last", "train", "-f"}).invocation->command,
            "runs logs");
  EXPECT_EQ(ParseCommandLine({"config"}).invocation->command, "config show");
  EXPECT_EQ(ParseCommandLine({"topo", "machine.xml"}).invocation->command, "topo");
  const Parsed map = ParseCommandLine({"topo", "map", "-l", "tp=8", "machine.xml", "--hosts", "4"});
  ASSERT_TRUE(map.invocation) << map.err;
  EXPECT_EQ(map.invocation->command, "topo map");
  EXPECT_EQ(map.invocation->layout, "tp=8");
  EXPECT_EQ(map.invocation->file, "machine.xml");
  EXPECT_EQ(map.invocation->hosts, 4);
  EXPECT_EQ(ParseCommandLine({"topo", "map"}).exit_code, 2) << "a layout is needed";
  const Parsed plan = ParseCommandLine({"eccl", "plan", "-n", "8", "--hosts", "2"});
  ASSERT_TRUE(plan.invocation) << plan.err;
  EXPECT_EQ(plan.invocation->command, "eccl plan");
  EXPECT_EQ(plan.invocation->ranks, 8);
  EXPECT_EQ(plan.invocation->hosts, 2);
  EXPECT_EQ(ParseCommandLine({"eccl", "plan", "-n", "1"}).exit_code, 2) << "nobody to talk to";
  EXPECT_EQ(ParseCommandLine({"--version"}).invocation->command, "version");
}

TEST(CommandLine, WrongCommandsAreAnsweredWithASuggestion) {
  const Parsed parsed = ParseCommandLine({"rnu", "p.yaml"});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.err, HasSubstr("unknown command \"rnu\" (did you mean \"run\"?)"));
  EXPECT_THAT(ParseCommandLine({"runs", "shwo", "last"}).err,
              HasSubstr("unknown command \"runs shwo\" (did you mean \"show\"?)"));
}

TEST(CommandLine, WrongOptionsAreAnsweredWithASuggestion) {
  const Parsed parsed = ParseCommandLine({"serve", "--lisen", "x"});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.err, HasSubstr("unknown option \"--lisen\" (did you mean \"--listen\"?)"));
  EXPECT_THAT(parsed.err, HasSubstr("regatta serve --help"));
  EXPECT_EQ(ParseCommandLine({"run"}).exit_code, 2);
  EXPECT_EQ(ParseCommandLine({"run", "a.yaml", "b.yaml"}).exit_code, 2);
}

TEST(CommandLine, HelpIsNoError) {
  const Parsed parsed = ParseCommandLine({"run", "--help"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_THAT(parsed.out, HasSubstr("--parameter"));
  EXPECT_THAT(ParseCommandLine({}).out, HasSubstr("regatta run pipeline.yaml"));
}

TEST(CommandLine, RunExplainMeansRunsExplain) {
  const Parsed parsed = ParseCommandLine({"run", "explain", "last", "train", "--home", "/tmp/h"});
  ASSERT_TRUE(parsed.invocation.has_value()) << parsed.err;
  EXPECT_EQ(parsed.invocation->command, "runs explain");
  EXPECT_EQ(parsed.invocation->run_id, "last");
  EXPECT_EQ(parsed.invocation->step, "train");
  EXPECT_EQ(parsed.invocation->settings.at("home"), "/tmp/h");

  // A file may have that name.
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "explain"}, {"run", "./explain", "-p", "a=1"}}) {
    const Parsed file = ParseCommandLine(words);
    ASSERT_TRUE(file.invocation.has_value()) << file.err;
    EXPECT_EQ(file.invocation->command, "run");
    EXPECT_EQ(file.invocation->file, words[1]);
  }
  EXPECT_THAT(ParseCommandLine({"run", "explain", "last"}).err,
              HasSubstr("did you mean `regatta runs explain`"));
  EXPECT_THAT(ParseCommandLine({"run", "show", "last"}).err,
              HasSubstr("did you mean `regatta runs show`"));
  EXPECT_THAT(ParseCommandLine({"run", "a.yaml", "b.yaml"}).err,
              HasSubstr("\"b.yaml\" is one argument too many"));
}

TEST(CommandLine, CompletionKnowsCommandsAndFlags) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell);
    EXPECT_THAT(script, HasSubstr("explain")) << shell;
    EXPECT_THAT(script, HasSubstr("follow")) << shell;
  }
}

}  // namespace
}  // namespace regatta::cli
