#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "flow/names.h"
#include "server/api/api.h"
#include "server/api/input.h"

namespace regatta::server {
namespace {

// UTF-8 without control characters; the last character may be cut off.
bool IsText(std::string_view head) {
  for (std::size_t at = 0; at < head.size();) {
    const auto byte = static_cast<unsigned char>(head[at]);
    if (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') return false;
    std::size_t length = 1;
    if (byte >= 0x80) {
      if (byte < 0xC2 || byte > 0xF4) return false;
      length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    }
    for (std::size_t i = 1; i < length && at + i < head.size(); ++i) {
      if ((static_cast<unsigned char>(head[at + i]) & 0xC0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

// What a browser may show by itself: pictures that cannot carry script, told by their first bytes
// and never by their name, and plain text. Everything else is a download.
std::string InlineType(std::string_view head) {
  using namespace std::string_view_literals;
  if (head.starts_with("\x89PNG\r\n\x1a\n"sv)) return "image/png";
  if (head.starts_with("\xff\xd8\xff"sv)) return "image/jpeg";
  if (head.starts_with("GIF87a"sv) || head.starts_with("GIF89a"sv)) return "image/gif";
  if (head.starts_with("RIFF"sv) && head.substr(0, 12).ends_with("WEBP"sv)) return "image/webp";
  return IsText(head) ? "text/plain; charset=utf-8" : "";
}

// For Content-Disposition: what is not a plain letter becomes a line.
std::string SafeName(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  }
  return name.empty() ? "artifact" : name;
}

}  // namespace

absl::StatusOr<Response> ListArtifacts(Context& context, const Call& call) {
  QueryReader query(call);
  flow::ArtifactFilter filter;
  filter.project = call.principal.project;
  filter.run_id = query.Id("run_id");
  filter.step = query.Text("step", 4096).value_or("");
  filter.name = query.Text("name", 128).value_or("");
  filter.kind = query.Choice("kind", {"file", "folder"}).value_or("");
  filter.digest = query.Text("digest", 128).value_or("");
  filter.limit = static_cast<int>(query.Integer("limit", 1, 1000).value_or(50));
  filter.cursor = query.Text("cursor", 512).value_or("");
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const flow::ArtifactPage page, context.catalog->ListArtifacts(filter));
  return PageAnswer(page);
}

absl::StatusOr<Response> GetArtifact(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string run_id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(const std::string step_id, IdFromPath(call, "step_id"));
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  const std::string& name = call.http.params.at("name");
  if (!flow::IsFieldName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name.substr(0, 60),
                     "\" is no name of an artifact: names have letters, "
                     "digits and \"_\", at most 50"));
  }
  ASSIGN_OR_RETURN(const flow::ListedArtifact artifact,
                   context.catalog->GetArtifact(run_id, step_id, name));
  return JsonAnswer(flow::ToJson(artifact));
}

absl::StatusOr<Response> GetArtifactContent(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string run_id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(const std::string step_id, IdFromPath(call, "step_id"));
  QueryReader query(call);
  const std::string inner = query.Text("path", 1024).value_or("");
  RETURN_IF_ERROR(query.Finish());
  const std::string& name = call.http.params.at("name");
  ASSIGN_OR_RETURN(const std::string path,
                   context.engine->ArtifactFile(run_id, step_id, name, inner));
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  char head[4096];
  struct stat info = {};
  const bool readable = file.valid() && ::fstat(file.get(), &info) == 0;
  if (readable && !S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("artifact \"", name, "\" is not a file"));
  }
  const ssize_t got = readable ? ::pread(file.get(), head, sizeof head, 0) : -1;
  if (got < 0) return ToAbsl(base::ErrnoStatus(errno, absl::StrCat("artifact \"", name, "\"")));
  Response response;
  response.file = path;
  const std::string type = InlineType(std::string_view(head, static_cast<std::size_t>(got)));
  response.headers.emplace_back("Content-Type", type.empty() ? "application/octet-stream" : type);
  response.headers.emplace_back(
      "Content-Disposition", absl::StrCat(type.empty() ? "attachment" : "inline", "; filename=\"",
                                          SafeName(inner.empty() ? path : inner), "\""));
  // Even a picture must not be able to run anything in our origin.
  response.headers.emplace_back("Content-Security-Policy", "sandbox; default-src 'none'");
  return response;
}

}  // namespace regatta::server
