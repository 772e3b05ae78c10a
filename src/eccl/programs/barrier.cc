#include "eccl/programs.h"

namespace regatta::eccl {

// The values have no bytes: what counts is that the connection's descriptor comes. A round combines
// what it hears with all that was heard before, and the next round's send waits for that.
Program DisseminationBarrier(int rank, int size) {
  Program program{.algorithm = "dissemination", .scratch_parts = 2};
  Slice heard{Place::kInput, 0};
  int round = 0;
  for (int distance = 1; distance < size; distance *= 2, ++round) {
    program.steps.push_back({.send_to = (rank + distance) % size, .source = heard});
    const Slice before = heard;
    heard = {Place::kScratch, round % 2};
    program.steps.push_back({.receive_from = (rank - distance + size) % size,
                             .combine = true,
                             .source = before,
                             .target = heard});
  }
  return program;
}

}  // namespace regatta::eccl
