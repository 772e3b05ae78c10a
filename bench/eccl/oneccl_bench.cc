// Collectives of oneCCL, whose ranks meet over MPI; see measure.h.
#include <mpi.h>

#include <memory>
#include <oneapi/ccl.hpp>

#include "measure.h"

namespace {

using bench::Operation;

class OneCcl : public bench::Library {
 public:
  OneCcl() {
    int rank = 0;
    int ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    ccl::init();
    ccl::shared_ptr_class<ccl::kvs> store;
    ccl::kvs::address_type address;
    if (rank == 0) {
      store = ccl::create_main_kvs();
      address = store->get_address();
    }
    MPI_Bcast(address.data(), static_cast<int>(address.size()), MPI_BYTE, 0, MPI_COMM_WORLD);
    if (rank != 0) store = ccl::create_kvs(address);
    comm_ = std::make_unique<ccl::communicator>(ccl::create_communicator(ranks, rank, store));
  }
  int rank() const override { return comm_->rank(); }
  int ranks() const override { return comm_->size(); }
  void Barrier() override { ccl::barrier(*comm_).wait(); }
  void Max(std::vector<double>* values) override {
    ccl::allreduce(values->data(), values->data(), values->size(), ccl::datatype::float64,
                   ccl::reduction::max, *comm_)
        .wait();
  }
  void Make(const bench::Call& call) override {
    const ccl::datatype type =
        call.type == bench::Type::kFloat32 ? ccl::datatype::float32 : ccl::datatype::bfloat16;
    const std::size_t count = call.count;
    switch (call.operation) {
      case Operation::kAllReduce:
        ccl::allreduce(call.input, call.output, count, type, ccl::reduction::sum, *comm_).wait();
        break;
      case Operation::kAllGather: {
        const std::vector<std::size_t> counts(static_cast<std::size_t>(ranks()), count);
        ccl::allgatherv(call.input, count, call.output, counts, type, *comm_).wait();
        break;
      }
      case Operation::kReduceScatter:
        ccl::reduce_scatter(call.input, call.output, count, type, ccl::reduction::sum, *comm_)
            .wait();
        break;
      case Operation::kAllToAll:
        ccl::alltoall(call.input, call.output, count, type, *comm_).wait();
        break;
      case Operation::kBroadcast:
        if (call.input != call.output && rank() == 0) {
          std::memcpy(call.output, call.input, count * bench::WidthOf(call.type));
        }
        ccl::broadcast(call.output, count, type, 0, *comm_).wait();
        break;
    }
  }

 private:
  std::unique_ptr<ccl::communicator> comm_;
};

}  // namespace

int main(int argc, char** argv) {
  int provided = 0;  // oneCCL wants the highest level
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  {
    OneCcl oneccl;
    bench::MeasureAll(&oneccl, bench::RequestOf(argc, argv));
  }
  MPI_Finalize();
  return 0;
}
