#include "job/shim_image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <string_view>

#include "base/file.h"
#include "job/shim/shim.h"

// The executable that the target regatta_shim has built (see CMakeLists.txt), as bytes.
asm(".pushsection .rodata\n"
    ".balign 16\n"
    "regatta_shim_begin:\n"
    ".incbin \"" REGATTA_SHIM_IMAGE
    "\"\n"
    "regatta_shim_end:\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" {
extern const char regatta_shim_begin[] __attribute__((visibility("hidden")));
extern const char regatta_shim_end[] __attribute__((visibility("hidden")));
}

namespace regatta::job {
namespace {

base::Result<int> MakeImage() {
  base::UniqueFd fd(memfd_create("regatta-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return base::ErrnoStatus(errno, "cannot make memory for the shim");
  const std::string_view bytes(regatta_shim_begin,
                               static_cast<std::size_t>(regatta_shim_end - regatta_shim_begin));
  BASE_RETURN_IF_ERROR(base::WriteAll(fd.get(), bytes, "the shim into memory"));
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  // A descriptor open for writing makes the file "busy" for exec; a read-only one does not.
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  const base::UniqueFd readable(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  // At a number where the descriptors that a shim is given (up to 4) do not replace it.
  const int image = fcntl(readable.get(), F_DUPFD_CLOEXEC, shim::kStatusFd + 1);
  if (image < 0) return base::ErrnoStatus(errno, "cannot open the shim in memory");
  return image;
}

}  // namespace

base::Result<int> ShimImage() {
  static const base::Result<int> image = MakeImage();
  return image;
}

}  // namespace regatta::job
