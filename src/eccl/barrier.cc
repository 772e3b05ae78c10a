#include "eccl/algorithms.h"

namespace regatta::eccl {

base::Status DisseminationBarrier(Links* links) {
  for (int distance = 1; distance < links->size(); distance *= 2) {
    const std::byte token{1};
    std::byte heard{0};
    BASE_RETURN_IF_ERROR(links->Exchange(links->Right(distance), std::span(&token, 1),
                                         links->Left(distance), std::span(&heard, 1)));
  }
  return base::Status();
}

}  // namespace regatta::eccl
