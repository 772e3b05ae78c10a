// Each collective of the process group: what is checked at once, and the body that runs in turn.

#include <stdexcept>

#include "process_group.h"

namespace regatta::c10d_eccl {
namespace {

using c10d::OpType;
using Tensors = ProcessGroupEccl::Tensors;

[[noreturn]] void Refuse(const char* call, const std::string& why) {
  throw std::invalid_argument(std::string("eccl ") + call + ": " + why);
}

Tensors Together(const Tensors& first, const Tensors& second) {
  Tensors all = first;
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

void CheckCounts(const char* call, const char* name, std::size_t got, std::size_t wanted) {
  if (got == wanted) return;
  Refuse(call, std::string(name) + " has " + std::to_string(got) + " elements; " +
                   std::to_string(wanted) + " are needed");
}

// A list of one tensor a rank; `needed` elements each, unless they may differ (negative).
void CheckList(const char* call, const char* name, const Tensors& list, int size,
               std::int64_t needed) {
  if (list.size() != static_cast<std::size_t>(size)) {
    Refuse(call, std::string(name) + " has " + std::to_string(list.size()) +
                     " tensors; the group has " + std::to_string(size) + " ranks");
  }
  for (const at::Tensor& tensor : list) {
    if (needed >= 0 && tensor.numel() != needed) {
      Refuse(call, std::string(name) + " has a tensor of " + std::to_string(tensor.numel()) +
                       " elements; all need " + std::to_string(needed));
    }
  }
}

// Elements that go to each rank, of a tensor cut along its first dimension.
std::vector<std::size_t> SplitCounts(const char* name, const at::Tensor& tensor,
                                     const std::vector<std::int64_t>& splits, int size) {
  constexpr const char* kCall = "all_to_all_single";
  const auto ranks = static_cast<std::size_t>(size);
  const std::int64_t rows = tensor.dim() == 0 ? 1 : tensor.size(0);
  const std::size_t row = rows == 0 ? 0 : static_cast<std::size_t>(tensor.numel() / rows);
  if (splits.empty()) {
    if (rows % size != 0) {
      Refuse(kCall, std::string(name) + " has " + std::to_string(rows) +
                        " rows, which do not divide by " + std::to_string(size) + " ranks");
    }
    return std::vector<std::size_t>(ranks, static_cast<std::size_t>(rows / size) * row);
  }
  if (splits.size() != ranks) {
    Refuse(kCall, std::to_string(splits.size()) + " split sizes of " + name + " were given for " +
                      std::to_string(size) + " ranks");
  }
  std::vector<std::size_t> counts;
  std::int64_t sum = 0;
  for (const std::int64_t split : splits) {
    if (split < 0) Refuse(kCall, std::string("a split size of ") + name + " is negative");
    sum += split;
    counts.push_back(static_cast<std::size_t>(split) * row);
  }
  if (sum != rows) {
    Refuse(kCall, std::string("the split sizes of ") + name + " add up to " + std::to_string(sum) +
                      "; it has " + std::to_string(rows) + " rows");
  }
  return counts;
}

std::vector<std::size_t> Scaled(std::vector<std::size_t> counts, std::size_t by) {
  for (std::size_t& count : counts) count *= by;
  return counts;
}

// The input of a reduction, ready to be read.
Packed OpenInput(const Tensors& tensors, const Reduction& reduction) {
  Tensors inputs = tensors;
  if (reduction.factor.defined()) {
    for (at::Tensor& input : inputs) {
      input = input.mul(reduction.factor.reshape({}).to(input.scalar_type()));
    }
  }
  Packed packed(std::move(inputs));
  packed.Open(true);
  return packed;
}

void AllReduce(Comm& comm, const Tensors& tensors, const Reduction& reduction) {
  const Packed input = OpenInput(tensors, reduction);
  if (!reduction.factor.defined()) {
    comm.Check(Eccl().AllReduce(input.data(), input.data(), input.count() * reduction.elements.each,
                                reduction.elements.type, reduction.op, comm.handle()));
    return input.Store();
  }
  Packed output(tensors);
  output.Open(false);
  comm.Check(Eccl().AllReduce(input.data(), output.data(), input.count() * reduction.elements.each,
                              reduction.elements.type, reduction.op, comm.handle()));
  output.Store();
}

void ReduceScatter(Comm& comm, const Tensors& inputs, const at::Tensor& output,
                   const Reduction& reduction) {
  const Packed input = OpenInput(inputs, reduction);
  Packed own({output});
  own.Open(false);
  const std::size_t each = reduction.elements.each;
  if (inputs.size() == 1 || input.equal_counts()) {
    comm.Check(Eccl().ReduceScatter(input.data(), own.data(), own.count() * each,
                                    reduction.elements.type, reduction.op, comm.handle()));
    return own.Store();
  }
  // Parts of different sizes: libeccl scatters equal ones only.
  const at::Tensor all =
      at::empty({static_cast<std::int64_t>(input.count())}, output.options().requires_grad(false));
  comm.Check(Eccl().AllReduce(input.data(), all.data_ptr(), input.count() * each,
                              reduction.elements.type, reduction.op, comm.handle()));
  std::int64_t begin = 0;
  for (int rank = 0; rank < comm.rank(); ++rank) {
    begin += inputs[static_cast<std::size_t>(rank)].numel();
  }
  output.copy_(all.narrow(0, begin, output.numel()).view(output.sizes()));
}

void AllGather(Comm& comm, const at::Tensor& input, const Tensors& outputs) {
  const Elements elements = ForMoving(input.scalar_type());
  Packed own({input});
  Packed all(outputs);
  own.Open(true);
  all.Open(false);
  if (outputs.size() == 1 || all.equal_counts()) {
    comm.Check(Eccl().AllGather(own.data(), all.data(), own.count() * elements.each, elements.type,
                                comm.handle()));
  } else {
    const auto counts = Scaled(all.counts(), elements.each);
    comm.Check(
        Eccl().AllGatherV(own.data(), all.data(), counts.data(), elements.type, comm.handle()));
  }
  all.Store();
}

void Gather(Comm& comm, const at::Tensor& input, const Tensors& outputs, int root) {
  const Elements elements = ForMoving(input.scalar_type());
  Packed own({input});
  Packed all(outputs);
  own.Open(true);
  all.Open(false);
  comm.Check(Eccl().Gather(own.data(), all.data(), own.count() * elements.each, elements.type, root,
                           comm.handle()));
  all.Store();
}

void AllToAll(Comm& comm, Packed input, std::vector<std::size_t> from, Packed output,
              std::vector<std::size_t> to, at::ScalarType type) {
  const Elements elements = ForMoving(type);
  from = Scaled(std::move(from), elements.each);
  to = Scaled(std::move(to), elements.each);
  input.Open(true);
  output.Open(false);
  comm.Check(Eccl().AllToAllV(input.data(), from.data(), output.data(), to.data(), elements.type,
                              comm.handle()));
  output.Store();
}

// Sums sparse tensors: every rank collects all ranks' entries and adds those of one index.
void AllReduceSparse(Comm& comm, at::Tensor tensor, bool average) {
  const at::Tensor own = tensor.coalesce();
  const auto ranks = static_cast<std::size_t>(comm.size());
  const std::int64_t entries = own._nnz();
  std::vector<std::int64_t> counts(ranks);
  comm.Check(Eccl().AllGather(&entries, counts.data(), 1, ecclInt64, comm.handle()));
  std::int64_t total = 0;
  for (const std::int64_t count : counts) total += count;

  const auto collect = [&](const at::Tensor& from) {  // one row an entry
    std::vector<std::int64_t> shape = from.sizes().vec();
    shape[0] = total;
    at::Tensor all = at::empty(shape, from.options());
    const Elements elements = ForMoving(from.scalar_type());
    std::size_t row = elements.each;
    for (std::size_t i = 1; i < shape.size(); ++i) row *= static_cast<std::size_t>(shape[i]);
    std::vector<std::size_t> sizes;
    for (const std::int64_t count : counts) sizes.push_back(static_cast<std::size_t>(count) * row);
    comm.Check(Eccl().AllGatherV(from.data_ptr(), all.data_ptr(), sizes.data(), elements.type,
                                 comm.handle()));
    return all;
  };
  const at::Tensor indices = collect(own._indices().t().contiguous()).t();
  at::Tensor values = collect(own._values().contiguous());
  if (average) values.div_(comm.size());
  const at::Tensor sum = at::_sparse_coo_tensor_unsafe(indices, values, tensor.sizes()).coalesce();
  tensor.copy_(sum);
}

}  // namespace

void ProcessGroupEccl::CheckRoot(std::int64_t root, const char* call) const {
  if (root >= 0 && root < getSize()) return;
  Refuse(call, "the root is " + std::to_string(root) + "; the group's ranks go from 0 to " +
                   std::to_string(getSize() - 1));
}

ProcessGroupEccl::Work ProcessGroupEccl::broadcast(Tensors& tensors,
                                                   const c10d::BroadcastOptions& options) {
  constexpr const char* kCall = "broadcast";
  const at::Tensor tensor = OnlyOne(tensors, kCall, "tensors");
  CheckTensors(tensors, kCall);
  CheckRoot(options.rootRank, kCall);
  const int root = static_cast<int>(options.rootRank);
  return Submit(
      Describe(OpType::BROADCAST, "eccl:broadcast", tensors, tensors, options),
      [tensor, root](Comm& comm) {
        const Elements elements = ForMoving(tensor.scalar_type());
        Packed packed({tensor});
        packed.Open(comm.rank() == root);
        comm.Check(Eccl().Broadcast(packed.data(), packed.data(), packed.count() * elements.each,
                                    elements.type, root, comm.handle()));
        if (comm.rank() != root) packed.Store();
      });
}

ProcessGroupEccl::Work ProcessGroupEccl::allreduce(Tensors& tensors,
                                                   const c10d::AllreduceOptions& options) {
  constexpr const char* kCall = "all_reduce";
  const at::Tensor tensor = OnlyOne(tensors, kCall, "tensors");
  if (tensor.is_sparse()) return allreduce_sparse(tensors, options);
  CheckTensors(tensors, kCall);
  const Reduction reduction = ForReducing(tensor.scalar_type(), options.reduceOp, kCall);
  return Submit(Describe(OpType::ALLREDUCE, "eccl:all_reduce", tensors, tensors, options),
                [tensor, reduction](Comm& comm) { AllReduce(comm, {tensor}, reduction); });
}

ProcessGroupEccl::Work ProcessGroupEccl::allreduce_coalesced(
    Tensors& tensors, const c10d::AllreduceCoalescedOptions& options) {
  constexpr const char* kCall = "all_reduce_coalesced";
  if (tensors.empty()) Refuse(kCall, "the list of tensors is empty");
  CheckTensors(tensors, kCall);
  const Reduction reduction = ForReducing(tensors.front().scalar_type(), options.reduceOp, kCall);
  return Submit(Describe(OpType::ALLREDUCE_COALESCED, "eccl:all_reduce", tensors, tensors, options),
                [list = tensors, reduction](Comm& comm) { AllReduce(comm, list, reduction); });
}

ProcessGroupEccl::Work ProcessGroupEccl::allreduce_sparse(Tensors& tensors,
                                                          const c10d::AllreduceOptions& options) {
  constexpr const char* kCall = "all_reduce (sparse)";
  const at::Tensor tensor = OnlyOne(tensors, kCall, "tensors");
  if (!tensor.is_sparse() || !tensor.device().is_cpu()) {
    Refuse(kCall, "needs a sparse COO tensor in host memory");
  }
  const auto op = options.reduceOp.op_;
  const bool average = op == c10d::ReduceOp::AVG;
  if (!average && op != c10d::ReduceOp::SUM) Refuse(kCall, "only SUM and AVG are defined");
  return Submit(Describe(OpType::ALLREDUCE, "eccl:sparse_all_reduce", {}, tensors, options),
                [tensor, average](Comm& comm) { AllReduceSparse(comm, tensor, average); });
}

ProcessGroupEccl::Work ProcessGroupEccl::reduce(Tensors& tensors,
                                                const c10d::ReduceOptions& options) {
  constexpr const char* kCall = "reduce";
  const at::Tensor tensor = OnlyOne(tensors, kCall, "tensors");
  CheckTensors(tensors, kCall);
  CheckRoot(options.rootRank, kCall);
  const Reduction reduction = ForReducing(tensor.scalar_type(), options.reduceOp, kCall);
  const int root = static_cast<int>(options.rootRank);
  return Submit(
      Describe(OpType::REDUCE, "eccl:reduce", tensors, tensors, options),
      [tensor, reduction, root](Comm& comm) {
        const Packed input = OpenInput({tensor}, reduction);
        Packed output({tensor});
        const bool receives = comm.rank() == root;
        if (receives) output.Open(false);
        comm.Check(Eccl().Reduce(input.data(), receives ? output.data() : nullptr,
                                 input.count() * reduction.elements.each, reduction.elements.type,
                                 reduction.op, root, comm.handle()));
        if (receives) output.Store();
      });
}

ProcessGroupEccl::Work ProcessGroupEccl::allgather(Lists& outputs, Tensors& inputs,
                                                   const c10d::AllgatherOptions& options) {
  constexpr const char* kCall = "all_gather";
  const at::Tensor input = OnlyOne(inputs, kCall, "the input");
  const Tensors list = OnlyOne(outputs, kCall, "the output");
  CheckTensors(Together(inputs, list), kCall);
  CheckList(kCall, "the output", list, getSize(), -1);
  CheckCounts(kCall, "this rank's output",
              static_cast<std::size_t>(list[static_cast<std::size_t>(getRank())].numel()),
              static_cast<std::size_t>(input.numel()));
  return Submit(Describe(OpType::ALLGATHER, "eccl:all_gather", inputs, list, options),
                [input, list](Comm& comm) { AllGather(comm, input, list); });
}

ProcessGroupEccl::Work ProcessGroupEccl::_allgather_base(at::Tensor& output, at::Tensor& input,
                                                         const c10d::AllgatherOptions& options) {
  constexpr const char* kCall = "all_gather_into_tensor";
  CheckTensors({input, output}, kCall);
  CheckCounts(kCall, "the output", static_cast<std::size_t>(output.numel()),
              static_cast<std::size_t>(input.numel() * getSize()));
  return Submit(Describe(OpType::_ALLGATHER_BASE, "eccl:all_gather", {input}, {output}, options),
                [input, output](Comm& comm) { AllGather(comm, input, {output}); });
}

ProcessGroupEccl::Work ProcessGroupEccl::allgather_coalesced(
    Lists& outputs, Tensors& inputs, const c10d::AllgatherOptions& options) {
  constexpr const char* kCall = "all_gather_coalesced";
  if (outputs.size() != static_cast<std::size_t>(getSize())) {
    Refuse(kCall, std::to_string(outputs.size()) + " output lists were given for " +
                      std::to_string(getSize()) + " ranks");
  }
  Tensors flat;
  for (const Tensors& list : outputs) {
    if (list.size() != inputs.size()) {
      Refuse(kCall, "an output list has " + std::to_string(list.size()) + " tensors; there are " +
                        std::to_string(inputs.size()) + " inputs");
    }
    flat.insert(flat.end(), list.begin(), list.end());
  }
  // One call a tensor, since their types may differ.
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (const Tensors& list : outputs) {
      CheckTensors({inputs[i], list[i]}, kCall);
      CheckCounts(kCall, "an output", static_cast<std::size_t>(list[i].numel()),
                  static_cast<std::size_t>(inputs[i].numel()));
    }
  }
  return Submit(Describe(OpType::ALLGATHER_COALESCED, "eccl:all_gather", inputs, flat, options),
                [outputs, inputs](Comm& comm) {
                  for (std::size_t i = 0; i < inputs.size(); ++i) {
                    Tensors of_ranks;
                    for (const Tensors& list : outputs) of_ranks.push_back(list[i]);
                    AllGather(comm, inputs[i], of_ranks);
                  }
                });
}

ProcessGroupEccl::Work ProcessGroupEccl::allgather_into_tensor_coalesced(
    Tensors& outputs, Tensors& inputs, const c10d::AllgatherOptions& options) {
  constexpr const char* kCall = "all_gather_into_tensor_coalesced";
  CheckCounts(kCall, "the list of outputs", outputs.size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CheckTensors({inputs[i], outputs[i]}, kCall);
    CheckCounts(kCall, "an output", static_cast<std::size_t>(outputs[i].numel()),
                static_cast<std::size_t>(inputs[i].numel() * getSize()));
  }
  return Submit(Describe(OpType::ALLGATHER_COALESCED, "eccl:all_gather", inputs, outputs, options),
                [outputs, inputs](Comm& comm) {
                  for (std::size_t i = 0; i < inputs.size(); ++i) {
                    AllGather(comm, inputs[i], {outputs[i]});
                  }
                });
}

ProcessGroupEccl::Work ProcessGroupEccl::gather(Lists& outputs, Tensors& inputs,
                                                const c10d::GatherOptions& options) {
  constexpr const char* kCall = "gather";
  const at::Tensor input = OnlyOne(inputs, kCall, "the input");
  CheckRoot(options.rootRank, kCall);
  const int root = static_cast<int>(options.rootRank);
  Tensors list;
  if (getRank() == root) {
    list = OnlyOne(outputs, kCall, "the root's output");
    CheckList(kCall, "the root's output", list, getSize(), input.numel());
  } else if (!outputs.empty()) {
    Refuse(kCall, "only the root takes an output list");
  }
  CheckTensors(Together(inputs, list), kCall);
  return Submit(Describe(OpType::GATHER, "eccl:gather", inputs, list, options),
                [input, list, root](Comm& comm) { Gather(comm, input, list, root); });
}

ProcessGroupEccl::Work ProcessGroupEccl::gather_into_tensor(at::Tensor& output, at::Tensor& input,
                                                            const c10d::GatherOptions& options) {
  constexpr const char* kCall = "gather_into_tensor";
  CheckRoot(options.rootRank, kCall);
  const int root = static_cast<int>(options.rootRank);
  Tensors list;
  if (getRank() == root) {
    list = {output};
    CheckCounts(kCall, "the root's output", static_cast<std::size_t>(output.numel()),
                static_cast<std::size_t>(input.numel() * getSize()));
  }
  CheckTensors(Together({input}, list), kCall);
  return Submit(
      Describe(OpType::GATHER, "eccl:gather", {input}, list, options),
      [input = at::Tensor(input), list, root](Comm& comm) { Gather(comm, input, list, root); });
}

ProcessGroupEccl::Work ProcessGroupEccl::scatter(Tensors& outputs, Lists& inputs,
                                                 const c10d::ScatterOptions& options) {
  constexpr const char* kCall = "scatter";
  const at::Tensor output = OnlyOne(outputs, kCall, "the output");
  CheckRoot(options.rootRank, kCall);
  const int root = static_cast<int>(options.rootRank);
  Tensors list;
  if (getRank() == root) {
    list = OnlyOne(inputs, kCall, "the root's input");
    CheckList(kCall, "the root's input", list, getSize(), output.numel());
  } else if (!inputs.empty()) {
    Refuse(kCall, "only the root takes an input list");
  }
  CheckTensors(Together(outputs, list), kCall);
  return Submit(Describe(OpType::SCATTER, "eccl:scatter", list, outputs, options),
                [output, list, root](Comm& comm) {
                  const Elements elements = ForMoving(output.scalar_type());
                  Packed all(list);
                  Packed own({output});
                  all.Open(true);
                  own.Open(false);
                  comm.Check(Eccl().Scatter(all.data(), own.data(), own.count() * elements.each,
                                            elements.type, root, comm.handle()));
                  own.Store();
                });
}

ProcessGroupEccl::Work ProcessGroupEccl::reduce_scatter(Tensors& outputs, Lists& inputs,
                                                        const c10d::ReduceScatterOptions& options) {
  constexpr const char* kCall = "reduce_scatter";
  const at::Tensor output = OnlyOne(outputs, kCall, "the output");
  const Tensors list = OnlyOne(inputs, kCall, "the input");
  CheckTensors(Together(outputs, list), kCall);
  CheckList(kCall, "the input", list, getSize(), -1);
  CheckCounts(kCall, "the output", static_cast<std::size_t>(output.numel()),
              static_cast<std::size_t>(list[static_cast<std::size_t>(getRank())].numel()));
  const Reduction reduction = ForReducing(output.scalar_type(), options.reduceOp, kCall);
  return Submit(
      Describe(OpType::REDUCE_SCATTER, "eccl:reduce_scatter", list, outputs, options),
      [list, output, reduction](Comm& comm) { ReduceScatter(comm, list, output, reduction); });
}

ProcessGroupEccl::Work ProcessGroupEccl::_reduce_scatter_base(
    at::Tensor& output, at::Tensor& input, const c10d::ReduceScatterOptions& options) {
  constexpr const char* kCall = "reduce_scatter_tensor";
  CheckTensors({input, output}, kCall);
  CheckCounts(kCall, "the input", static_cast<std::size_t>(input.numel()),
              static_cast<std::size_t>(output.numel() * getSize()));
  const Reduction reduction = ForReducing(output.scalar_type(), options.reduceOp, kCall);
  return Submit(
      Describe(OpType::_REDUCE_SCATTER_BASE, "eccl:reduce_scatter", {input}, {output}, options),
      [input = at::Tensor(input), output = at::Tensor(output), reduction](Comm& comm) {
        ReduceScatter(comm, {input}, output, reduction);
      });
}

ProcessGroupEccl::Work ProcessGroupEccl::reduce_scatter_tensor_coalesced(
    Tensors& outputs, Tensors& inputs, const c10d::ReduceScatterOptions& options) {
  constexpr const char* kCall = "reduce_scatter_tensor_coalesced";
  CheckCounts(kCall, "the list of outputs", outputs.size(), inputs.size());
  std::vector<Reduction> reductions;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CheckTensors({inputs[i], outputs[i]}, kCall);
    CheckCounts(kCall, "an input", static_cast<std::size_t>(inputs[i].numel()),
                static_cast<std::size_t>(outputs[i].numel() * getSize()));
    reductions.push_back(ForReducing(inputs[i].scalar_type(), options.reduceOp, kCall));
  }
  return Submit(Describe(OpType::REDUCE_SCATTER, "eccl:reduce_scatter", inputs, outputs, options),
                [inputs, outputs, reductions](Comm& comm) {
                  for (std::size_t i = 0; i < inputs.size(); ++i) {
                    ReduceScatter(comm, {inputs[i]}, outputs[i], reductions[i]);
                  }
                });
}

