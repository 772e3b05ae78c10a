#include "flow/parse_distributed.h"

#include <charconv>
#include <cmath>

#include "flow/names.h"
#include "flow/parse_fields.h"
#include "flow/parse_file_systems.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

// A number with one of a table of suffixes: "500m", "1.5Gi". Negative: it is none.
struct Suffix {
  std::string_view text;
  double factor;
};
constexpr Suffix kCpu[] = {{"m", 0.001}, {"", 1}};
constexpr Suffix kMemory[] = {{"Ki", 1024.0},       {"Mi", 1048576.0},
                              {"Gi", 1073741824.0}, {"Ti", 1099511627776.0},
                              {"k", 1e3},           {"K", 1e3},
                              {"M", 1e6},           {"G", 1e9},
                              {"T", 1e12},          {"", 1}};
constexpr Suffix kMilliseconds[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};

template <std::size_t N>
double ReadQuantity(std::string_view text, const Suffix (&suffixes)[N]) {
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return -1;
  const std::string_view rest = text.substr(static_cast<std::size_t>(stop - text.data()));
  for (const Suffix& suffix : suffixes) {
    if (rest == suffix.text) return number * suffix.factor;
  }
  return -1;
}

template <std::size_t N>
double Quantity(const MapReader& reader, std::string_view key, const Suffix (&suffixes)[N],
                const char* example, ReadContext* context) {
  const YamlNode* node = reader.Find(key);
  if (node == nullptr) return 0;
  const double value = node->is_scalar() ? ReadQuantity(node->scalar, suffixes) : -1;
  constexpr double kMost = 1e14;  // 100 TB; or in milliseconds, 3,000 years
  if (value < 0 || value > kMost) {
    context->Add(*node, reader.PathOf(key),
                 Cat("must be an amount like ", example, ", not ", node->Describe()));
    return 0;
  }
  return value;
}

std::optional<std::chrono::milliseconds> Duration(const MapReader& reader, std::string_view key,
                                                  ReadContext* context) {
  if (reader.Find(key) == nullptr) return std::nullopt;
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(Quantity(reader, key, kMilliseconds, "30s, 5m or 2h", context)));
}

std::vector<std::string> Texts(const MapReader& outer, std::string_view key,
                               std::string_view inner_key, ReadContext* context) {
  std::vector<std::string> texts;
  const YamlNode* node = outer.Find(key);
  if (node == nullptr) return texts;
  const MapReader reader(*node, std::string(key), outer.PathOf(key), {std::string(inner_key)},
                         context);
  const YamlNode* list = reader.Find(inner_key);
  if (list == nullptr) return texts;
  if (!list->is_list()) {
    context->Add(*list, reader.PathOf(inner_key),
                 Cat("must be a list of texts, not ", list->Describe()));
    return texts;
  }
  for (const YamlNode& item : list->items) {
    if (item.is_scalar()) {
      texts.push_back(item.scalar);
    } else {
      context->Add(item, reader.PathOf(inner_key), "must be a list of texts");
    }
  }
  return texts;
}

Flavour ReadFlavour(const MapReader& member, ReadContext* context) {
  Flavour flavour;
  const YamlNode* node = member.Find("flavour");
  if (node == nullptr) return flavour;
  const MapReader reader(*node, "flavour", member.PathOf("flavour"),
                         {"name", "cpu", "mem", "scalar_resources"}, context);
  flavour.name = reader.Text("name");
  flavour.cpus = Quantity(reader, "cpu", kCpu, "2 or 500m", context);
  flavour.memory_bytes =
      static_cast<std::int64_t>(Quantity(reader, "mem", kMemory, "512Mi or 2Gi", context));
  if (const YamlNode* scalars = reader.Find("scalar_resources"); scalars != nullptr) {
    context->Add(*scalars, reader.PathOf("scalar_resources"),
                 "devices are not scheduled yet; leave this key out");
  }
  return flavour;
}

