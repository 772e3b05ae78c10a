#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "train/hvdrun.h"

namespace regatta::cli {

// Adds the flags of `regatta hvdrun`, named as horovodrun names them.
void AddHvdrunFlags(CLI::App* command, train::HvdrunOptions* options, bool* check_build);

// Where the ranks' command begins in the words after "hvdrun", and what is before it; horovodrun's
// "-np", which is no flag that CLI11 knows, has become "--num-proc".
struct HvdrunWords {
  std::vector<std::string> flags;
  std::vector<std::string> command;
};
HvdrunWords SplitHvdrun(const CLI::App* command, const std::vector<std::string>& words);

}  // namespace regatta::cli
