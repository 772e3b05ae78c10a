#include <algorithm>

#include "eccl/programs.h"

namespace regatta::eccl {
namespace {

// A rank's place in a binomial tree around `root`.
struct Binomial {
  int parent = -1;
  std::vector<int> children;  // the nearest first
};

Binomial BinomialOf(int rank, int size, int root) {
  Binomial tree;
  const int place = (rank - root + size) % size;
  for (int distance = 1; distance < size; distance *= 2) {
    if ((place & distance) != 0) {
      tree.parent = (place - distance + root) % size;
      break;
    }
    if (place + distance < size) tree.children.push_back((place + distance + root) % size);
  }
  return tree;
}

// A rank's place in a binary tree whose in-order numbers are the ranks, moved on by `shift`: ranks
// of every other number are leaves.
struct Binary {
  int parent = -1;
  std::vector<int> children;
};

// `x` counts from 1. The tree is the perfect one without the numbers above `size`.
int ParentOf(int x, int size) {
  int parent = x;
  do {
    const int low = parent & -parent;
    parent = (parent & (low << 1)) != 0 ? parent - low : parent + low;
  } while (parent > size);
  return parent;
}

Binary BinaryOf(int rank, int size, int shift) {
  const auto rank_of = [&](int x) { return (x - 1 + shift) % size; };
  const int own = (rank - shift + size) % size + 1;
  int top = 1;
  while (top * 2 <= size) top *= 2;
  Binary tree;
  if (own != top) tree.parent = rank_of(ParentOf(own, size));
  for (int x = 1; x <= size; ++x) {
    if (x != top && ParentOf(x, size) == own) tree.children.push_back(rank_of(x));
  }
  return tree;
}

template <typename Tree>
void Up(Builder* builder, const Tree& tree, int part, bool finish) {
  for (const int child : tree.children) {
    const bool last = finish && tree.parent < 0 && child == tree.children.back();
    builder->ReceiveAndCombine(part, child, last);
  }
  if (tree.parent >= 0) builder->Send(part, tree.parent);
}

template <typename Tree>
void Down(Builder* builder, const Tree& tree, int part) {
  if (tree.parent >= 0) builder->Receive(part, tree.parent);
  // The child with the most below it first.
  for (auto child = tree.children.rbegin(); child != tree.children.rend(); ++child) {
    builder->Send(part, *child);
  }
}

}  // namespace

Program TreeAllReduce(int rank, int size) {
  Builder builder("tree", rank, 1);
  const Binomial tree = BinomialOf(rank, size, 0);
  Up(&builder, tree, 0, true);
  Down(&builder, tree, 0);
  builder.CopyToOutput(0);
  return builder.Take();
}

Program DoubleTreeAllReduce(int rank, int size) {
  Builder builder("double tree", rank, 2);
  const Binary first = BinaryOf(rank, size, 0);
  const Binary second = BinaryOf(rank, size, 1);
  Up(&builder, first, 0, true);
  Up(&builder, second, 1, true);
  Down(&builder, first, 0);
  Down(&builder, second, 1);
  builder.CopyToOutput(0);
  builder.CopyToOutput(1);
  return builder.Take();
}

Program BinomialBroadcast(int rank, int size, int root) {
  Builder builder("binomial", rank, 1);
  Down(&builder, BinomialOf(rank, size, root), 0);
  builder.CopyToOutput(0);
  return builder.Take();
}

Program ChainBroadcast(int rank, int size, int root) {
  Builder builder("chain", rank, 1);
  const int place = (rank - root + size) % size;
  if (place > 0) builder.Receive(0, (rank - 1 + size) % size);
  if (place < size - 1) builder.Send(0, (rank + 1) % size);
  builder.CopyToOutput(0);
  return builder.Take();
}

Program BinomialReduce(int rank, int size, int root) {
  const Binomial tree = BinomialOf(rank, size, root);
  if (rank == root) {
    Builder builder("binomial", rank, 1);
    Up(&builder, tree, 0, true);
    builder.CopyToOutput(0);
    return builder.Take();
  }
  // Only the root has an output.
  Program program{.algorithm = "binomial", .scratch_parts = 2};
  Slice now{Place::kInput, 0};
  int turn = 0;
  for (const int child : tree.children) {
    const Slice target{Place::kScratch, turn++ % 2};
    program.steps.push_back(
        {.receive_from = child, .combine = true, .source = now, .target = target});
    now = target;
  }
  program.steps.push_back({.send_to = tree.parent, .source = now});
  Fuse(&program);
  return program;
}

}  // namespace regatta::eccl
