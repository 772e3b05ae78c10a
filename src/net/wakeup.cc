#include "net/wakeup.h"

namespace regatta::net {

std::shared_ptr<Wakeup> NewWakeup() {
  auto wakeup = std::make_shared<WakeupImpl>();
  wakeup->SetSelf(wakeup);
  return wakeup;
}

}  // namespace regatta::net
