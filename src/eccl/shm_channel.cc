#include "eccl/shm_channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "base/random.h"
#include "eccl/wire.h"

namespace regatta::eccl {

using base::Code;
using base::Status;

namespace {

constexpr std::uint64_t kShmMagic = 0x32304d48534c4345;  // "ECLSHM02"
constexpr std::size_t kNonceBytes = 16;
// One TrySend or TryReceive moves at most this, so that the peer starts to work on the first part
// while the next is being copied.
constexpr std::size_t kPieceBytes = 32u << 10;

// So much for the rings of one communicator, until this process has made so much in all.
constexpr std::size_t kMostRing = 2u << 20;
constexpr std::size_t kLeastRing = 128u << 10;
constexpr std::size_t kCommunicatorBytes = 8u << 20;
constexpr std::size_t kProcessBytes = 64u << 20;

// Bytes of the segments that this process has made and still has.
std::atomic<std::size_t> made_bytes{0};

// Maps the pages of a ring now. A first message would otherwise pay for a fault each 4 KiB. A
// kernel before 5.14 cannot: there it does.
void MapPages(std::byte* data, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t begin = address & ~(page - 1);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the address it came from, at its page's beginning
  madvise(reinterpret_cast<void*>(begin), address + bytes - begin, MADV_POPULATE_WRITE);
#endif
}

// Segments mapped in this process, by nonce: ranks that are threads use one mapping, which lets the
// thread sanitizer see both ends.
struct Mapped {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<ShmSegment>> segments;
};
Mapped& MappedSegments() {
  static Mapped& mapped = *new Mapped;  // Never destroyed: communicators may outlive main().
  return mapped;
}

}  // namespace

struct ShmSegment::Header {
  std::uint64_t magic;
  char nonce[kNonceBytes];
  std::uint32_t rings;
  std::uint64_t ring_bytes;
  Bell bell;
  ShmSlot slots[2];
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

namespace {
constexpr std::size_t kRingHead = sizeof(ShmRing) - 64;
}

ShmRing* ShmSegment::ring(int index) const {
  auto* first = static_cast<std::byte*>(memory_) + sizeof(Header);
  return reinterpret_cast<ShmRing*>(first + static_cast<std::size_t>(index) *
                                                (kRingHead + header()->ring_bytes));
}

Bell* ShmSegment::bell() const { return &header()->bell; }
ShmSlot* ShmSegment::slot(std::uint64_t number) const { return &header()->slots[number % 2]; }
int ShmSegment::rings() const { return static_cast<int>(header()->rings); }

std::size_t ShmSegment::RingBytes(std::size_t rings) {
  const std::size_t share = made_bytes.load() < kProcessBytes ? kCommunicatorBytes / rings : 0;
  return std::bit_floor(std::clamp(share, kLeastRing, kMostRing));
}

base::Result<std::shared_ptr<ShmSegment>> ShmSegment::Create(int rings, std::size_t ring_bytes) {
  const std::size_t bytes =
      sizeof(Header) + static_cast<std::size_t>(rings) * (kRingHead + ring_bytes);
  base::UniqueFd fd(memfd_create("eccl", MFD_CLOEXEC));
  if (!fd.valid()) return base::ErrnoStatus(errno, "cannot make shared memory");
  if (const int error = posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    return base::ErrnoStatus(error, "cannot reserve " + std::to_string(bytes) +
                                        " bytes of shared memory (ECCL_SHM_RING_BYTES makes rings "
                                        "smaller, ECCL_TRANSPORT=tcp does without)");
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return base::ErrnoStatus(errno, "cannot map shared memory");
  std::shared_ptr<ShmSegment> segment(new ShmSegment(std::move(fd), memory, bytes, true));
  made_bytes += bytes;
  auto* header = new (memory) Header{};
  header->magic = kShmMagic;
  base::FillRandom(header->nonce, kNonceBytes);
  header->rings = static_cast<std::uint32_t>(rings);
  header->ring_bytes = ring_bytes;
  for (int i = 0; i < rings; ++i) {
    ShmRing* ring = segment->ring(i);
    new (&ring->written) std::atomic<std::uint64_t>(0);
    new (&ring->read) std::atomic<std::uint64_t>(0);
  }
  const std::lock_guard lock(MappedSegments().mutex);
  MappedSegments().segments[std::string(header->nonce, kNonceBytes)] = segment;
  return segment;
}

std::string ShmSegment::Ticket() const {
  return BodyWriter()
      .U32(static_cast<std::uint32_t>(getpid()))
      .U32(static_cast<std::uint32_t>(fd_.get()))
      .U64(bytes_)
      .Raw({header()->nonce, kNonceBytes})
      .body();
}

base::Result<std::shared_ptr<ShmSegment>> ShmSegment::Open(const std::string& ticket) {
  BodyReader reader(ticket);
  const std::uint32_t pid = reader.U32();
  const std::uint32_t fd_number = reader.U32();
  const std::uint64_t bytes = reader.U64();
  const std::string nonce = reader.Raw(kNonceBytes);
  if (!reader.ok() || bytes < sizeof(Header)) {
    return Status(Code::kDataLoss, "malformed shared-memory ticket");
  }
  {
    const std::lock_guard lock(MappedSegments().mutex);
    const auto found = MappedSegments().segments.find(nonce);
    if (found != MappedSegments().segments.end()) {
      if (auto segment = found->second.lock()) return segment;
    }
  }
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd_number);
  // O_NONBLOCK: in another process namespace this may be anybody's pipe.
  base::UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return base::ErrnoStatus(errno, "cannot open " + path);
  struct stat info{};
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      static_cast<std::uint64_t>(info.st_size) != bytes) {
    return Status(Code::kNotFound, path + " is not the peer's memory");
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return base::ErrnoStatus(errno, "cannot map " + path);
  std::shared_ptr<ShmSegment> segment(new ShmSegment(base::UniqueFd(), memory, bytes, false));
  const Header* header = segment->header();
  const bool fits = header->magic == kShmMagic &&
                    std::memcmp(header->nonce, nonce.data(), kNonceBytes) == 0 &&
                    sizeof(Header) + header->rings * (kRingHead + header->ring_bytes) == bytes;
  if (!fits) return Status(Code::kNotFound, path + " is not the peer's memory");
  return segment;
}

ShmSegment::~ShmSegment() {
  {
    const std::lock_guard lock(MappedSegments().mutex);
    const auto found = MappedSegments().segments.find(std::string(header()->nonce, kNonceBytes));
    if (found != MappedSegments().segments.end() && found->second.expired()) {
      MappedSegments().segments.erase(found);
    }
  }
  munmap(memory_, bytes_);
  if (own_) made_bytes -= bytes_;
}

ShmChannel::ShmChannel(std::shared_ptr<ShmSegment> own, int mine, std::shared_ptr<ShmSegment> peer,
                       int theirs)
    : in_(own->ring(mine)),
      out_(peer->ring(theirs)),
      in_bytes_(own->header()->ring_bytes),
      out_bytes_(peer->header()->ring_bytes),
      own_(std::move(own)),
      peer_(std::move(peer)) {
  MapPages(in_->data, in_bytes_);
  MapPages(out_->data, out_bytes_);
}

base::Result<std::unique_ptr<ShmChannel>> ShmChannel::Make(std::shared_ptr<ShmSegment> own,
                                                           int mine,
                                                           std::shared_ptr<ShmSegment> peer,
                                                           int theirs) {
  if (mine < 0 || mine >= own->rings() || theirs < 0 || theirs >= peer->rings()) {
    return Status(Code::kInternal, "no such ring in the shared memory");
  }
  return std::unique_ptr<ShmChannel>(new ShmChannel(std::move(own), mine, std::move(peer), theirs));
}

base::Result<std::size_t> ShmChannel::TrySend(std::span<const std::byte> data) {
  const auto room = Room();
  const std::size_t size = std::min({data.size(), room.size(), kPieceBytes});
  if (size == 0) return size;
  std::memcpy(room.data(), data.data(), size);
  Filled(size);
  return size;
}

base::Result<std::size_t> ShmChannel::TryReceive(std::span<std::byte> data) {
  const auto arrived = Arrived();
  const std::size_t size = std::min({data.size(), arrived.size(), kPieceBytes});
  if (size == 0) return size;
  std::memcpy(data.data(), arrived.data(), size);
  Taken(size);
  return size;
}

}  // namespace regatta::eccl
