#pragma once

#include <string>

namespace regatta::job {

struct Place {
  std::string file;
  int line = 0;    // from 1
  int column = 0;  // from 1
};

// One thing wrong with a file: "pipeline.yaml:14:9: entry_points.train.deps: ...".
struct Problem {
  Place place;
  std::string path;  // entry_points.train.parameters.lr
  std::string message;
  std::string ToString() const;
};

}  // namespace regatta::job
