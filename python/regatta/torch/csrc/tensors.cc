#include "tensors.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace regatta::c10d_eccl {
namespace {

[[noreturn]] void Refuse(const char* call, const std::string& why) {
  throw std::invalid_argument(std::string("eccl ") + call + ": " + why);
}

const char* NameOf(c10d::ReduceOp::RedOpType op) {
  constexpr const char* kNames[] = {"SUM",  "AVG", "PRODUCT", "MIN",       "MAX",
                                    "BAND", "BOR", "BXOR",    "PREMUL_SUM"};
  return op < std::size(kNames) ? kNames[op] : "an unknown operation";
}

ecclRedOp_t Translate(c10d::ReduceOp::RedOpType op, const char* call) {
  switch (op) {
    case c10d::ReduceOp::SUM:
    case c10d::ReduceOp::PREMUL_SUM:
      return ecclSum;
    case c10d::ReduceOp::AVG:
      return ecclAvg;
    case c10d::ReduceOp::PRODUCT:
      return ecclProd;
    case c10d::ReduceOp::MIN:
      return ecclMin;
    case c10d::ReduceOp::MAX:
      return ecclMax;
    case c10d::ReduceOp::BAND:
      return ecclBand;
    case c10d::ReduceOp::BOR:
      return ecclBor;
    case c10d::ReduceOp::BXOR:
      return ecclBxor;
    default:
      Refuse(call, std::string(NameOf(op)) + " is no reduction");
  }
}

// On bytes that are 0 or 1, so that the result is 0 or 1 again.
ecclRedOp_t TranslateForBool(c10d::ReduceOp::RedOpType op, const char* call) {
  switch (op) {
    case c10d::ReduceOp::SUM:
    case c10d::ReduceOp::MAX:
    case c10d::ReduceOp::BOR:
      return ecclMax;
    case c10d::ReduceOp::PRODUCT:
    case c10d::ReduceOp::MIN:
    case c10d::ReduceOp::BAND:
      return ecclMin;
    case c10d::ReduceOp::BXOR:
      return ecclBxor;
    default:
      Refuse(call, std::string(NameOf(op)) + " has no meaning for bool; convert the tensor first");
  }
}

// libeccl's own type for one of torch's; false when it has none.
bool OwnType(at::ScalarType type, ecclDataType_t* own) {
  switch (type) {
    case at::kChar:
      *own = ecclInt8;
      return true;
    case at::kByte:
    case at::kBool:
      *own = ecclUint8;
      return true;
    case at::kInt:
      *own = ecclInt32;
      return true;
    case at::kLong:
      *own = ecclInt64;
      return true;
    case at::kHalf:
      *own = ecclFloat16;
      return true;
    case at::kBFloat16:
      *own = ecclBfloat16;
      return true;
    case at::kFloat:
      *own = ecclFloat32;
      return true;
    case at::kDouble:
      *own = ecclFloat64;
      return true;
#if REGATTA_TORCH >= 203
    case at::kUInt32:
      *own = ecclUint32;
      return true;
    case at::kUInt64:
      *own = ecclUint64;
      return true;
#endif
    default:
      return false;
  }
}

bool IsPlain(const at::Tensor& tensor) {
  return tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg();
}

std::byte* DataOf(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

}  // namespace

Elements ForMoving(at::ScalarType type) {
  ecclDataType_t own = ecclUint8;
  if (OwnType(type, &own)) return {own, 1};
  return {ecclUint8, c10::elementSize(type)};
}

Reduction ForReducing(at::ScalarType type, const c10d::ReduceOp& op, const char* call) {
  const c10d::ReduceOp::RedOpType kind = op.op_;
  if (type == at::kBool) return {{ecclUint8, 1}, TranslateForBool(kind, call), {}};
  Reduction reduction{{ecclUint8, 1}, Translate(kind, call), FactorOf(op)};
  if (at::isComplexType(type)) {
    if (reduction.op != ecclSum && reduction.op != ecclAvg) {
      Refuse(call, std::string(NameOf(kind)) + " is not defined for " + c10::toString(type) +
                       " tensors; SUM and AVG are");
    }
    reduction.elements.each = 2;
    type = c10::toRealValueType(type);
  }
  if (!OwnType(type, &reduction.elements.type)) {
    Refuse(call, std::string("elements of type ") + c10::toString(type) +
                     " can be sent but not combined; convert the tensor, for example to int32 or "
                     "float32");
  }
  if (!at::isFloatingType(type)) {
    if (reduction.factor.defined()) {
      Refuse(call, std::string("PREMUL_SUM multiplies by a factor: it needs floating-point, not ") +
                       c10::toString(type));
    }
  } else if (reduction.op == ecclBand || reduction.op == ecclBor || reduction.op == ecclBxor) {
    Refuse(call, std::string(NameOf(kind)) + " combines the bits of integers, not of " +
                     c10::toString(type));
  }
  return reduction;
}

void CheckTensors(const std::vector<at::Tensor>& tensors, const char* call) {
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.device().is_cpu()) {
      Refuse(call, "needs CPU tensors; one is on " + tensor.device().str());
    }
    if (tensor.layout() != at::kStrided) Refuse(call, "needs dense tensors; one is sparse");
    if (tensor.scalar_type() != tensors.front().scalar_type()) {
      Refuse(call, std::string("needs tensors of one type; got ") +
                       c10::toString(tensors.front().scalar_type()) + " and " +
                       c10::toString(tensor.scalar_type()));
    }
  }
}

