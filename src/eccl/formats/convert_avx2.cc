// Compiled with -mavx2 -mf16c on x86-64.
#include "eccl/formats/convert_kernels.h"

namespace regatta::eccl {

const ConvertKernels kConvertAvx2 = kConvertHere;

}  // namespace regatta::eccl
