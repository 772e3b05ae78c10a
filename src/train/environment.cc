#include "train/environment.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace regatta::train {
namespace {

using base::Code;
using base::Status;

// Of this host, this login or this terminal; "*" at the end for all that begin so.
constexpr std::string_view kLocal[] = {
    "BASH_FUNC_*", "COLUMNS", "DBUS_*", "DISPLAY",    "HOME",  "HOSTNAME", "LINES", "LOGNAME",
    "LS_COLORS",   "MAIL",    "OLDPWD", "PWD",        "SHELL", "SHLVL",    "SSH_*", "TERM",
    "TMPDIR",      "TMUX*",   "USER",   "XAUTHORITY", "XDG_*", "_",
};
constexpr std::string_view kSecret[] = {"TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "STORE"};

bool IsLocal(std::string_view name) {
  for (const std::string_view local : kLocal) {
    if (local.ends_with('*') ? name.starts_with(local.substr(0, local.size() - 1))
                             : name == local) {
      return true;
    }
  }
  return false;
}

bool IsSecret(std::string_view name) {
  if (!name.starts_with("REGATTA_")) return false;
  for (const std::string_view word : kSecret) {
    if (name.find(word) != std::string_view::npos) return true;
  }
  return false;
}

Status AddOne(const std::string& text, std::vector<std::string>* variables) {
  const std::string name = text.substr(0, text.find('='));
  if (name.empty() || name.find_first_of(" \t\n") != std::string::npos) {
    return {Code::kInvalidArgument, "-x \"" + text + "\" is not NAME or NAME=VALUE"};
  }
  if (name.size() < text.size()) {
    variables->push_back(text);
    return {};
  }
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) {
    return {Code::kInvalidArgument,
            "-x " + name + ": the variable is not set here; give " + name + "=VALUE"};
  }
  variables->push_back(name + "=" + value);
  return {};
}

}  // namespace

std::vector<std::string> EnvironmentForOtherHosts() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    if (name.size() < text.size() && !IsLocal(name) && !IsSecret(name)) {
      variables.emplace_back(text);
    }
  }
  return variables;
}

Status AddVariables(const std::string& text, std::vector<std::string>* variables) {
  if (text.find('=') != std::string::npos) return AddOne(text, variables);
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    BASE_RETURN_IF_ERROR(AddOne(text.substr(begin, end - begin), variables));
    begin = end + 1;
  }
  return {};
}

}  // namespace regatta::train
