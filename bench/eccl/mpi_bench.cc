// Collectives of an MPI; see measure.h.
#include <mpi.h>

#include "measure.h"

namespace {

using bench::Operation;

float Widen(std::uint16_t half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// MPI has no bfloat16: an operator on 16 bits, which the compiler vectorises.
void AddBfloat16(void* in, void* inout, int* count, MPI_Datatype*) {
  const auto* from = static_cast<const std::uint16_t*>(in);
  auto* to = static_cast<std::uint16_t*>(inout);
  for (int i = 0; i < *count; ++i) {
    const float sum = Widen(from[i]) + Widen(to[i]);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &sum, sizeof(bits));
    bits += 0x7fff + (bits >> 16 & 1);  // to the nearest, ties to even
    to[i] = static_cast<std::uint16_t>(bits >> 16);
  }
}

class Mpi : public bench::Library {
 public:
  Mpi() {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
    MPI_Op_create(AddBfloat16, 1, &add_bfloat16_);
  }
  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  void Barrier() override { MPI_Barrier(MPI_COMM_WORLD); }
  void Max(std::vector<double>* values) override {
    MPI_Allreduce(MPI_IN_PLACE, values->data(), static_cast<int>(values->size()), MPI_DOUBLE,
                  MPI_MAX, MPI_COMM_WORLD);
  }
  void Make(const bench::Call& call) override {
    const auto count = static_cast<int>(call.count);
    const bool wide = call.type == bench::Type::kFloat32;
    MPI_Datatype type = wide ? MPI_FLOAT : MPI_UINT16_T;
    MPI_Op add = wide ? MPI_SUM : add_bfloat16_;
    const void* input = call.input == call.output ? MPI_IN_PLACE : call.input;
    switch (call.operation) {
      case Operation::kAllReduce:
        MPI_Allreduce(input, call.output, count, type, add, MPI_COMM_WORLD);
        break;
      case Operation::kAllGather:
        MPI_Allgather(call.input, count, type, call.output, count, type, MPI_COMM_WORLD);
        break;
      case Operation::kReduceScatter:
        MPI_Reduce_scatter_block(call.input, call.output, count, type, add, MPI_COMM_WORLD);
        break;
      case Operation::kAllToAll:
        MPI_Alltoall(call.input, count, type, call.output, count, type, MPI_COMM_WORLD);
        break;
      case Operation::kBroadcast:
        // It has one buffer; the others give it in and out.
        if (call.input != call.output && rank_ == 0) {
          std::memcpy(call.output, call.input, call.count * bench::WidthOf(call.type));
        }
        MPI_Bcast(call.output, count, type, 0, MPI_COMM_WORLD);
        break;
    }
  }

 private:
  int rank_ = 0;
  int ranks_ = 0;
  MPI_Op add_bfloat16_ = MPI_OP_NULL;
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    Mpi mpi;
    bench::MeasureAll(&mpi, bench::RequestOf(argc, argv));
  }
  MPI_Finalize();
  return 0;
}
