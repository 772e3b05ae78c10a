#include "cli/completion.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace regatta::cli {
namespace {

std::string WordsAfter(const CompletionEntry& entry) {
  std::vector<std::string> words = entry.flags;
  for (const auto& [name, help] : entry.commands) words.push_back(name);
  return absl::StrJoin(words, " ");
}

// The words before the cursor that are no flags name the command, at most two of them.
std::string Bash(const std::vector<CompletionEntry>& entries) {
  std::string script =
      "# regatta completion for bash. Load it by: source <(regatta completion bash)\n"
      "_regatta() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} path='' i\n"
      "  for ((i = 1; i < COMP_CWORD && i < 3; i++)); do\n"
      "    case ${COMP_WORDS[i]} in -*) break ;; esac\n"
      "    path+=\"${path:+ }${COMP_WORDS[i]}\"\n"
      "    case $path in runs | pipelines | artifacts | caches | jobs | topo | config) ;; *) break "
      ";; "
      "esac\n"
      "  done\n"
      "  case $path in\n";
  for (const CompletionEntry& entry : entries) {
    absl::StrAppend(&script, "    '", entry.path, "') COMPREPLY=($(compgen -W '", WordsAfter(entry),
                    "' -- \"$word\"))",
                    entry.takes_file ? " && COMPREPLY+=($(compgen -f -- \"$word\"))" : "", " ;;\n");
  }
  return script +
         "  esac\n"
         "}\n"
         "complete -o filenames -F _regatta regatta\n";
}

// zsh reads bash's description through its own bridge, so that there is one to keep right.
std::string Zsh(const std::vector<CompletionEntry>& entries) {
  return absl::StrCat(
      "#compdef regatta\n",
      "# regatta completion for zsh. Load it by: source <(regatta completion zsh)\n",
      "autoload -U +X bashcompinit && bashcompinit\n", Bash(entries));
}

std::string Fish(const std::vector<CompletionEntry>& entries) {
  std::string script =
      "# regatta completion for fish. Load it by: regatta completion fish | source\n"
      "complete -c regatta -f\n";
  for (const CompletionEntry& entry : entries) {
    std::string condition = "__fish_use_subcommand";
    if (!entry.path.empty()) {
      std::vector<std::string> parts;
      std::string_view rest = entry.path;
      while (!rest.empty()) {
        const std::size_t space = rest.find(' ');
        parts.push_back(
            absl::StrCat("__fish_seen_subcommand_from ", std::string(rest.substr(0, space))));
        rest = space == rest.npos ? std::string_view() : rest.substr(space + 1);
      }
      condition = absl::StrJoin(parts, "; and ");
    }
    for (const auto& [name, help] : entry.commands) {
      absl::StrAppend(&script, "complete -c regatta -n '", condition, "' -a ", name, " -d '",
                      absl::StrReplaceAll(help, {{"'", "\\'"}}), "'\n");
    }
    for (const std::string& flag : entry.flags) {
      if (flag.starts_with("--")) {
        absl::StrAppend(&script, "complete -c regatta -n '", condition, "' -l ", flag.substr(2),
                        "\n");
      }
    }
    if (entry.takes_file) absl::StrAppend(&script, "complete -c regatta -n '", condition, "' -F\n");
  }
  return script;
}

}  // namespace

std::string RenderCompletion(const std::string& shell,
                             const std::vector<CompletionEntry>& entries) {
  if (shell == "zsh") return Zsh(entries);
  if (shell == "fish") return Fish(entries);
  return Bash(entries);
}

}  // namespace regatta::cli