ProcessGroupEccl::Work ProcessGroupEccl::alltoall_base(at::Tensor& output, at::Tensor& input,
                                                       std::vector<std::int64_t>& output_splits,
                                                       std::vector<std::int64_t>& input_splits,
                                                       const c10d::AllToAllOptions& options) {
  CheckTensors({input, output}, "all_to_all_single");
  const auto from = SplitCounts("the input", input, input_splits, getSize());
  const auto to = SplitCounts("the output", output, output_splits, getSize());
  return Submit(Describe(OpType::ALLTOALL_BASE, "eccl:all_to_all", {input}, {output}, options),
                [input = at::Tensor(input), output = at::Tensor(output), from, to](Comm& comm) {
                  AllToAll(comm, Packed({input}), from, Packed({output}), to, input.scalar_type());
                });
}

ProcessGroupEccl::Work ProcessGroupEccl::alltoall(Tensors& outputs, Tensors& inputs,
                                                  const c10d::AllToAllOptions& options) {
  constexpr const char* kCall = "all_to_all";
  CheckList(kCall, "the input", inputs, getSize(), -1);
  CheckList(kCall, "the output", outputs, getSize(), -1);
  CheckTensors(Together(inputs, outputs), kCall);
  return Submit(Describe(OpType::ALLTOALL, "eccl:all_to_all", inputs, outputs, options),
                [inputs, outputs](Comm& comm) {
                  const Packed input(inputs), output(outputs);
                  AllToAll(comm, input, input.counts(), output, output.counts(),
                           inputs.front().scalar_type());
                });
}

ProcessGroupEccl::Work ProcessGroupEccl::barrier(const c10d::BarrierOptions& options) {
  return Submit(Describe(OpType::BARRIER, "eccl:barrier", {}, {}, options),
                [](Comm& comm) { comm.Check(Eccl().Barrier(comm.handle())); });
}

}  // namespace regatta::c10d_eccl
