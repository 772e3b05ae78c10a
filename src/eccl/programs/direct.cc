#include "eccl/programs.h"

namespace regatta::eccl {

Program DirectAllReduce(int rank, int size) {
  Builder builder("direct", rank, size);
  builder.DirectReduceScatter(AllRanks(size), OnePartEach(size), true);
  builder.DirectAllGather(AllRanks(size), OnePartEach(size));
  if (size == 1) builder.CopyToOutput(0);
  return builder.Take();
}

Program DirectReduceScatter(int rank, int size) {
  Builder builder("direct", rank, size);
  builder.DirectReduceScatter(AllRanks(size), OnePartEach(size), true);
  if (size == 1) builder.CopyToOutput(0);
  return builder.Take();
}

Program DirectAllGather(int rank, int size) {
  Builder builder("direct", rank, size);
  builder.DirectAllGather(AllRanks(size), OnePartEach(size));
  builder.CopyToOutput(rank);
  return builder.Take();
}

Program PairwiseAllToAll(int rank, int size) {
  Program program{.algorithm = "pairwise", .parts = size, .may_alias = false};
  for (int by = 1; by < size; ++by) {
    const int to = (rank + by) % size;
    const int from = (rank - by + size) % size;
    program.steps.push_back({.send_to = to, .part = to, .source = {Place::kInput, to}});
    program.steps.push_back({.receive_from = from, .part = from, .target = {Place::kOutput, from}});
  }
  program.steps.push_back(
      {.part = rank, .source = {Place::kInput, rank}, .target = {Place::kOutput, rank}});
  return program;
}

Program DirectGather(int rank, int size, int root) {
  Builder builder("direct", rank, size);
  if (rank != root) {
    builder.Send(rank, root);
    return builder.Take();
  }
  builder.CopyToOutput(root);
  for (int by = 1; by < size; ++by) builder.Receive((root + by) % size, (root + by) % size);
  return builder.Take();
}

Program DirectScatter(int rank, int size, int root) {
  Builder builder("direct", rank, size);
  if (rank != root) {
    builder.Receive(rank, root);
    return builder.Take();
  }
  for (int by = 1; by < size; ++by) builder.Send((root + by) % size, (root + by) % size);
  builder.CopyToOutput(root);
  return builder.Take();
}

}  // namespace regatta::eccl
