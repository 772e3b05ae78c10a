#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/fault.h"
#include "base/random.h"

namespace regatta::base {

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

Result<std::string> ReadFile(const std::string& path, std::size_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot read " + path);
  std::string out;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "cannot read " + path);
    if (got == 0) return out;
    if (out.size() + static_cast<std::size_t>(got) > limit) {
      return Status(Code::kOutOfRange,
                    path + " is longer than the limit of " + std::to_string(limit) + " bytes");
    }
    out.append(buffer, static_cast<std::size_t>(got));
  }
}

Status WriteAll(int fd, std::string_view data, const std::string& name) {
  while (!data.empty()) {
    const ssize_t put = write(fd, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(errno, "cannot write " + name);
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status SyncFolder(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot open the folder " + path);
  if (fsync(fd.get()) != 0) return ErrnoStatus(errno, "cannot sync the folder " + path);
  return {};
}

Status WriteFileDurably(const std::string& path, std::string_view data, int mode) {
  const std::string temporary = path + ".tmp." + RandomHex(6);
  UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot create " + temporary);
  Status status = WriteAll(fd.get(), data, temporary);
  if (status.ok() && fsync(fd.get()) != 0) status = ErrnoStatus(errno, "cannot sync " + temporary);
  REGATTA_FAULT("base.write_file_durably.before_rename");
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, "cannot replace " + path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  const std::size_t slash = path.rfind('/');
  return SyncFolder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

Status MakeFolders(const std::string& path, int mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at < path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "cannot make the folder " + part);
    }
  }
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "cannot make the folder " + path);
  if (!S_ISDIR(info.st_mode)) {
    return Status(Code::kFailedPrecondition, path + " is a file; a folder is needed there");
  }
  return {};
}

std::string JoinPath(std::string_view head, std::string_view tail) {
  if (head.empty() || (!tail.empty() && tail.front() == '/')) return std::string(tail);
  std::string out(head);
  if (out.back() != '/') out += '/';
  return out.append(tail);
}

}  // namespace regatta::base
