#include <cstring>
#include <utility>

#include "eccl/api/guard.h"
#include "eccl/formats/compressor.h"

namespace regatta::eccl {
namespace {

using base::Status;

template <typename Function>
ecclResult_t WithCompressor(ecclCompressor_t compressor, Function function) {
  return Guarded([&]() -> Status {
    const std::shared_ptr<Compressor> found = FindCompressor(compressor);
    return found == nullptr ? NoCompressor() : function(*found);
  });
}

}  // namespace
}  // namespace regatta::eccl

using namespace regatta::eccl;  // NOLINT(google-build-using-namespace): the entry points follow
using regatta::base::Code;
using regatta::base::Status;

extern "C" {

ecclResult_t ecclCompressorCreate(ecclCompressor_t* compressor,
                                  const ecclCompressorConfig_t* config) {
  return Guarded([&] { return CreateCompressor(config, compressor); });
}

ecclResult_t ecclCompressorDestroy(ecclCompressor_t compressor) {
  return Guarded([&] { return TakeCompressor(compressor) == nullptr ? NoCompressor() : Status(); });
}

ecclResult_t ecclCompressorReset(ecclCompressor_t compressor) {
  return WithCompressor(compressor, [](Compressor& found) {
    found.Reset();
    return Status();
  });
}

ecclResult_t ecclCompressorGetInfo(ecclCompressor_t compressor, ecclCompressorInfo_t* info) {
  return WithCompressor(compressor, [&](Compressor& found) {
    if (info == nullptr) return Status(Code::kInvalidArgument, "info is NULL");
    *info = found.info();
    return Status();
  });
}

ecclResult_t ecclCompressorSave(ecclCompressor_t compressor, void* buffer, size_t* bytes) {
  return WithCompressor(compressor, [&](Compressor& found) {
    if (bytes == nullptr) return Status(Code::kInvalidArgument, "bytes is NULL");
    const std::vector<std::byte> state = found.Save();
    const std::size_t room = std::exchange(*bytes, state.size());
    if (buffer == nullptr) return Status();
    if (room < state.size()) {
      return Status(Code::kInvalidArgument, "the buffer has " + std::to_string(room) +
                                                " bytes; the state needs " +
                                                std::to_string(state.size()));
    }
    std::memcpy(buffer, state.data(), state.size());
    return Status();
  });
}

ecclResult_t ecclCompressorRestore(ecclCompressor_t compressor, const void* state, size_t bytes) {
  return WithCompressor(compressor, [&](Compressor& found) -> Status {
    if (state == nullptr) return Status(Code::kInvalidArgument, "state is NULL");
    return found.Restore({static_cast<const std::byte*>(state), bytes});
  });
}

}  // extern "C"
