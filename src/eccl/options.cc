#include "eccl/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "eccl/select.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

constexpr char kIdFormat[] = "eccl1";
// One fills a link between neighbours, and costs neither frames nor copies.
constexpr int kSocketsPerRail = 1;

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Setting(const char* field, const char* name) {
  return field != nullptr ? field : FromEnvironment(name);
}

base::Result<std::int64_t> Number(std::int64_t field, const char* name, std::int64_t otherwise,
                                  std::int64_t least, std::int64_t most) {
  std::int64_t value = field;
  if (field == 0) {
    const std::string text = FromEnvironment(name);
    if (text.empty()) return otherwise;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Status(Code::kInvalidArgument,
                    std::string(name) + "=\"" + text + "\" is not a whole number");
    }
  }
  if (value < least || value > most) {
    return Status(Code::kInvalidArgument, std::string(name) + " is " + std::to_string(value) +
                                              "; it may be " + std::to_string(least) + " to " +
                                              std::to_string(most));
  }
  return value;
}

Status Unknown(const char* name, const std::string& value, const char* choices) {
  return Status(Code::kInvalidArgument,
                std::string(name) + "=\"" + value + "\" is unknown; it may be " + choices);
}

}  // namespace

std::string Options::Choices() const {
  return "ECCL_ALGORITHM=" + (algorithm.empty() ? "auto" : algorithm) +
         " ECCL_EXACT=" + (exact ? "1" : "0");
}

base::Result<Options> ReadOptions(const ecclConfig_t* given) {
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  if (given != nullptr) {
    if (given->size < sizeof(std::size_t) || given->size > sizeof(config)) {
      return Status(Code::kInvalidArgument,
                    "ecclConfig_t.size is " + std::to_string(given->size) +
                        "; start from ECCL_CONFIG_INITIALIZER of this release");
    }
    std::memcpy(&config, given, given->size);
  }
  constexpr std::int64_t kDay = 86'400'000;
  Options options;
  BASE_ASSIGN_OR_RETURN(const std::int64_t timeout,
                        Number(config.timeout_ms, "ECCL_TIMEOUT_MS", 600'000, 1, 30 * kDay));
  BASE_ASSIGN_OR_RETURN(
      const std::int64_t init_timeout,
      Number(config.init_timeout_ms, "ECCL_INIT_TIMEOUT_MS", 300'000, 1, 30 * kDay));
  BASE_ASSIGN_OR_RETURN(const std::int64_t ring,
                        Number(0, "ECCL_SHM_RING_BYTES", 0, 4 << 10, 1 << 30));
  if ((ring & (ring - 1)) != 0) {
    return Status(Code::kInvalidArgument,
                  "ECCL_SHM_RING_BYTES is " + std::to_string(ring) + "; it is a power of two");
  }
  options.timeout = std::chrono::milliseconds(timeout);
  options.init_timeout = std::chrono::milliseconds(init_timeout);
  options.ring_bytes = static_cast<std::size_t>(ring);
  BASE_ASSIGN_OR_RETURN(const std::int64_t exact, Number(config.exact, "ECCL_EXACT", 0, 0, 1));
  options.exact = exact == 1;
  options.job_token = Setting(config.job_token, "ECCL_JOB_TOKEN");
  options.host = Setting(config.host, "ECCL_HOST");
  options.host_id = FromEnvironment("ECCL_HOST_ID");
  BASE_ASSIGN_OR_RETURN(options.interfaces,
                        InterfacePatterns::Parse(FromEnvironment("ECCL_INTERFACES")));
  BASE_ASSIGN_OR_RETURN(const std::int64_t sockets,
                        Number(0, "ECCL_SOCKETS_PER_RAIL", kSocketsPerRail, 1, 16));
  options.sockets_per_rail = static_cast<int>(sockets);
  options.device = Setting(config.device, "ECCL_DEVICE");
  if (options.device == "cpu") options.device.clear();
  options.flight_record_folder = FromEnvironment("ECCL_FLIGHT_RECORDS");
  const std::string transport = Setting(config.transport, "ECCL_TRANSPORT");
  if (transport == "shm") {
    options.transport = TransportChoice::kShm;
  } else if (transport == "tcp") {
    options.transport = TransportChoice::kTcp;
  } else if (!transport.empty() && transport != "auto") {
    return Unknown("ECCL_TRANSPORT", transport, "auto, shm or tcp");
  }
  const std::string algorithm = Setting(config.algorithm, "ECCL_ALGORITHM");
  if (!algorithm.empty() && algorithm != "auto") {
    const std::vector<std::string> known = AllReduceNames();
    if (std::find(known.begin(), known.end(), algorithm) == known.end()) {
      std::string names = "auto";
      for (const std::string& name : known) names += ", " + name;
      return Unknown("ECCL_ALGORITHM", algorithm, names.c_str());
    }
    options.algorithm = algorithm;
  }
  return options;
}

base::Result<ecclUniqueId> EncodeUniqueId(const UniqueId& id) {
  const std::string text = std::string(kIdFormat) + " " + std::to_string(id.port) + " " +
                           (id.secret.empty() ? "-" : id.secret) + " " + id.host;
  ecclUniqueId wire{};
  if (text.size() >= sizeof(wire.internal)) {
    return Status(Code::kInvalidArgument,
                  "the host name \"" + id.host + "\" is too long for a unique id; use its address");
  }
  std::memcpy(wire.internal, text.data(), text.size());
  return wire;
}

base::Result<UniqueId> DecodeUniqueId(const ecclUniqueId& wire) {
  const std::string text(wire.internal, strnlen(wire.internal, sizeof(wire.internal)));
  std::istringstream in(text);
  std::string format;
  UniqueId id;
  unsigned port = 0;
  if (!(in >> format >> port >> id.secret >> id.host) || format != kIdFormat || port > 65535) {
    return Status(Code::kInvalidArgument,
                  "the unique id was not made by ecclGetUniqueId or ecclUniqueIdFromEnvironment of "
                  "this release");
  }
  id.port = static_cast<std::uint16_t>(port);
  if (id.secret == "-") id.secret.clear();
  return id;
}

base::Result<UniqueId> UniqueIdFromEnvironment() {
  // Address and port come from the same pair: half of one and half of the other is nobody's.
  const bool own = std::getenv("ECCL_MASTER_ADDR") != nullptr;
  const char* address_name = own ? "ECCL_MASTER_ADDR" : "MASTER_ADDR";
  const char* port_name = own ? "ECCL_MASTER_PORT" : "MASTER_PORT";
  UniqueId id;
  id.host = FromEnvironment(address_name);
  if (id.host.empty()) {
    return Status(Code::kFailedPrecondition,
                  "neither ECCL_MASTER_ADDR nor MASTER_ADDR is set; they say where rank 0 listens");
  }
  BASE_ASSIGN_OR_RETURN(const std::int64_t port, Number(0, port_name, 0, 1, 65535));
  if (port == 0) {
    return Status(Code::kFailedPrecondition,
                  std::string(port_name) + " is not set, but " + address_name + " is");
  }
  id.port = static_cast<std::uint16_t>(port);
  return id;
}

}  // namespace regatta::eccl
