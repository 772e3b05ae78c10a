#pragma once

#include <string>
#include <utility>
#include <vector>

namespace regatta::cli {

// What can follow one command on the command line.
struct CompletionEntry {
  std::string path;                                           // "", "runs", "runs show"
  std::vector<std::pair<std::string, std::string>> commands;  // name, help
  std::vector<std::string> flags;
  bool takes_file = false;
};

// `shell`: bash, zsh or fish.
std::string RenderCompletion(const std::string& shell, const std::vector<CompletionEntry>& entries);

}  // namespace regatta::cli
