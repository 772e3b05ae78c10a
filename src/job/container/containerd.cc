#include "job/container/containerd.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/absl_status.h"
#include "base/json.h"
#include "base/sha256.h"
#include "job/probe.h"

namespace regatta::job {
namespace {

using base::Json;

constexpr std::chrono::seconds kAnswer{60};
constexpr std::chrono::hours kFetch{6};
constexpr int kRounds = 20;

// A registry's host has a dot or a port, or is localhost; everything else is a name on the hub.
bool NamesHost(std::string_view first) {
  return first.find_first_of(".:") != std::string_view::npos || first == "localhost";
}

std::string Trim(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

absl::StatusOr<Json> Parse(const std::string& what, const std::string& text) {
  auto json = base::ParseJson(text);
  if (!json.ok()) return Annotate(ToAbsl(json.status()), what);
  return *std::move(json);
}

// Docker writes null for what an image does not have.
Json Object(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_object() ? *found : Json::object();
}
std::vector<std::string> Texts(const Json& json, const char* key) {
  std::vector<std::string> texts;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) return texts;
  for (const Json& each : *found) {
    if (each.is_string()) texts.push_back(each);
  }
  return texts;
}

// The manifest for this machine, where an image has several.
std::string PickManifest(const Json& index) {
#if defined(__aarch64__)
  constexpr char kArchitecture[] = "arm64";
#else
  constexpr char kArchitecture[] = "amd64";
#endif
  for (const Json& item : index.value("manifests", Json::array())) {
    const Json platform = item.value("platform", Json::object());
    if (platform.value("os", "linux") != "linux") continue;
    if (platform.value("architecture", kArchitecture) == kArchitecture) {
      return item.value("digest", "");
    }
  }
  return "";
}

}  // namespace

std::string FullImageName(const std::string& image) {
  std::string name = image;
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) {
    name = "docker.io/library/" + name;
  } else if (!NamesHost(std::string_view(name).substr(0, slash))) {
    name = "docker.io/" + name;
  }
  const std::size_t last = name.find_last_of("/:@");
  if (name[last] == '/') name += ":latest";
  return name;
}

std::string ChainId(const std::vector<std::string>& diff_ids) {
  std::string chain;
  for (const std::string& id : diff_ids) {
    chain = chain.empty() ? id : "sha256:" + base::Sha256Hex(chain + " " + id);
  }
  return chain;
}

absl::StatusOr<std::vector<std::string>> LayersOf(const std::string& mount_line) {
  const std::vector<std::string> words = absl::StrSplit(mount_line, ' ', absl::SkipEmpty());
  if (words.size() >= 7 && words[0] == "mount" && words[1] == "-t" && words[5] == "-o") {
    if (words[2] == "bind") return std::vector<std::string>{words[3]};
    if (words[2] == "overlay") {
      constexpr std::string_view kLayers = "lowerdir=";
      const std::vector<std::string> options = absl::StrSplit(words[6], ',');
      for (const std::string& option : options) {
        if (option.starts_with(kLayers)) {
          return absl::StrSplit(option.substr(kLayers.size()), ':');
        }
      }
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "containerd keeps the image in a way that is not known here (its snapshotter should be "
      "overlayfs): ",
      mount_line));
}

Containerd::Containerd(std::string socket, std::string images)
    : socket_(std::move(socket)), images_(std::move(images)) {}

absl::StatusOr<std::string> Containerd::Ask(std::vector<std::string> arguments,
                                            const std::atomic<bool>* cancel) const {
  std::vector<std::string> argv = {"/usr/bin/env", "ctr",         "--address",
                                   socket_,        "--namespace", images_};
  const bool fetches = cancel != nullptr;
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  absl::StatusOr<std::string> answer = RunProbe(
      argv, ToolEnvironment(), "/", fetches ? std::chrono::milliseconds(kFetch) : kAnswer, cancel);
  if (answer.ok()) return answer;
  const std::string said(answer.status().message());
  if (absl::StrContains(said, "dial unix")) {  // a registry is dialled by tcp
    return absl::UnavailableError(
        absl::StrCat("no containerd answers at ", socket_, " (setting `containerd`): ", said));
  }
  return absl::Status(answer.status().code(),
                      absl::StrCat("ctr ", absl::StrJoin(arguments, " "), " ", said));
}

