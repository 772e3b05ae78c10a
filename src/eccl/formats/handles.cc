// ecclCompressor_t is a number in a table, as ecclComm_t is: one that is used after its end is
// noticed, and a compressor lives until the last call with it has returned.

#include "base/handle_table.h"
#include "eccl/formats/compressor.h"

namespace regatta::eccl {
namespace {

base::HandleTable<ecclCompressor_t, Compressor>& Compressors() {
  // Never destroyed: other threads may be inside at exit.
  static auto& table = *new base::HandleTable<ecclCompressor_t, Compressor>;
  return table;
}

}  // namespace

base::Status CreateCompressor(const ecclCompressorConfig_t* config, ecclCompressor_t* handle) {
  if (handle == nullptr) return base::Status(base::Code::kInvalidArgument, "compressor is NULL");
  *handle = nullptr;
  BASE_ASSIGN_OR_RETURN(const WireOptions options, ReadWireOptions(config));
  *handle = Compressors().Put(std::make_shared<Compressor>(options));
  return base::Status();
}

std::shared_ptr<Compressor> FindCompressor(ecclCompressor_t handle) {
  return Compressors().Find(handle);
}

base::Status NoCompressor() {
  return {base::Code::kInvalidArgument,
          "compressor is no compressor: it was never made, or it was destroyed"};
}

std::shared_ptr<Compressor> TakeCompressor(ecclCompressor_t handle) {
  return Compressors().Take(handle);
}

}  // namespace regatta::eccl
