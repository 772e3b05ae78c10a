#include "server/owner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/version.h"

namespace regatta::server {
namespace {

// What this program writes; an older program refuses a directory with a higher number.
constexpr int kStateVersion = 1;
constexpr std::size_t kSmallFile = 64u << 10;

// Bytes of the lock file. `kOwned` is held for life, `kChanging` from before `kOwned` is taken
// until the endpoint is written, and again from the beginning of the end: who finds the directory
// owned waits on `kChanging` and then knows that endpoint.json is of an owner that stays.
constexpr off_t kOwned = 0;
constexpr off_t kChanging = 1;

// Open-file-description locks: like flock(2) they belong to the open file, not to the process, and
// F_OFD_GETLK can look without taking anything, so that looking never disturbs an owner's start.
struct flock Range(short type, off_t byte) {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  return range;
}

absl::Status Lock(int fd, int command, short type, off_t byte, const std::string& path) {
  struct flock range = Range(type, byte);
  for (;;) {
    if (::fcntl(fd, command, &range) == 0) return absl::OkStatus();
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EACCES) return absl::AlreadyExistsError("locked");
    return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("cannot lock ", path)));
  }
}

absl::StatusOr<bool> IsLocked(int fd, off_t byte, const std::string& path) {
  struct flock range = Range(F_WRLCK, byte);
  if (::fcntl(fd, F_OFD_GETLK, &range) != 0) {
    return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("cannot read the lock ", path)));
  }
  return range.l_type != F_UNLCK;
}

std::string LockPath(const std::string& home) { return base::JoinPath(home, "lock"); }
std::string EndpointPath(const std::string& home) { return base::JoinPath(home, "endpoint.json"); }

absl::Status HomeError(const std::string& home, const base::Status& cause) {
  return absl::Status(
      static_cast<absl::StatusCode>(cause.code()),
      absl::StrCat("the state directory ", home, " cannot be used: ", cause.message(),
                   "; choose another one by --home or REGATTA_HOME"));
}

absl::StatusOr<Endpoint> ReadEndpoint(const std::string& home) {
  const std::string path = EndpointPath(home);
  ASSIGN_OR_RETURN(const std::string text, ToAbsl(base::ReadFile(path, kSmallFile)));
  auto json = base::ParseJson(text);
  if (!json.ok() || !json->is_object()) {
    return absl::DataLossError(absl::StrCat(path, " is not what an owner writes there"));
  }
  Endpoint endpoint;
  endpoint.address = json->value("address", "");
  endpoint.pid = json->value("pid", 0);
  endpoint.program_version = json->value("program_version", "");
  endpoint.since = json->value("since", base::Micros{0});
  endpoint.passing = json->value("passing", false);
  return endpoint;
}

}  // namespace

