#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/hvdrun.h"

namespace regatta::cli {

// What one call of the program asks for, after its arguments were read.
struct Invocation {
  std::string command;  // "run", "serve", "runs list", "runs show", ..., "config show"
  // Settings given as flags, by the names of settings.cc.
  std::map<std::string, std::string> settings;

  std::string file;                     // run, submit, validate
  std::vector<std::string> parameters;  // "key=value"
  std::string name;
  std::vector<std::string> disabled;
  bool detach = false;
  bool fresh = false;  // --new
  std::optional<int> port;

  std::string pipeline;     // pipelines ...; --pipeline: NAME or NAME@VERSION
  std::string directory;    // run
  std::string description;  // pipelines create, update

  std::string run_id;
  std::string job;              // jobs ...
  std::string cache;            // caches ...
  std::string kind;             // artifacts list
  bool no_cache_check = false;  // runs delete
  std::string step;
  int rank = 0;
  bool follow = false;
  bool force = false;
  std::vector<std::string> states;
  int limit = 20;

  int pid = 0;         // eccl status; 0: every process
  std::string layout;  // topo map
  int hosts = 0;       // topo map; 0: as many as the layout needs
  int devices = 0;     // topo map; 0: the machine's accelerators

  train::HvdrunOptions hvdrun;
  bool check_build = false;  // hvdrun
  // eccl plan
  std::string operation = "allreduce";
  std::string algorithm;
  std::string bytes = "64MiB";
  std::string inside = "1us,10GB/s";
  std::string between = "30us,25Gbit/s";
  int ranks = 0;
  int program_of = -1;  // a rank; -1: no program is printed

  std::string output = "text";  // --output
  bool json = false;            // --output json
  bool compat = false;          // validate --paddleflow
  std::string shell;            // completion
};

// Either an invocation, or what to print and the exit code.
struct Parsed {
  std::optional<Invocation> invocation;
  std::string out;  // for standard output (help)
  std::string err;  // for standard error, without a line break at its end
  int exit_code = 0;
};

Parsed ParseCommandLine(const std::vector<std::string>& arguments);

// A completion script for bash, zsh or fish, made from the same description of the commands.
std::string CompletionScript(const std::string& shell);

}  // namespace regatta::cli
