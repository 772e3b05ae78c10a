#pragma once

// What differs between the releases of torch that the adapter is built for. One of them has the
// back end as a ProcessGroup of its own (1.13), the later ones put it behind one (Backend).

#include <c10/util/Exception.h>
#include <torch/version.h>

#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <type_traits>

#define REGATTA_TORCH (TORCH_VERSION_MAJOR * 100 + TORCH_VERSION_MINOR)
#if REGATTA_TORCH >= 200
#include <torch/csrc/distributed/c10d/Backend.hpp>
#endif

// Functions that only the newest releases declare are written everywhere and override there.
#if REGATTA_TORCH >= 215
#define REGATTA_OVERRIDE_215 override
#else
#define REGATTA_OVERRIDE_215
#endif

namespace regatta::c10d_eccl {

#if REGATTA_TORCH >= 200
using Base = c10d::Backend;
#else
using Base = c10d::ProcessGroup;
#endif

// Ends a call with the error that the release's own back ends raise (in Python: RuntimeError, and
// from torch 2 on its DistBackendError).
[[noreturn]] inline void Fail(const std::string& text) {
#if REGATTA_TORCH >= 200
  C10_THROW_ERROR(DistBackendError, text);
#else
  throw c10::Error({__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)}, text);
#endif
}

// Whether the caller goes on before the work is over. Where the options do not say, it may.
template <typename Options, typename = void>
struct MayGoOn {
  static bool Of(const Options&) { return true; }
};
template <typename Options>
struct MayGoOn<Options, std::void_t<decltype(std::declval<Options>().asyncOp)>> {
  static bool Of(const Options& options) { return options.asyncOp; }
};

// The factor of a PREMUL_SUM, as a tensor of one element; undefined for other operations.
inline at::Tensor FactorOf(const c10d::ReduceOp& op) {
  if (op.op_ != c10d::ReduceOp::PREMUL_SUM || !op.supplement_) return {};
  const auto* one = static_cast<c10d::NCCLPreMulSumSupplement*>(op.supplement_.get());
#if REGATTA_TORCH >= 215
  if (one->tensor_factor.defined()) return one->tensor_factor;
#else
  if (!one->tensor_factors.empty()) return one->tensor_factors.front();
#endif
  return at::scalar_tensor(one->double_factor, at::kDouble);
}

}  // namespace regatta::c10d_eccl
