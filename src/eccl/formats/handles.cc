// ecclCompressor_t is a number in a table, as ecclComm_t is: one that is used after its end is
// noticed, and a compressor lives until the last call with it has returned.

#include <map>

#include "eccl/formats/compressor.h"

namespace regatta::eccl {
namespace {

struct Table {
  std::mutex mutex;
  std::uintptr_t next = 1;
  std::map<std::uintptr_t, std::shared_ptr<Compressor>> compressors;
};
Table& TheTable() {
  static Table& table = *new Table;  // Never destroyed: other threads may be inside at exit.
  return table;
}

}  // namespace

base::Status CreateCompressor(const ecclCompressorConfig_t* config, ecclCompressor_t* handle) {
  if (handle == nullptr) return base::Status(base::Code::kInvalidArgument, "compressor is NULL");
  *handle = nullptr;
  BASE_ASSIGN_OR_RETURN(const WireOptions options, ReadWireOptions(config));
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const std::uintptr_t number = table.next++;
  table.compressors[number] = std::make_shared<Compressor>(options);
  // The number is never dereferenced.
  *handle = reinterpret_cast<ecclCompressor_t>(number);  // NOLINT(performance-no-int-to-ptr)
  return base::Status();
}

std::shared_ptr<Compressor> FindCompressor(ecclCompressor_t handle) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const auto found = table.compressors.find(reinterpret_cast<std::uintptr_t>(handle));
  return found == table.compressors.end() ? nullptr : found->second;
}

base::Status NoCompressor() {
  return {base::Code::kInvalidArgument,
          "compressor is no compressor: it was never made, or it was destroyed"};
}

std::shared_ptr<Compressor> TakeCompressor(ecclCompressor_t handle) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  auto node = table.compressors.extract(reinterpret_cast<std::uintptr_t>(handle));
  return node.empty() ? nullptr : std::move(node.mapped());
}

}  // namespace regatta::eccl
