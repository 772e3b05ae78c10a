#include "flow/artifacts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/sha256.h"

namespace regatta::flow {
namespace {

namespace fs = std::filesystem;

bool IsInside(const fs::path& path, const fs::path& root) {
  auto [end, nothing] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end() || end->empty();
}

void AddSized(base::Sha256& hash, std::string_view text) {
  const std::uint64_t size = text.size();
  std::uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(size >> (8 * i));
  hash.Update(bytes, sizeof bytes);
  hash.Update(text);
}

struct Entry {
  std::string name;  // relative
  char type;         // f d l
};

absl::StatusOr<std::vector<Entry>> Walk(const fs::path& root) {
  std::vector<Entry> entries;
  std::error_code error;
  fs::recursive_directory_iterator it(root, error), end;
  for (; !error && it != end; it.increment(error)) {
    const fs::file_status status = it->symlink_status(error);
    if (error) break;
    char type;
    switch (status.type()) {
      case fs::file_type::regular:
        type = 'f';
        break;
      case fs::file_type::directory:
        type = 'd';
        break;
      case fs::file_type::symlink:
        type = 'l';
        break;
      default:
        return absl::FailedPreconditionError(
            absl::StrCat(it->path().string(),
                         " is neither a file nor a folder nor a link; an artifact cannot "
                         "hold sockets, pipes or devices"));
    }
    entries.push_back({it->path().lexically_relative(root).string(), type});
  }
  if (error) {
    return ToAbsl(base::ErrnoStatus(error.value(), absl::StrCat("cannot read ", root.string())));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

// The manifest of docs/formats/cache-key.md: every entry by name, files by the digest of their
// bytes. Modes and times are left out, so that a copy on another machine has the same digest.
absl::Status DigestFolder(const fs::path& root, bool any_links, Artifact& artifact) {
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, Walk(root));
  std::error_code gone;
  const fs::path real_root = fs::canonical(root, gone);
  if (gone) return absl::NotFoundError(absl::StrCat(root.string(), " is gone again"));
  base::Sha256 hash;
  hash.Update("regatta-folder-1\n");
  for (const Entry& entry : entries) {
    const fs::path path = root / entry.name;
    hash.Update(&entry.type, 1);
    AddSized(hash, entry.name);
    if (entry.type == 'f') {
      ASSIGN_OR_RETURN(const std::string digest, ToAbsl(base::Sha256File(path.string())));
      AddSized(hash, digest);
      std::error_code error;
      artifact.bytes += static_cast<std::int64_t>(fs::file_size(path, error));
    } else if (entry.type == 'l') {
      std::error_code error;
      const fs::path target = fs::weakly_canonical(path, error);
      if (error || !IsInside(target, real_root)) {
        if (any_links) {
          AddSized(hash, fs::read_symlink(path, error).string());
          continue;
        }
        return absl::FailedPreconditionError(
            absl::StrCat(path.string(), " is a link that leaves the artifact (to ", target.string(),
                         "); copy what it points to instead"));
      }
      AddSized(hash, target.lexically_relative(real_root).string());
    }
  }
  artifact.kind = "folder";
  artifact.digest = absl::StrCat("sha256:", hash.HexDigest());
  return absl::OkStatus();
}

}  // namespace

std::string JoinedPaths(const ArtifactList& artifacts) {
  std::string joined;
  for (const Artifact& artifact : artifacts) {
    if (!joined.empty()) joined += ',';
    joined += artifact.path;
  }
  return joined;
}

ArtifactList ArtifactsFrom(const base::Json& json) {
  ArtifactList artifacts;
  for (const base::Json& item : json) {
    artifacts.push_back({item.value("path", ""), item.value("kind", "missing"),
                         item.value("digest", ""), item.value("bytes", std::int64_t{0})});
  }
  return artifacts;
}

absl::StatusOr<Artifact> DigestPath(const std::string& path, const std::string& allowed_root) {
  Artifact artifact{path, "missing", "", 0};
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return artifact;
    return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("cannot read ", path)));
  }
  const bool any_links = allowed_root.empty();
  if (S_ISLNK(info.st_mode)) {
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    const fs::path root = fs::weakly_canonical(allowed_root);
    if (!any_links && error) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is a link to ", fs::read_symlink(path, error).string(),
                       ", which is not there; write or copy the file there instead"));
    }
    if (!any_links && !IsInside(target, root)) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is a link that leaves ",
                                                        allowed_root, " (to ", target.string(),
                                                        "); write or copy the file there instead"));
    }
    if (stat(path.c_str(), &info) != 0) {
      if (errno == ENOENT) return artifact;
      return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("cannot read ", path)));
    }
  }
  if (S_ISDIR(info.st_mode)) {
    RETURN_IF_ERROR(DigestFolder(path, any_links, artifact));
    return artifact;
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is neither a file nor a folder; an artifact must be one"));
  }
  ASSIGN_OR_RETURN(const std::string digest, ToAbsl(base::Sha256File(path)));
  artifact.kind = "file";
  artifact.bytes = info.st_size;
  artifact.digest = absl::StrCat("sha256:", digest);
  return artifact;
}

