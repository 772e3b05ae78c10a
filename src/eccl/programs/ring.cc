#include "eccl/programs.h"

namespace regatta::eccl {

Program RingAllReduce(int rank, int size) {
  Builder builder("ring", rank, size);
  builder.RingReduceScatter(AllRanks(size), OnePartEach(size), true);
  builder.RingAllGather(AllRanks(size), OnePartEach(size));
  if (size == 1) builder.CopyToOutput(0);
  return builder.Take();
}

Program RingReduceScatter(int rank, int size) {
  Builder builder("ring", rank, size);
  builder.RingReduceScatter(AllRanks(size), OnePartEach(size), true);
  if (size == 1) builder.CopyToOutput(0);
  return builder.Take();
}

Program RingAllGather(int rank, int size) {
  Builder builder("ring", rank, size);
  builder.RingAllGather(AllRanks(size), OnePartEach(size));
  builder.CopyToOutput(rank);
  return builder.Take();
}

}  // namespace regatta::eccl
