#include "eccl/formats/sparse.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "eccl/formats/convert.h"
#include "eccl/formats/dense.h"
#include "eccl/formats/sparse_dialogue.h"
#include "eccl/formats/top.h"
#include "eccl/programs.h"
#include "eccl/types.h"

namespace regatta::eccl {
namespace {

constexpr double kWarmupRatio = 0.25;
constexpr std::size_t kStrip = 4096;  // floats that a pass over the input holds at a time

// `use(begin, floats, count)` for the whole input, strip by strip, as floats.
template <typename Use>
void ForStrips(const CompressedCall& call, Use use) {
  std::vector<float> strip(std::min(kStrip, call.count()));
  const ecclDataType_t type = call.descriptor.type;
  for (std::size_t begin = 0; begin < call.count(); begin += kStrip) {
    const std::size_t some = std::min(kStrip, call.count() - begin);
    Widen(call.input + begin * SizeOf(type), reinterpret_cast<std::byte*>(strip.data()), some,
          type);
    use(begin, strip.data(), some);
  }
}

// By what the input is multiplied: 1, unless its norm is too large.
float ClipOf(const CompressedCall& call, double clip_norm, int ranks) {
  if (clip_norm == 0) return 1;
  double squares = 0;
  ForStrips(call, [&](std::size_t, const float* from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) squares += double{from[i]} * from[i];
  });
  const double norm = std::sqrt(squares);
  const double most = clip_norm / std::sqrt(ranks);
  // Not when it is no number: the values that are not finite have to be seen.
  return std::isfinite(norm) && norm > most ? static_cast<float>(most / norm) : 1.0f;
}

void Accumulate(const CompressedCall& call, float clip, float momentum, float* owed,
                float* moving) {
  ForStrips(call, [&](std::size_t begin, const float* from, std::size_t count) {
    float* v = owed + begin;
    if (moving == nullptr) {
      for (std::size_t i = 0; i < count; ++i) v[i] += from[i] * clip;
      return;
    }
    float* u = moving + begin;
    for (std::size_t i = 0; i < count; ++i) {
      u[i] = u[i] * momentum + from[i] * clip;
      v[i] += u[i];
    }
  });
}

void ForgetWhatIsNotFinite(std::vector<float>* floats) {
  for (float& value : *floats) {
    if (!std::isfinite(value)) value = 0;
  }
}

}  // namespace

std::size_t TopCount(const WireOptions& options, std::uint64_t step, std::size_t count) {
  double ratio = options.topk_ratio;
  if (step < options.warmup_steps && ratio < kWarmupRatio) {
    const double way = static_cast<double>(step) / static_cast<double>(options.warmup_steps);
    ratio = kWarmupRatio * std::pow(ratio / kWarmupRatio, way);
  }
  const double wanted = std::ceil(ratio * static_cast<double>(count));
  return std::min(count, static_cast<std::size_t>(wanted));
}

base::Result<const char*> RunTopK(World* world, const WireOptions& options, CompressorState* state,
                                  const CompressedCall& call, std::span<float> sum) {
  const std::size_t count = call.count();
  std::vector<float> forgotten;  // what is owed, without error feedback
  std::vector<float>& owed = options.error_feedback ? state->residual : forgotten;
  owed.resize(count);
  if (options.momentum > 0) state->momentum.resize(count);
  Accumulate(call, ClipOf(call, options.clip_norm, world->size()),
             static_cast<float>(options.momentum), owed.data(),
             options.momentum > 0 ? state->momentum.data() : nullptr);

  const Top top = SelectTop(owed, TopCount(options, state->step, count));
  Entries entries;
  entries.indices = top.indices;
  entries.values.reserve(top.indices.size());
  for (const std::uint32_t index : top.indices) {
    entries.values.push_back(std::exchange(owed[index], 0.0f));
    if (options.momentum > 0) state->momentum[index] = 0;
  }
  if (!top.all_finite) {
    ForgetWhatIsNotFinite(&owed);
    ForgetWhatIsNotFinite(&state->momentum);
  }

  std::fill(sum.begin(), sum.end(), 0.0f);
  const int divide_by = call.descriptor.op == ecclAvg ? world->size() : 1;
  const auto own = world->links->rank();
  const Members ranks = AllRanks(world->size());
  const auto n = static_cast<double>(world->size());
  // What a rank receives: everybody's entries; or the entries of its share, and shares of floats.
  const double gathered = (n - 1) * kEntryBytes * static_cast<double>(entries.size());
  const double owned =
      (n - 1) / n *
      (kEntryBytes * static_cast<double>(entries.size()) + 4.0 * static_cast<double>(count));
  const char* name = "top-k gather";
  if (gathered <= owned) {
    SparseGather gather(&entries, world->size(), own);
    BASE_RETURN_IF_ERROR(Converse(world->links, call.descriptor, ranks, &gather, &world->said));
    BASE_RETURN_IF_ERROR(gather.AddInto(sum, divide_by));
  } else {
    SparseToOwners reduce(entries, sum, divide_by, world->size(), own);
    BASE_RETURN_IF_ERROR(reduce.Start());
    BASE_RETURN_IF_ERROR(Converse(world->links, call.descriptor, ranks, &reduce, &world->said));
    name = "top-k direct";
  }
  Narrow(reinterpret_cast<const std::byte*>(sum.data()), call.output, count, call.descriptor.type);
  return name;
}

}  // namespace regatta::eccl
