#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace regatta::train {

// A machine that ranks can run on, by the name that it is reached under.
struct Host {
  std::string name;
  int slots = 1;  // how many ranks it takes

  bool operator==(const Host&) const = default;
};

// Reads "name" or "name:slots", "[fe80::1]:slots" for an IPv6 address; "user@name" where ssh is to
// log in as somebody else. kInvalidArgument for what is none: also names that begin with "-", which
// ssh would take for an option.
base::Result<Host> ParseHost(std::string_view text, int slots_unless_said = 1);

// A list such as "a:4,b:4". A host that is named twice is kInvalidArgument.
base::Result<std::vector<Host>> ParseHosts(std::string_view text);

// A file with one host a line, as "name", "name:slots" or "name slots=N"; "#" begins a comment.
base::Result<std::vector<Host>> ReadHostFile(const std::string& path);

// What a host discovery script prints: as in a host file.
base::Result<std::vector<Host>> ParseHostLines(std::string_view text, const std::string& source,
                                               int slots_unless_said = 1);

// Whether the name means this machine: "localhost", its host name, or a loopback address.
bool IsHere(const std::string& name);

}  // namespace regatta::train