DistributedJob ReadDistributedJob(const YamlNode& node, const std::string& path,
                                  ReadContext* context) {
  DistributedJob job;
  job.place = context->At(node);
  const MapReader reader(node, "distributed_job", path, {"framework", "members"}, context);
  job.framework = reader.Text("framework");
  if (!job.framework.empty() && job.framework != "pytorch" && job.framework != "tensorflow" &&
      job.framework != "paddle" && job.framework != "plain") {
    context->Add(*reader.Find("framework"), reader.PathOf("framework"),
                 Cat("must be pytorch, tensorflow, paddle or plain, not ", Quoted(job.framework)));
  }
  const YamlNode* members = reader.Find("members");
  if (members == nullptr || !members->is_list() || members->items.empty()) {
    context->Add(members == nullptr ? node : *members, reader.PathOf("members"),
                 "must be a list of at least one {role, replicas, command, flavour, env}");
    return job;
  }
  for (std::size_t i = 0; i < members->items.size(); ++i) {
    const YamlNode& item = members->items[i];
    const std::string own_path = Cat(reader.PathOf("members"), "[", std::to_string(i), "]");
    const MapReader fields(
        item, "member", own_path,
        {"role", "replicas", "image", "port", "flavour", "command", "queue", "priority", "env"},
        context);
    Member member;
    member.place = context->At(item);
    member.role = fields.Text("role", "worker");
    if (!IsFieldName(member.role)) {
      context->Add(item, fields.PathOf("role"), Cat(Quoted(member.role), " is no name for a role"));
    }
    const std::int64_t replicas = fields.Integer("replicas", 1);
    if (replicas < 1 || replicas > 4096) {
      context->Add(*fields.Find("replicas"), fields.PathOf("replicas"), "must be from 1 to 4096");
    } else {
      member.replicas = static_cast<int>(replicas);
    }
    if (fields.Find("command") != nullptr) member.command = fields.Text("command");
    // Kept for executors that have images, ports and queues; a wrong type is wrong everywhere.
    for (const char* key : {"image", "queue", "priority"}) fields.Text(key);
    if (const std::int64_t port = fields.Integer("port", 1); port < 1 || port > 65535) {
      context->Add(*fields.Find("port"), fields.PathOf("port"), "must be from 1 to 65535");
    }
    member.env = ReadEnv(fields, context);
    member.flavour = ReadFlavour(fields, context);
    for (const Member& other : job.members) {
      if (other.role == member.role) {
        context->Add(item, fields.PathOf("role"),
                     Cat("the role ", Quoted(member.role), " stands here a second time"));
      }
    }
    job.members.push_back(std::move(member));
  }
  return job;
}

std::optional<Retry> ReadRetry(const MapReader& outer, ReadContext* context) {
  const YamlNode* node = outer.Find("retry");
  if (node == nullptr) return std::nullopt;
  const MapReader reader(*node, "retry", outer.PathOf("retry"), {"limit", "backoff", "on"},
                         context);
  Retry retry;
  const std::int64_t limit = reader.Integer("limit", 1);
  if (limit < 0 || limit > 100) {
    context->Add(*reader.Find("limit"), reader.PathOf("limit"), "must be from 0 to 100");
  } else {
    retry.limit = static_cast<int>(limit);
  }
  retry.backoff = Duration(reader, "backoff", context).value_or(std::chrono::milliseconds(0));
  const YamlNode* on = reader.Find("on");
  if (on == nullptr) return retry;
  if (!on->is_list() || on->items.empty()) {
    context->Add(*on, reader.PathOf("on"),
                 Cat("must be a list of exit codes, as [75, 137], not ", on->Describe()));
    return retry;
  }
  for (const YamlNode& item : on->items) {
    const base::Json code = item.is_scalar() ? item.Value() : base::Json();
    if (!code.is_number_integer() || code < 1 || code > 255) {
      context->Add(item, reader.PathOf("on"),
                   Cat("must be exit codes from 1 to 255, not ", item.Describe()));
    } else {
      retry.exit_codes.push_back(code.get<int>());
    }
  }
  return retry;
}

}  // namespace

void ReadExtensions(const MapReader& reader, ReadContext* context, Node* node) {
  if (const YamlNode* job = reader.Find("distributed_job"); job != nullptr) {
    node->distributed_job = ReadDistributedJob(*job, reader.PathOf("distributed_job"), context);
  }
  node->snapshot_paths = Texts(reader, "snapshot", "paths", context);
  for (const std::string& path : node->snapshot_paths) {
    if (path.empty() || LeavesFolder(path)) {
      context->Add(*reader.Find("snapshot"), reader.PathOf("snapshot.paths"),
                   Cat(Quoted(path), " must be a path inside the pipeline's folder"));
    }
  }
  node->python_imports = Texts(reader, "python", "imports", context);
  node->timeout = Duration(reader, "timeout", context);
  node->grace = Duration(reader, "grace", context);
  node->retry = ReadRetry(reader, context);
}

}  // namespace regatta::flow
