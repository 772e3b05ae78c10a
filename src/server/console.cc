#include "server/console.h"

#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/api/api.h"

namespace regatta::server {
namespace {

const ConsoleFile* Find(std::string_view path) {
  for (int i = 0; i < kConsoleFileCount; ++i) {
    if (path == kConsoleFiles[i].path) return &kConsoleFiles[i];
  }
  return nullptr;
}

}  // namespace

net::Response AnswerFromConsole(const net::Request& request) {
  const bool is_api = absl::StartsWith(request.path, "/api/");
  const ConsoleFile* file = is_api ? nullptr : Find(request.path);
  const bool is_asset = absl::StartsWith(request.path, "/assets/");
  // A missing asset must not look like a page: a browser with an old page would run it as script.
  if (file == nullptr && !is_api && !is_asset) file = Find("/index.html");
  if (file == nullptr) {
    return ErrorAnswer(absl::NotFoundError(absl::StrCat("there is no ", request.path)));
  }
  net::Response response;
  response.headers.emplace_back("ETag", file->etag);
  // Names under /assets/ have a digest of their content in them.
  response.headers.emplace_back("Cache-Control",
                                is_asset ? "public, max-age=31536000, immutable" : "no-cache");
  if (request.Header("if-none-match") == file->etag) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Type", file->media_type);
  // Every browser since 2000 takes gzip; the rare client that does not can ask curl --compressed.
  response.headers.emplace_back("Content-Encoding", "gzip");
  response.body.assign(reinterpret_cast<const char*>(file->begin), file->end - file->begin);
  return response;
}

}  // namespace regatta::server
