#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace regatta::eccl {

// A collective as data: what one rank does, step by step, with parts of its buffers. Programs are
// made by the functions of programs.h, checked by simulator.h, run by executor.h, and printed.
//
// A part is a numbered share of a buffer; how long each is, the call decides. A program works on
// one block of every part; the executor repeats it, overlapped, until all blocks are done.
//
// Steps behave as if they ran one after the other. They may run earlier: a step waits only for the
// steps before it that use the same connection in the same direction, or touch the same part.

enum class Place : std::uint8_t { kNone, kInput, kOutput, kScratch };

struct Slice {
  Place place = Place::kNone;
  int part = 0;
  bool operator==(const Slice&) const = default;
};

struct Step {
  int receive_from = -1;  // a rank; -1: nothing arrives
  int send_to = -1;       // a rank; -1: nothing leaves
  // What arrives is combined with `source` by the call's operator (`source` first, or last when
  // `arrived_first`, so that two ranks which combine the same two values get the same bits).
  bool combine = false;
  bool arrived_first = false;
  int part = 0;  // whose value this is, and so how long
  // This is the part's last combination: an average divides here.
  bool last = false;
  Slice source;  // of a combination; or what is copied or sent when nothing arrives
  Slice target;  // where the value is stored, and then sent from; kNone only for a mere send
};

struct Program {
  const char* algorithm = "";  // "ring"
  int parts = 1;               // of input and output
  int scratch_parts = 0;
  bool may_alias = true;  // input and output may be one buffer
  std::vector<Step> steps;

  // One line a step: "3: receive from 1, combine with input 2, store in output 2, send to 0".
  std::string ToString() const;
};

// What has to be done before a step, and the order on each connection.
struct Order {
  struct Port {
    int peer;
    std::vector<int> steps;
  };
  std::vector<bool> read_again;  // by step: a later one reads what this one stores
  // By step: these must have stored their value, and these must be all over (stored and sent).
  std::vector<std::vector<int>> after_stored;
  std::vector<std::vector<int>> after_done;
  std::vector<Port> receives;  // one a peer
  std::vector<Port> sends;
};

// Where the program may be called in place, input and output of one number count as one memory.
Order OrderOf(const Program& program);

// Joins a store with a later mere send of the same part where nothing comes between, so that data
// is passed on while it arrives.
void Fuse(Program* program);

}  // namespace regatta::eccl
