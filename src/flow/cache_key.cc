#include "flow/cache_key.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/sha256.h"
#include "flow/template.h"

namespace regatta::flow {
namespace {

namespace fs = std::filesystem;

void AppendSized(std::string& out, std::string_view text) {
  const std::uint64_t size = text.size();
  for (int i = 0; i < 8; ++i) out += static_cast<char>((size >> (8 * i)) & 0xff);
  out += text;
}

// A scope as wide as a working directory is digested file by file here, because the state folder
// may lie inside it and changes with every run.
absl::StatusOr<std::string> DigestCodePath(const std::string& path, const std::string& skip) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  const fs::path skipped = skip.empty() ? fs::path() : fs::weakly_canonical(skip, error);
  const auto [rest, nothing] =
      std::mismatch(canonical.begin(), canonical.end(), skipped.begin(), skipped.end());
  const bool contains_state = !skip.empty() && rest == canonical.end();
  if (!contains_state) {
    ASSIGN_OR_RETURN(const Artifact artifact, DigestPath(canonical.string(), ""));
    return artifact.kind == "missing" ? "missing" : artifact.digest;
  }
  base::Sha256 hash;
  hash.Update("regatta-scope-1\n");
  std::vector<std::string> names;
  for (fs::directory_iterator it(canonical, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) {
    return ToAbsl(base::ErrnoStatus(error.value(), absl::StrCat("cannot read ", path)));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const fs::path child = canonical / name;
    if (child == skipped) continue;
    ASSIGN_OR_RETURN(const std::string digest, DigestCodePath(child.string(), skip));
    std::string line;
    AppendSized(line, name);
    AppendSized(line, digest);
    hash.Update(line);
  }
  return absl::StrCat("sha256:", hash.HexDigest());
}

std::string Shortened(const KeyPart& part) {
  if (part.kind == "env" && IsSecretName(part.name)) {
    return absl::StrCat("*** (sha256:", base::Sha256Hex(part.value).substr(0, 12), ")");
  }
  if (part.value.size() <= 200 && std::all_of(part.value.begin(), part.value.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 || c == '\n';
      })) {
    return part.value;
  }
  return absl::StrCat("sha256:", base::Sha256Hex(part.value), " (", part.value.size(), " bytes)");
}

bool ShowsValues(std::string_view name) {
  for (std::string_view prefix : {"parameter ", "loop argument", "interpreter", "image", "env "}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

std::string ShownValue(const std::string& value) {
  constexpr std::size_t kMost = 60;
  if (value.empty()) return "nothing";
  return value.size() <= kMost ? value : absl::StrCat(value.substr(0, kMost), "…");
}

}  // namespace

bool IsSecretName(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (std::string_view word : {"SECRET", "TOKEN", "PASSWORD", "KEY"}) {
    if (upper.find(word) != std::string::npos) return true;
  }
  return false;
}

std::vector<KeyPart> CacheKeyParts(const KeyInputs& inputs) {
  std::vector<KeyPart> parts;
  parts.push_back({"pipeline", "", inputs.pipeline});
  parts.push_back({"node", "", inputs.node});
  parts.push_back({"command", "", inputs.command});
  if (!inputs.docker_env.empty()) parts.push_back({"image", "", inputs.docker_env});
  for (const auto& [name, value] : inputs.parameters.items()) {
    parts.push_back({"parameter", name, base::DumpJson(value)});
  }
  if (!inputs.loop_argument.is_null()) {
    parts.push_back({"loop argument", "", base::DumpJson(inputs.loop_argument)});
  }
  for (const auto& [name, artifacts] : inputs.inputs) {
    parts.push_back({"input", name, absl::StrJoin(artifacts, ",", [](std::string* out, auto& a) {
                       out->append(a.kind == "missing" ? "missing" : a.digest);
                     })});
  }
  for (const auto& [path, digest] : inputs.code) parts.push_back({"code", path, digest});
  if (inputs.interpreter != nullptr) {
    parts.push_back({"interpreter", "", inputs.interpreter->version});
    parts.push_back({"packages", "", inputs.interpreter->packages_digest});
  }
  for (const auto& [name, value] : inputs.env) parts.push_back({"env", name, value});
  for (const std::string& name : inputs.outputs) parts.push_back({"output", name, ""});
  if (!inputs.layout.empty()) parts.push_back({"distributed job", "", inputs.layout});
  parts.insert(parts.end(), inputs.file_systems.begin(), inputs.file_systems.end());
  if (!inputs.source.empty()) parts.push_back({"source", "", inputs.source});
  return parts;
}

std::string EncodeKeyParts(const std::vector<KeyPart>& parts) {
  std::string bytes = absl::StrCat("regatta-cache-key-", kCacheKeyVersion, "\n");
  for (const KeyPart& part : parts) {
    AppendSized(bytes, part.kind);
    AppendSized(bytes, part.name);
    AppendSized(bytes, part.value);
  }
  return bytes;
}

std::string CacheKey(const std::vector<KeyPart>& parts) {
  return absl::StrCat(kCacheKeyVersion, ":", base::Sha256Hex(EncodeKeyParts(parts)));
}

std::vector<ShownPart> ShowParts(const std::vector<KeyPart>& parts) {
  std::vector<ShownPart> shown;
  shown.reserve(parts.size());
  for (const KeyPart& part : parts) {
    shown.push_back(
        {part.name.empty() ? part.kind : absl::StrCat(part.kind, " ", part.name), Shortened(part)});
  }
  return shown;
}

std::string ExplainDifference(const std::vector<ShownPart>& before,
                              const std::vector<ShownPart>& now,
                              const std::map<std::string, std::string>& notes) {
  std::map<std::string, const std::string*> old;
  for (const ShownPart& part : before) old[part.name] = &part.value;
  std::vector<std::string> reasons;
  for (const ShownPart& part : now) {
    const auto it = old.find(part.name);
    if (it == old.end()) {
      reasons.push_back(absl::StrCat(part.name, " is new"));
      continue;
    }
    if (*it->second != part.value) {
      reasons.push_back(ShowsValues(part.name)
                            ? absl::StrCat(part.name, " changed from ", ShownValue(*it->second),
                                           " to ", ShownValue(part.value))
                            : absl::StrCat(part.name, " changed"));
      const auto note = notes.find(part.name);
      if (note != notes.end()) absl::StrAppend(&reasons.back(), " (", note->second, ")");
    }
    old.erase(it);
  }
  for (const auto& [name, value] : old) reasons.push_back(absl::StrCat(name, " is gone"));
  constexpr std::size_t kMostReasons = 4;
  if (reasons.size() > kMostReasons) {
    const std::size_t more = reasons.size() - kMostReasons;
    reasons.resize(kMostReasons);
    reasons.push_back(absl::StrCat("and ", more, " more"));
  }
  return absl::StrJoin(reasons, "; ");
}

absl::StatusOr<std::map<std::string, std::string>> DigestCode(const std::vector<CodePath>& paths,
                                                              const std::string& skip) {
  std::map<std::string, std::string> digests;
  for (const CodePath& code : paths) {
    ASSIGN_OR_RETURN(digests[code.name], DigestCodePath(code.path, skip));
  }
  return digests;
}

}  // namespace regatta::flow
