#include "train/hosts.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <charconv>
#include <set>

#include "base/file.h"

namespace regatta::train {
namespace {

using base::Code;
using base::Status;

constexpr std::string_view kBlanks = " \t\r";
constexpr int kMostSlots = 65536;

std::string_view Trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool IsName(std::string_view name) {
  if (name.empty() || name.front() == '-') return false;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && std::string_view("._-@:%").find(c) == std::string_view::npos) return false;
  }
  return true;
}

bool ReadSlots(std::string_view text, int* slots) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *slots);
  return error == std::errc() && end == text.data() + text.size() && *slots >= 1 &&
         *slots <= kMostSlots;
}

Status NoHost(std::string_view text) {
  return {Code::kInvalidArgument,
          "\"" + std::string(text) + "\" is not a host, or host:slots such as node1:4"};
}

Status Twice(const std::string& name) {
  return {Code::kInvalidArgument,
          "host \"" + name + "\" is named twice; name it once with all its slots"};
}

}  // namespace

base::Result<Host> ParseHost(std::string_view text, int slots_unless_said) {
  text = Trimmed(text);
  Host host{.name = std::string(text), .slots = slots_unless_said};
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return NoHost(text);
    host.name = std::string(text.substr(1, end - 1));
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !ReadSlots(rest.substr(1), &host.slots))) {
      return NoHost(text);
    }
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    // More than one colon would be an address of IPv6 without its brackets.
    host.name = std::string(text.substr(0, colon));
    if (!ReadSlots(text.substr(colon + 1), &host.slots)) return NoHost(text);
  }
  if (!IsName(host.name)) return NoHost(text);
  return host;
}

base::Result<std::vector<Host>> ParseHosts(std::string_view text) {
  std::vector<Host> hosts;
  std::set<std::string> names;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (Trimmed(one).empty()) continue;
    BASE_ASSIGN_OR_RETURN(Host host, ParseHost(one));
    if (!names.insert(host.name).second) return Twice(host.name);
    hosts.push_back(std::move(host));
  }
  if (hosts.empty()) return Status(Code::kInvalidArgument, "the list of hosts is empty");
  return hosts;
}

base::Result<std::vector<Host>> ParseHostLines(std::string_view text, const std::string& source,
                                               int slots_unless_said) {
  std::vector<Host> hosts;
  std::set<std::string> names;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    line = Trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const auto fail = [&](const Status& status) {
      return Status(status.code(), source + ":" + std::to_string(number) + ": " + status.message());
    };
    const auto blank = line.find_first_of(kBlanks);
    auto host = ParseHost(line.substr(0, blank), slots_unless_said);
    if (!host.ok()) return fail(host.status());
    if (blank != std::string_view::npos) {
      const std::string_view rest = Trimmed(line.substr(blank));
      if (!rest.starts_with("slots=") || !ReadSlots(rest.substr(6), &host->slots)) {
        return fail({Code::kInvalidArgument,
                     "\"" + std::string(rest) + "\" is not what follows a host: slots=N"});
      }
    }
    if (!names.insert(host->name).second) return fail(Twice(host->name));
    hosts.push_back(*std::move(host));
  }
  return hosts;
}

base::Result<std::vector<Host>> ReadHostFile(const std::string& path) {
  BASE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, 4u << 20));
  BASE_ASSIGN_OR_RETURN(std::vector<Host> hosts, ParseHostLines(text, path));
  if (hosts.empty()) return Status(Code::kInvalidArgument, path + " names no host");
  return hosts;
}

bool IsHere(const std::string& name) {
  if (name == "localhost") return true;
  char own[256] = {};
  if (::gethostname(own, sizeof own - 1) == 0 && name == own) return true;
  in_addr four{};
  if (::inet_pton(AF_INET, name.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  return ::inet_pton(AF_INET6, name.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

}  // namespace regatta::train
