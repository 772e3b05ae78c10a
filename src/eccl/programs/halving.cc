#include "eccl/programs.h"

namespace regatta::eccl {
namespace {

int PowerOfTwoIn(int size) {
  int power = 1;
  while (power * 2 <= size) power *= 2;
  return power;
}

}  // namespace

Program DoublingAllReduce(int rank, int size) {
  const int power = PowerOfTwoIn(size);
  Program program{.algorithm = "doubling", .scratch_parts = 2};
  std::vector<Step>& steps = program.steps;
  const Slice output{Place::kOutput, 0};
  Slice now{Place::kInput, 0};
  int turn = 0;
  // What a partner still reads is not overwritten: two blocks of scratch take turns.
  const auto combine = [&](int from, bool last) {
    const Slice target{Place::kScratch, turn++ % 2};
    steps.push_back({.receive_from = from,
                     .combine = true,
                     .arrived_first = from < rank,
                     .last = last,
                     .source = now,
                     .target = target});
    now = target;
  };
  if (rank >= power) {
    steps.push_back({.send_to = rank - power, .source = now});
    steps.push_back({.receive_from = rank - power, .target = output});
    return program;
  }
  if (rank + power < size) combine(rank + power, false);
  for (int distance = 1; distance < power; distance *= 2) {
    steps.push_back({.send_to = rank ^ distance, .source = now});
    combine(rank ^ distance, distance * 2 == power);
  }
  if (rank + power < size) steps.push_back({.send_to = rank + power, .source = now});
  steps.push_back({.source = now, .target = output});
  return program;
}

Program HalvingAllReduce(int rank, int size) {
  const int power = PowerOfTwoIn(size);
  Builder builder("halving", rank, power);
  if (rank >= power) {
    for (int part = 0; part < power; ++part) builder.Send(part, rank - power);
    for (int part = 0; part < power; ++part) builder.Receive(part, rank - power);
    return builder.Take();
  }
  const bool folds = rank + power < size;
  for (int part = 0; folds && part < power; ++part) {
    builder.ReceiveAndCombine(part, rank + power, false);
  }
  // This rank works on the parts that agree with its number in the bits above `distance`.
  const auto agrees = [&](int part, int distance) {
    return (part & ~(2 * distance - 1)) == (rank & ~(2 * distance - 1));
  };
  for (int distance = power / 2; distance >= 1; distance /= 2) {
    for (int part = 0; part < power; ++part) {
      const bool theirs = ((part ^ rank) & distance) != 0;
      if (agrees(part, distance) && theirs) builder.Send(part, rank ^ distance);
    }
    for (int part = 0; part < power; ++part) {
      const bool mine = ((part ^ rank) & distance) == 0;
      if (agrees(part, distance) && mine) {
        builder.ReceiveAndCombine(part, rank ^ distance, distance == 1);
      }
    }
  }
  for (int distance = 1; distance < power; distance *= 2) {
    for (int part = 0; part < power; ++part) {
      const bool have = ((part ^ rank) & distance) == 0;
      if (agrees(part, distance) && have) builder.Send(part, rank ^ distance);
    }
    for (int part = 0; part < power; ++part) {
      const bool missing = ((part ^ rank) & distance) != 0;
      if (agrees(part, distance) && missing) builder.Receive(part, rank ^ distance);
    }
  }
  for (int part = 0; folds && part < power; ++part) builder.Send(part, rank + power);
  for (int part = 0; part < power; ++part) builder.CopyToOutput(part);
  return builder.Take();
}

}  // namespace regatta::eccl