std::int64_t SizeUpTo(const std::string& path, std::int64_t limit) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return 0;
  if (!S_ISDIR(info.st_mode)) return info.st_size;
  std::int64_t size = 0;
  std::error_code error;
  fs::recursive_directory_iterator it(path, error), end;
  for (; !error && it != end && size <= limit; it.increment(error)) {
    std::error_code ignored;
    // A file costs an open and a read whatever its size, so folders of many small ones count too.
    size += 4096;
    if (it->is_regular_file(ignored)) size += static_cast<std::int64_t>(it->file_size(ignored));
  }
  return size;
}

absl::Status PrepareOutput(const std::string& path) {
  RETURN_IF_ERROR(ToAbsl(base::MakeFolders(fs::path(path).parent_path().string())));
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {
    return ToAbsl(
        base::ErrnoStatus(error.value(), absl::StrCat("cannot remove the old output ", path)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSmallArtifact(const std::string& what, const ArtifactList& artifact,
                                              std::size_t limit) {
  if (artifact.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " stands for no file: the step that makes it was skipped"));
  }
  if (artifact.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " stands for ", artifact.size(),
                     " files (its step is a loop); its content can only be read when it is one"));
  }
  const std::string& path = artifact[0].path;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is not a file that can be read: ", path));
  }
  auto content = base::ReadFile(path, limit);
  if (!content.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": its content must be at most ", limit,
                                                   " bytes: ", content.status().message()));
  }
  if (content->find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is a binary file, not a text: ", path));
  }
  while (!content->empty() && (content->back() == '\n' || content->back() == '\r')) {
    content->pop_back();
  }
  return *std::move(content);
}

absl::StatusOr<std::string> FileInArtifact(const std::string& artifact_path,
                                           const std::string& inner) {
  const fs::path relative(inner);
  if (relative.is_absolute() ||
      std::any_of(relative.begin(), relative.end(), [](const fs::path& p) { return p == ".."; }) ||
      inner.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "path \"", inner, "\" must be relative and stay inside the artifact (no \"..\")"));
  }
  std::error_code error;
  const fs::path root = fs::canonical(artifact_path, error);
  if (error) {
    return absl::NotFoundError(absl::StrCat("the artifact ", artifact_path, " is not there"));
  }
  const fs::path path = fs::canonical(inner.empty() ? root : root / relative, error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("there is no \"", inner, "\" in the artifact ", artifact_path));
  }
  if (!IsInside(path, root)) {
    return absl::PermissionDeniedError(
        absl::StrCat("\"", inner, "\" is a link that leaves the artifact ", artifact_path));
  }
  if (fs::is_directory(path, error)) {
    return absl::FailedPreconditionError(absl::StrCat(
        inner.empty() ? artifact_path : inner, " is a folder: name one of its files with `path`"));
  }
  if (!fs::is_regular_file(path, error)) {
    return absl::FailedPreconditionError(absl::StrCat(path.string(), " is not a regular file"));
  }
  return path.string();
}

std::vector<std::string> ListFiles(const std::string& folder, std::size_t limit) {
  // Sorting wants all names, so a huge folder is cut at a bound that still costs little.
  constexpr std::size_t kMostLookedAt = 20'000;
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error), end;
  for (; !error && it != end && files.size() < kMostLookedAt; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) {
      files.push_back(it->path().lexically_relative(folder).string());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.size() > limit) files.resize(limit);
  return files;
}

std::string GuessMediaType(const std::string& path) {
  base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return "application/octet-stream";
  char buffer[512];
  const ssize_t got = read(fd.get(), buffer, sizeof buffer);
  const std::string_view head(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
  if (head.starts_with("\x89PNG\r\n\x1a\n")) return "image/png";
  if (head.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (head.starts_with("GIF87a") || head.starts_with("GIF89a")) return "image/gif";
  const std::string extension = fs::path(path).extension().string();
  const bool text = std::all_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t';
  });
  if (!text) return "application/octet-stream";
  if (extension == ".json") return "application/json";
  if (extension == ".csv") return "text/csv";
  return "text/plain";
}

}  // namespace regatta::flow