absl::StatusOr<std::string> Containerd::Version() const {
  ASSIGN_OR_RETURN(const std::string text, Ask({"version"}));
  const std::size_t server = text.find("Server:");
  const std::size_t at = server == std::string::npos ? server : text.find("Version:", server);
  if (at == std::string::npos) return absl::InternalError(absl::StrCat("ctr version says ", text));
  const std::vector<std::string> words =
      absl::StrSplit(text.substr(at), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return words.size() < 2 ? "" : words[1];
}

absl::StatusOr<std::string> Containerd::Find(const std::string& image) const {
  ASSIGN_OR_RETURN(const std::string list, Ask({"images", "list", "name==" + image}));
  const std::vector<std::string> lines = absl::StrSplit(list, '\n', absl::SkipEmpty());
  if (lines.size() < 2) return "";
  const std::vector<std::string> fields = absl::StrSplit(lines[1], ' ', absl::SkipEmpty());
  if (fields.size() < 3 || !fields[2].starts_with("sha256:")) {
    return absl::InternalError(absl::StrCat("ctr describes image ", image, " as: ", lines[1]));
  }
  return fields[2];
}

absl::Status Containerd::Fetch(const std::string& image, const std::atomic<bool>* cancel) const {
  ASSIGN_OR_RETURN(const std::string digest, Find(image));
  if (!digest.empty()) return absl::OkStatus();
  const auto pulled = Ask({"images", "pull", image}, cancel);
  if (pulled.ok() || absl::IsUnavailable(pulled.status()) || absl::IsCancelled(pulled.status())) {
    return pulled.status();
  }
  return absl::NotFoundError(absl::StrCat("image ", image,
                                          " is not on this machine and cannot be fetched: ",
                                          Trim(std::string(pulled.status().message()))));
}

absl::StatusOr<std::string> Containerd::Content(const std::string& digest) const {
  return Ask({"content", "get", digest});
}

absl::StatusOr<ImageFiles> Containerd::Hold(const std::string& image,
                                            const std::string& name) const {
  ASSIGN_OR_RETURN(std::string digest, Find(image));
  if (digest.empty()) return absl::NotFoundError(absl::StrCat("there is no image ", image));
  ASSIGN_OR_RETURN(std::string text, Content(digest));
  ASSIGN_OR_RETURN(Json manifest, Parse("the manifest of " + image, text));
  if (manifest.contains("manifests")) {
    digest = PickManifest(manifest);
    if (digest.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("image ", image, " has nothing for this machine's processor"));
    }
    ASSIGN_OR_RETURN(text, Content(digest));
    ASSIGN_OR_RETURN(manifest, Parse("the manifest of " + image, text));
  }
  ASSIGN_OR_RETURN(text, Content(manifest.value("config", Json::object()).value("digest", "")));
  ASSIGN_OR_RETURN(const Json config, Parse("the configuration of " + image, text));
  const auto diff_ids =
      config.value("rootfs", Json::object()).value("diff_ids", std::vector<std::string>());
  if (diff_ids.empty()) return absl::DataLossError(absl::StrCat("image ", image, " has no layers"));

  ImageFiles files;
  const Json settings = Object(config, "config");
  files.entry_point = Texts(settings, "Entrypoint");
  files.arguments = Texts(settings, "Cmd");
  if (const auto folder = settings.find("WorkingDir");
      folder != settings.end() && folder->is_string()) {
    files.working_directory = *folder;
  }
  for (const std::string& entry : Texts(settings, "Env")) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos) files.env[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  RETURN_IF_ERROR(HoldSnapshot(name, ChainId(diff_ids)));
  ASSIGN_OR_RETURN(const std::string mounts, Ask({"snapshots", "mounts", "/x", name}));
  ASSIGN_OR_RETURN(files.layers, LayersOf(Trim(mounts)));
  return files;
}

absl::Status Containerd::HoldSnapshot(const std::string& name, const std::string& layers) const {
  const std::string root =
      absl::StrCat("containerd.io/gc.root=", absl::FormatTime(absl::Now(), absl::UTCTimeZone()));
  // What has no such label is garbage, and a removal elsewhere starts a collection at once: one
  // that comes between the two requests takes the new snapshot away.
  absl::Status status;
  for (int round = 0; round < kRounds; ++round) {
    status = Ask({"snapshots", "view", name, layers}).status();
    if (!status.ok() && !absl::StrContains(status.message(), "already exists")) return status;
    status = Ask({"snapshots", "label", name, root}).status();
    if (status.ok() || !absl::StrContains(status.message(), "not found")) return status;
  }
  return status;
}

absl::Status Containerd::Release(const std::string& name) const {
  const auto removed = Ask({"snapshots", "remove", name});
  if (!removed.ok() && absl::StrContains(removed.status().message(), "not found")) {
    return absl::OkStatus();
  }
  return removed.status();
}

}  // namespace regatta::job
