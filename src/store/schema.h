#pragma once

#include <string>
#include <vector>

namespace regatta::store {

// One step forward of a room's tables. Never edited once released; a change is a new Migration.
struct Migration {
  int version = 0;   // 1, 2, 3, ... without gaps
  std::string name;  // "runs and steps"
  std::vector<std::string> statements;
};

// A room's tables. Each room brings its own and reads or writes no other room's.
struct Schema {
  std::string room;  // "flow"
  std::vector<Migration> migrations;
};

}  // namespace regatta::store