const at::Tensor& OnlyOne(const std::vector<at::Tensor>& tensors, const char* call,
                          const char* name) {
  if (tensors.size() == 1) return tensors.front();
  Refuse(call, std::string(name) + " has to be one tensor; got " + std::to_string(tensors.size()));
}

const std::vector<at::Tensor>& OnlyOne(const std::vector<std::vector<at::Tensor>>& lists,
                                       const char* call, const char* name) {
  if (lists.size() == 1) return lists.front();
  Refuse(call,
         std::string(name) + " has to be one list of tensors; got " + std::to_string(lists.size()));
}

Packed::Packed(std::vector<at::Tensor> tensors) : tensors_(std::move(tensors)) {
  counts_.reserve(tensors_.size());
  for (const at::Tensor& tensor : tensors_) {
    counts_.push_back(static_cast<std::size_t>(tensor.numel()));
    count_ += counts_.back();
  }
}

bool Packed::equal_counts() const {
  for (const std::size_t count : counts_) {
    if (count != counts_.front()) return false;
  }
  return true;
}

template <typename Function>
void Packed::EachPart(Function function) const {
  std::size_t at = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (counts_[i] > 0) function(tensors_[i], at, counts_[i]);
    at += counts_[i];
  }
}

void Packed::Open(bool load) {
  if (count_ == 0) return;
  const std::size_t width = tensors_.front().element_size();
  std::byte* first = nullptr;
  bool in_place = true;
  EachPart([&](const at::Tensor& tensor, std::size_t at, std::size_t) {
    if (!in_place || !IsPlain(tensor)) {
      in_place = false;
    } else if (first == nullptr) {
      first = DataOf(tensor);
    } else {
      in_place = DataOf(tensor) == first + at * width;
    }
  });
  if (in_place) {
    data_ = first;
    return;
  }
  buffer_ = at::empty({static_cast<std::int64_t>(count_)}, tensors_.front().options());
  data_ = DataOf(buffer_);
  if (!load) return;
  EachPart([&](const at::Tensor& tensor, std::size_t at, std::size_t count) {
    if (IsPlain(tensor)) {
      std::memcpy(data_ + at * width, DataOf(tensor), count * width);
    } else {
      const auto begin = static_cast<std::int64_t>(at);
      buffer_.narrow(0, begin, static_cast<std::int64_t>(count)).view(tensor.sizes()).copy_(tensor);
    }
  });
}

void Packed::Store() const {
  if (!buffer_.defined()) return;
  const std::size_t width = buffer_.element_size();
  EachPart([&](const at::Tensor& tensor, std::size_t at, std::size_t count) {
    if (IsPlain(tensor)) {
      std::memcpy(DataOf(tensor), data_ + at * width, count * width);
    } else {
      const auto begin = static_cast<std::int64_t>(at);
      tensor.copy_(buffer_.narrow(0, begin, static_cast<std::int64_t>(count)).view(tensor.sizes()));
    }
  });
}

}  // namespace regatta::c10d_eccl
