#pragma once

#include <vector>

#include "eccl/program.h"

namespace regatta::eccl {

// The programs of one rank among `size`, one file each in programs/. Unless said otherwise input
// and output have `size` parts.

// --- all-reduce ---
// 2 (n-1) steps, 2 (n-1)/n of the data: for large data.
Program RingAllReduce(int rank, int size);
// Everyone sends part p to rank p, which combines and sends the result to all: two rounds, as much
// data as a ring, n-1 connections at once.
Program DirectAllReduce(int rank, int size);
// log2(n) rounds of all data. One part. Ranks beyond a power of two take part through another.
Program DoublingAllReduce(int rank, int size);
// Rabenseifner's: halving, then doubling; 2 log2(n) rounds, 2 (n-1)/n of the data. As many parts as
// the largest power of two in `size`.
Program HalvingAllReduce(int rank, int size);
// Up a binomial tree to rank 0 and down again. One part.
Program TreeAllReduce(int rank, int size);
// Two binary trees, each for one of two parts; an inner node of one is a leaf of the other.
Program DoubleTreeAllReduce(int rank, int size);
// Within each host, then between the ranks of the same place on all hosts, then within hosts again:
// only 1/width of the data leaves a host for each of its ranks. `hosts` lists each host's ranks,
// the same number everywhere. As many parts as ranks.
Program HierarchicalAllReduce(int rank, const std::vector<std::vector<int>>& hosts);

// --- the others ---
Program RingReduceScatter(int rank, int size);  // output has one part: this rank's
Program DirectReduceScatter(int rank, int size);
Program RingAllGather(int rank, int size);  // input has one part: this rank's
Program DirectAllGather(int rank, int size);
Program PairwiseAllToAll(int rank, int size);
Program BinomialBroadcast(int rank, int size, int root);  // one part
Program ChainBroadcast(int rank, int size, int root);     // one part, for large data
Program BinomialReduce(int rank, int size, int root);     // one part
Program DirectGather(int rank, int size, int root);       // part r is rank r's
Program DirectScatter(int rank, int size, int root);

// log2(n) rounds without data.
Program DisseminationBarrier(int rank, int size);

// --- what programs are made of ---

using Members = std::vector<int>;             // ranks
using Owned = std::vector<std::vector<int>>;  // parts, by position in Members

// Remembers where the current value of each part is, while phases are put one after the other.
class Builder {
 public:
  Builder(const char* algorithm, int rank, int parts);

  // Members hold each other's values of all parts in `owned`; afterwards member i has the
  // combination of the parts owned[i]. All members call it with the same lists.
  void RingReduceScatter(const Members& members, const Owned& owned, bool last);
  void DirectReduceScatter(const Members& members, const Owned& owned, bool last);
  // Member i has the parts owned[i]; afterwards all members have all of them.
  void RingAllGather(const Members& members, const Owned& owned);
  void DirectAllGather(const Members& members, const Owned& owned);

  void Send(int part, int to);
  // Replaces or combines the part's value.
  void Receive(int part, int from);
  void ReceiveAndCombine(int part, int from, bool last);
  // The value is passed on and not kept.
  void ReceiveCombineAndPass(int part, int from, int to);
  // Output holds what input did, if nothing was stored there yet.
  void CopyToOutput(int part);
  Slice Now(int part) const { return now_[static_cast<std::size_t>(part)]; }

  Program Take();

 private:
  int rank_;
  int passed_ = 0;
  Program program_;
  std::vector<Slice> now_;  // by part
};

// 0, 1, ..., n-1 and {0}, {1}, ..., {n-1}.
Members AllRanks(int size);
Owned OnePartEach(int size);
int PositionOf(const Members& members, int rank);

}  // namespace regatta::eccl