absl::Status CheckStateVersion(const std::string& home) {
  const std::string path = base::JoinPath(home, "VERSION");
  const auto text = base::ReadFile(path, kSmallFile);
  if (!text.ok()) {
    return text.status().code() == base::Code::kNotFound ? absl::OkStatus()
                                                         : HomeError(home, text.status());
  }
  int version = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), version);
  if (error != std::errc() || version < 1) {
    return absl::DataLossError(absl::StrCat(path, " does not hold a version number"));
  }
  if (version > kStateVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the state directory ", home, " was written by a newer Regatta (state version ", version,
        ", this program ", base::Version(), " knows ", kStateVersion,
        "); use that one, or another directory by --home"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Owner>> Owner::Acquire(const std::string& home) {
  if (const base::Status made = base::MakeFolders(home, 0700); !made.ok()) {
    return HomeError(home, made);
  }
  const std::string path = LockPath(home);
  base::UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) {
    return HomeError(home, base::ErrnoStatus(errno, absl::StrCat("cannot open ", path)));
  }
  RETURN_IF_ERROR(Lock(lock.get(), F_OFD_SETLKW, F_WRLCK, kChanging, path));
  const absl::Status owned = Lock(lock.get(), F_OFD_SETLK, F_WRLCK, kOwned, path);
  if (absl::IsAlreadyExists(owned)) {
    const auto endpoint = ReadEndpoint(home);
    if (!endpoint.ok()) {
      return absl::AlreadyExistsError(
          absl::StrCat("the state directory ", home, " is in use by another regatta"));
    }
    return absl::AlreadyExistsError(
        absl::StrCat("the state directory ", home, " is in use by regatta ",
                     endpoint->program_version, " (pid ", endpoint->pid, ", ", endpoint->address,
                     ", since ", base::FormatRfc3339(endpoint->since), ")"));
  }
  RETURN_IF_ERROR(owned);
  std::unique_ptr<Owner> owner(new Owner(home, std::move(lock)));
  RETURN_IF_ERROR(owner->Prepare());
  return owner;
}

absl::Status Owner::Prepare() {
  RETURN_IF_ERROR(CheckStateVersion(home_));
  const std::string version = base::JoinPath(home_, "VERSION");
  if (::access(version.c_str(), F_OK) != 0) {
    const base::Status written =
        base::WriteFileDurably(version, absl::StrCat(kStateVersion, "\n"), 0600);
    if (!written.ok()) return HomeError(home_, written);
  }
  // Whatever stands there is of an owner that died.
  if (::unlink(EndpointPath(home_).c_str()) != 0 && errno != ENOENT) {
    return HomeError(home_, base::ErrnoStatus(errno, "cannot remove endpoint.json"));
  }
  auto token = ReadToken(home_);
  if (!token.ok() && !absl::IsNotFound(token.status())) return token.status();
  if (token.ok()) {
    token_ = *std::move(token);
  } else {
    token_ = base::RandomHex(32);
    const base::Status written =
        base::WriteFileDurably(base::JoinPath(home_, "token"), token_ + "\n", 0600);
    if (!written.ok()) return HomeError(home_, written);
  }
  base::HideInLogs(token_);
  return absl::OkStatus();
}

absl::Status Owner::Announce(const std::string& address, bool passing) {
  const base::Json endpoint = {{"version", 1},
                               {"address", address},
                               {"pid", ::getpid()},
                               {"program_version", base::Version()},
                               {"since", base::NowMicros()},
                               {"passing", passing}};
  const base::Status written =
      base::WriteFileDurably(EndpointPath(home_), base::DumpJson(endpoint) + "\n", 0600);
  if (!written.ok()) return HomeError(home_, written);
  announced_ = true;
  return Lock(lock_.get(), F_OFD_SETLK, F_UNLCK, kChanging, LockPath(home_));
}

void Owner::Retire() {
  if (!announced_) return;
  announced_ = false;
  // Others hold this byte only for a look. Should it fail they find what a killed owner leaves.
  Lock(lock_.get(), F_OFD_SETLKW, F_WRLCK, kChanging, LockPath(home_)).IgnoreError();
  ::unlink(EndpointPath(home_).c_str());
}

Owner::~Owner() { Retire(); }

absl::StatusOr<std::optional<Endpoint>> FindOwner(const std::string& home) {
  const std::string path = LockPath(home);
  const base::UniqueFd lock(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return HomeError(home, base::ErrnoStatus(errno, absl::StrCat("cannot open ", path)));
  }
  ASSIGN_OR_RETURN(const bool owned, IsLocked(lock.get(), kOwned, path));
  if (!owned) return std::nullopt;
  RETURN_IF_ERROR(Lock(lock.get(), F_OFD_SETLKW, F_RDLCK, kChanging, path));
  auto endpoint = ReadEndpoint(home);
  if (endpoint.ok()) return *std::move(endpoint);
  // The owner ended meanwhile, or died while it was starting.
  if (absl::IsNotFound(endpoint.status())) return std::nullopt;
  return endpoint.status();
}

absl::StatusOr<std::string> ReadToken(const std::string& home) {
  const std::string path = base::JoinPath(home, "token");
  auto text = base::ReadFile(path, kSmallFile);
  if (!text.ok()) return ToAbsl(text.status());
  while (!text->empty() && text->back() == '\n') text->pop_back();
  if (text->size() != 64 || text->find_first_not_of("0123456789abcdef") != std::string::npos) {
    return absl::DataLossError(absl::StrCat(
        path, " does not hold a token; remove the file and a new one is made at the next start"));
  }
  struct stat info = {};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(path, " can be read by others; run `chmod 600 ",
                                                    path, "`, or remove it for a new token"));
  }
  base::HideInLogs(*text);
  return *text;
}

}  // namespace regatta::server
