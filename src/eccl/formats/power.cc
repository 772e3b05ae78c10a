#include "eccl/formats/power.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "eccl/formats/convert.h"
#include "eccl/formats/matrix.h"
#include "eccl/types.h"

namespace regatta::eccl {
namespace {

using base::Status;
using Floats = std::vector<float>;

std::byte* Raw(float* floats) { return reinterpret_cast<std::byte*>(floats); }

class PowerReduce {
 public:
  PowerReduce(World* world, const WireOptions& options, CompressorState* state,
              const CompressedCall& call, const PowerShape& shape)
      : world_(world),
        options_(options),
        state_(state),
        call_(call),
        shape_(shape),
        divide_by_(call.descriptor.op == ecclAvg ? world->size() : 1),
        left_(shape.rows * shape.rank),
        right_(shape.columns * shape.rank),
        row_(shape.columns) {}

  Status Run() {
    if (options_.error_feedback) state_->residual.resize(call_.count());
    if (state_->factor.empty()) {
      state_->factor.resize(right_.size());
      FillRandom(state_->factor.data(), state_->factor.size(), options_.seed);
    }
    MultiplyByFactor();
    BASE_RETURN_IF_ERROR(Sum(&left_));
    // All ranks see the same sums, and so do all of them give up, or none.
    if (!AllFinite(left_.data(), left_.size())) return GiveNan();
    Orthonormalise(left_.data(), shape_.rows, shape_.rank, options_.seed ^ (state_->step << 20));
    MultiplyByLeft();
    const Floats own = right_;
    BASE_RETURN_IF_ERROR(Sum(&right_));
    if (!AllFinite(right_.data(), right_.size())) return GiveNan();
    StoreResult(own);
    NormaliseColumns(right_.data(), shape_.columns, shape_.rank);
    state_->factor = right_;
    return Status();
  }

 private:
  Status Sum(Floats* floats) {
    const auto n = static_cast<std::uint64_t>(world_->size());
    // What a ring sends; other algorithms may send a little more.
    world_->said += 2 * (n - 1) * floats->size() * sizeof(float) / n;
    return world_->SumFloats(call_.descriptor, *floats);
  }

  std::size_t RowLength(std::size_t row) const {
    return std::min(shape_.columns, call_.count() - row * shape_.columns);
  }

  // This rank's values with what is owed, into row_; elements that there are not are 0.
  void LoadRow(std::size_t row) {
    const std::size_t begin = row * shape_.columns;
    const std::size_t length = RowLength(row);
    const ecclDataType_t type = call_.descriptor.type;
    Widen(call_.input + begin * SizeOf(type), Raw(row_.data()), length, type);
    if (options_.error_feedback) {
      AddScaled(row_.data(), state_->residual.data() + begin, 1, length);
    }
    std::fill(row_.begin() + static_cast<std::ptrdiff_t>(length), row_.end(), 0.0f);
  }

  // P = M Q.
  void MultiplyByFactor() {
    for (std::size_t row = 0; row < shape_.rows; ++row) {
      LoadRow(row);
      for (std::size_t a = 0; a < shape_.rank; ++a) {
        left_[a * shape_.rows + row] =
            Dot(row_.data(), state_->factor.data() + a * shape_.columns, shape_.columns);
      }
    }
  }

  // Q = M^T P.
  void MultiplyByLeft() {
    for (std::size_t row = 0; row < shape_.rows; ++row) {
      LoadRow(row);
      for (std::size_t a = 0; a < shape_.rank; ++a) {
        AddScaled(right_.data() + a * shape_.columns, row_.data(), left_[a * shape_.rows + row],
                  shape_.columns);
      }
    }
  }

  // What is owed afterwards is what P P^T leaves of this rank's own matrix. (Its difference from
  // the mean of all ranks, as the paper has it, has the same sum over the ranks, but grows without
  // bound where ranks differ for long.)
  void StoreResult(const Floats& own) {
    const ecclDataType_t type = call_.descriptor.type;
    Floats result(shape_.columns);
    for (std::size_t row = 0; row < shape_.rows; ++row) {
      const std::size_t begin = row * shape_.columns;
      const std::size_t length = RowLength(row);
      if (options_.error_feedback) LoadRow(row);
      std::fill(result.begin(), result.end(), 0.0f);
      for (std::size_t a = 0; a < shape_.rank; ++a) {
        const float by = left_[a * shape_.rows + row];
        AddScaled(result.data(), right_.data() + a * shape_.columns, by, length);
        if (options_.error_feedback) {
          AddScaled(row_.data(), own.data() + a * shape_.columns, -by, length);
        }
      }
      if (divide_by_ > 1) {
        for (float& value : result) value /= static_cast<float>(divide_by_);
      }
      Narrow(Raw(result.data()), call_.output + begin * SizeOf(type), length, type);
      if (options_.error_feedback) {
        std::copy_n(row_.begin(), length,
                    state_->residual.begin() + static_cast<std::ptrdiff_t>(begin));
      }
    }
  }

  // Somebody's values are not finite: nobody's are used, and nothing is remembered of them.
  Status GiveNan() {
    std::fill(row_.begin(), row_.end(), std::numeric_limits<float>::quiet_NaN());
    const ecclDataType_t type = call_.descriptor.type;
    for (std::size_t row = 0; row < shape_.rows; ++row) {
      Narrow(Raw(row_.data()), call_.output + row * shape_.columns * SizeOf(type), RowLength(row),
             type);
    }
    return Status();
  }

  World* world_;
  const WireOptions& options_;
  CompressorState* state_;
  const CompressedCall& call_;
  const PowerShape shape_;
  const int divide_by_;
  Floats left_, right_;  // P and Q, by columns
  Floats row_;
};

Status SumExactly(World* world, const CompressedCall& call) {
  Floats floats(call.count());
  const ecclDataType_t type = call.descriptor.type;
  Widen(call.input, Raw(floats.data()), floats.size(), type);
  BASE_RETURN_IF_ERROR(world->SumFloats(call.descriptor, floats));
  if (call.descriptor.op == ecclAvg) {
    for (float& value : floats) value /= static_cast<float>(world->size());
  }
  Narrow(Raw(floats.data()), call.output, floats.size(), type);
  return Status();
}

}  // namespace

PowerShape PowerShapeOf(const WireOptions& options, std::size_t count) {
  PowerShape shape;
  if (count == 0) return shape;
  shape.rows = static_cast<std::size_t>(options.powersgd_rows);
  if (shape.rows == 0) {
    shape.rows = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  }
  shape.rows = std::min(shape.rows, count);
  shape.columns = (count + shape.rows - 1) / shape.rows;
  shape.rows = (count + shape.columns - 1) / shape.columns;  // none is empty
  shape.rank = std::min({std::size_t{options.powersgd_rank}, shape.rows, shape.columns});
  shape.worth_it = shape.rank * (shape.rows + shape.columns) < count;
  return shape;
}

base::Result<const char*> RunPowerSgd(World* world, const WireOptions& options,
                                      CompressorState* state, const CompressedCall& call) {
  const PowerShape shape = PowerShapeOf(options, call.count());
  if (!shape.worth_it) {
    BASE_RETURN_IF_ERROR(SumExactly(world, call));
    return "powersgd exact";
  }
  BASE_RETURN_IF_ERROR(PowerReduce(world, options, state, call, shape).Run());
  return "powersgd";
}

}  // namespace regatta::eccl
