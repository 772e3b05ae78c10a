// Compiled with AVX-512 F, BW, DQ and VL on x86-64. Not with AVX-512 BF16: its conversion takes
// subnormal numbers for zero, which the other processors of a job would not.
#include "eccl/formats/convert_kernels.h"

namespace regatta::eccl {

const ConvertKernels kConvertAvx512 = kConvertHere;

}  // namespace regatta::eccl
