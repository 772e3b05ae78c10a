#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace regatta::topology {

// Sets of processors are lists here ("0-3,8") and masks in sysfs and NCCL: hexadecimal words of 32
// bits, the highest first, "00000000,0000010f". Nothing where `mask` is no such mask or has a
// processor above 65,535.
std::optional<std::string> CpuListFromMask(std::string_view mask);

// The mask of a list, with as many words as it needs; "" for "" and for what is no list.
std::string MaskFromCpuList(std::string_view list);

}  // namespace regatta::topology
