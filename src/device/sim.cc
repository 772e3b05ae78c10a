#include "device/sim.h"

#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <shared_mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "device/sim_memory.h"
#include "device/sim_stream.h"

namespace regatta::device {
namespace {

using base::Code;
using base::Status;

std::string& ErrorText() {
  thread_local std::string text;
  return text;
}
const char* LastError() { return ErrorText().c_str(); }

regattaDeviceResult Fail(regattaDeviceResult result, std::string text) {
  ErrorText() = std::move(text);
  return result;
}
regattaDeviceResult Tell(const SimOutcome& outcome) {
  return outcome.result == REGATTA_DEVICE_OK ? outcome.result : Fail(outcome.result, outcome.why);
}

struct Fault {
  std::string what;
  std::uint64_t at = 0;
  int device = -1;  // any
};

base::Result<std::vector<Fault>> ParseFaults(const std::string& text) {
  std::vector<Fault> faults;
  std::istringstream list(text);
  for (std::string entry; std::getline(list, entry, ',');) {
    Fault fault;
    std::istringstream parts(entry);
    char colon = 0;
    std::getline(parts, fault.what, ':');
    const bool known = fault.what == "copy" || fault.what == "stall" || fault.what == "allocate" ||
                       fault.what == "lost";
    if (!known || !(parts >> fault.at) || fault.at == 0 ||
        (parts >> colon && (colon != ':' || !(parts >> fault.device)))) {
      return Status(Code::kInvalidArgument,
                    "REGATTA_SIM_FAULT: \"" + entry +
                        "\" is no fault; it is copy, stall, allocate or lost, a colon and the "
                        "number of the time, and perhaps a colon and a device");
    }
    faults.push_back(fault);
  }
  return faults;
}

struct Event {
  std::shared_ptr<SimMarker> marker;  // null: never recorded
};

class SimDevice {
 public:
  SimDevice(int index, const SimOptions& options, std::vector<Fault> faults, SimMemoryPool* memory)
      : index_(index), options_(options), faults_(std::move(faults)), memory_(memory) {}

  int index() const { return index_; }
  SimMemoryPool& memory() { return *memory_; }
  const SimMemoryPool& memory() const { return *memory_; }
  std::atomic<int>& opened() { return opened_; }

  // OK unless the device is lost.
  regattaDeviceResult Alive() const {
    if (!lost_.load()) return REGATTA_DEVICE_OK;
    return Fail(REGATTA_DEVICE_LOST, Name() + " has fallen off (injected)");
  }
  // Whether it is the time of this fault; counts.
  bool Strikes(const char* what, std::atomic<std::uint64_t>* times) const {
    const std::uint64_t time = ++*times;
    for (const Fault& fault : faults_) {
      const bool here = fault.device < 0 || fault.device == index_;
      if (here && fault.what == what && fault.at == time) return true;
    }
    return false;
  }
  bool AllocationFails() { return Strikes("allocate", &allocations_); }
  bool CopyFails() { return Strikes("copy", &copies_); }
  bool CopyStalls() { return Strikes("stall", &stalls_); }
  bool FallsOff() {
    if (Strikes("lost", &losses_)) lost_ = true;
    return lost_;
  }
  // Returns when a copy of so many bytes would be over.
  void Spend(std::size_t bytes, std::chrono::steady_clock::time_point start) const {
    auto takes = std::chrono::duration_cast<std::chrono::nanoseconds>(options_.copy_latency);
    if (options_.copy_gigabytes_per_second > 0) {
      takes += std::chrono::nanoseconds(static_cast<std::int64_t>(
          static_cast<double>(bytes) / options_.copy_gigabytes_per_second));
    }
    if (takes.count() > 0) std::this_thread::sleep_until(start + takes);
  }

  // --- handles; null for one that is none ---
  std::shared_ptr<SimStream> FindStream(regattaDeviceStream handle) {
    const std::lock_guard lock(mutex_);
    if (handle == nullptr) {
      if (default_stream_ == nullptr) default_stream_ = std::make_shared<SimStream>();
      return default_stream_;
    }
    const auto found = streams_.find(handle);
    return found == streams_.end() ? nullptr : found->second;
  }
  regattaDeviceStream AddStream() {
    auto stream = std::make_shared<SimStream>();
    const std::lock_guard lock(mutex_);
    return streams_.emplace(stream.get(), stream).first->first;
  }
  std::shared_ptr<SimStream> TakeStream(regattaDeviceStream handle) {
    const std::lock_guard lock(mutex_);
    const auto found = streams_.find(handle);
    if (found == streams_.end()) return nullptr;
    auto stream = std::move(found->second);
    streams_.erase(found);
    return stream;
  }
  regattaDeviceEvent AddEvent() {
    auto event = std::make_shared<Event>();
    const std::lock_guard lock(mutex_);
    return events_.emplace(event.get(), event).first->first;
  }
  bool TakeEvent(regattaDeviceEvent handle) {
    const std::lock_guard lock(mutex_);
    return events_.erase(handle) > 0;
  }
  // False for one that is none.
  bool SetMarker(regattaDeviceEvent handle, std::shared_ptr<SimMarker> marker) {
    const std::lock_guard lock(mutex_);
    const auto found = events_.find(handle);
    if (found == events_.end()) return false;
    found->second->marker = std::move(marker);
    return true;
  }
  bool GetMarker(regattaDeviceEvent handle, std::shared_ptr<SimMarker>* marker) {
    const std::lock_guard lock(mutex_);
    const auto found = events_.find(handle);
    if (found == events_.end()) return false;
    *marker = found->second->marker;
    return true;
  }
  // Of all streams whose work will ever end.
  void Drain() {
    std::vector<std::shared_ptr<SimStream>> streams;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [handle, stream] : streams_) streams.push_back(stream);
      if (default_stream_ != nullptr) streams.push_back(default_stream_);
    }
    for (const auto& stream : streams) {
      if (!stream->stalled()) static_cast<void>(stream->Mark()->Wait());
    }
  }
  std::string Name() const { return "simulated device " + std::to_string(index_); }

 private:
  const int index_;
  const SimOptions options_;
  const std::vector<Fault> faults_;
  const std::unique_ptr<SimMemoryPool> memory_;
  std::atomic<int> opened_{0};
  std::atomic<bool> lost_{false};
  std::atomic<std::uint64_t> allocations_{0}, copies_{0}, stalls_{0}, losses_{0};
  std::mutex mutex_;
  std::map<void*, std::shared_ptr<SimStream>> streams_;
  std::map<void*, std::shared_ptr<Event>> events_;
  std::shared_ptr<SimStream> default_stream_;
};

using Devices = std::vector<std::unique_ptr<SimDevice>>;

base::Result<Devices> MakeDevices(const SimOptions& options) {
  BASE_ASSIGN_OR_RETURN(const std::vector<Fault> faults, ParseFaults(options.fault));
  Devices devices;
  for (int i = 0; i < options.devices; ++i) {
    BASE_ASSIGN_OR_RETURN(SimMemoryPool * memory, SimMemoryPool::Make(options.memory_bytes));
    devices.push_back(std::make_unique<SimDevice>(i, options, faults, memory));
  }
  return devices;
}

// All simulated devices of the process. They come into being when somebody asks for them.
class World {
 public:
  regattaDeviceResult Count(int* count) {
    const std::unique_lock lock(mutex_);
    const Status status = made_ ? Status() : MakeFromEnvironment();
    if (!status.ok()) return Fail(REGATTA_DEVICE_UNAVAILABLE, status.message());
    *count = static_cast<int>(devices_.size());
    return REGATTA_DEVICE_OK;
  }
  Status Configure(const SimOptions& options) {
    const std::unique_lock lock(mutex_);
    for (const auto& device : devices_) {
      if (device->opened() > 0) {
        return Status(Code::kFailedPrecondition, device->Name() + " is open");
      }
    }
    BASE_ASSIGN_OR_RETURN(devices_, MakeDevices(options));
    made_ = true;
    return Status();
  }
  // Null for a number that is none. The device lives as long as it is open.
  SimDevice* At(int index) {
    int count = 0;
    if (Count(&count) != REGATTA_DEVICE_OK || index < 0 || index >= count) return nullptr;
    const std::shared_lock lock(mutex_);
    return devices_[static_cast<std::size_t>(index)].get();
  }
  SimDevice* Owner(const void* address) {
    const std::shared_lock lock(mutex_);
    for (const auto& device : devices_) {
      if (device->memory().Contains(address)) return device.get();
    }
    return nullptr;
  }

 private:
  Status MakeFromEnvironment() {
    BASE_ASSIGN_OR_RETURN(const SimOptions options, SimOptionsFromEnvironment());
    BASE_ASSIGN_OR_RETURN(devices_, MakeDevices(options));
    made_ = true;
    return Status();
  }

  std::shared_mutex mutex_;
  bool made_ = false;
  Devices devices_;
};

World& TheWorld() {
  static World world;
  return world;
}

SimDevice* Of(regattaDeviceContext* context) { return reinterpret_cast<SimDevice*>(context); }

regattaDeviceResult NoStream() {
  return Fail(REGATTA_DEVICE_INVALID_ARGUMENT, "no stream of this device");
}
regattaDeviceResult NoEvent() {
  return Fail(REGATTA_DEVICE_INVALID_ARGUMENT, "no event of this device");
}

regattaDeviceResult GetCount(int* count) { return TheWorld().Count(count); }

regattaDeviceResult GetProperties(int index, regattaDeviceProperties* out) {
  const SimDevice* device = TheWorld().At(index);
  if (device == nullptr) return Fail(REGATTA_DEVICE_INVALID_ARGUMENT, "no such simulated device");
  regattaDeviceProperties all{};
  all.size = out->size;
  std::snprintf(all.name, sizeof(all.name), "Regatta simulated device");
  all.memory_bytes = device->memory().size();
  std::memcpy(out, &all, std::min(out->size, sizeof(all)));
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult Open(int index, regattaDeviceContext** context) {
  SimDevice* device = TheWorld().At(index);
  if (device == nullptr) return Fail(REGATTA_DEVICE_INVALID_ARGUMENT, "no such simulated device");
  if (device->Alive() != REGATTA_DEVICE_OK) return REGATTA_DEVICE_LOST;
  ++device->opened();
  *context = reinterpret_cast<regattaDeviceContext*>(device);
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult Close(regattaDeviceContext* context) {
  --Of(context)->opened();
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult MemoryInfo(regattaDeviceContext* context, std::uint64_t* free_bytes,
                               std::uint64_t* total_bytes) {
  *free_bytes = Of(context)->memory().free_bytes();
  *total_bytes = Of(context)->memory().size();
  return Of(context)->Alive();
}

regattaDeviceResult Allocate(regattaDeviceContext* context, std::size_t bytes, void** address) {
  SimDevice& device = *Of(context);
  if (const auto alive = device.Alive(); alive != REGATTA_DEVICE_OK) return alive;
  *address = device.AllocationFails() ? nullptr : device.memory().Allocate(bytes);
  if (*address != nullptr) return REGATTA_DEVICE_OK;
  return Fail(REGATTA_DEVICE_OUT_OF_MEMORY,
              device.Name() + " has no room for " + std::to_string(bytes) + " bytes; " +
                  std::to_string(device.memory().free_bytes()) + " of " +
                  std::to_string(device.memory().size()) + " are free");
}

regattaDeviceResult Free(regattaDeviceContext* context, void* address) {
  SimDevice& device = *Of(context);
  device.Drain();
  if (device.memory().Free(address)) return REGATTA_DEVICE_OK;
  return Fail(REGATTA_DEVICE_INVALID_ARGUMENT, "the address was not allocated on " + device.Name());
}

// Any host memory is reached in the same way.
regattaDeviceResult HostAllocate(regattaDeviceContext* context, std::size_t bytes, void** address) {
  if (const auto alive = Of(context)->Alive(); alive != REGATTA_DEVICE_OK) return alive;
  constexpr std::size_t kPage = 4096;
  *address = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (*address != nullptr) return REGATTA_DEVICE_OK;
  return Fail(REGATTA_DEVICE_OUT_OF_MEMORY, "the host has no memory");
}
regattaDeviceResult HostFree(regattaDeviceContext* context, void* address) {
  Of(context)->Drain();
  std::free(address);
  return REGATTA_DEVICE_OK;
}
regattaDeviceResult HostRegister(regattaDeviceContext* context, void*, std::size_t) {
  return Of(context)->Alive();
}
regattaDeviceResult HostUnregister(regattaDeviceContext* context, void*) {
  return Of(context)->Alive();
}

// What a copy has to do, with the addresses that the host may use.
struct Job {
  std::byte* to;
  const std::byte* from;
  std::size_t bytes;
};

regattaDeviceResult Resolve(SimDevice& device, void* to, const void* from, std::size_t bytes,
                            regattaDeviceCopy direction, Job* job) {
  *job = {static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes};
  if (direction != regattaCopyDeviceToHost) job->to = device.memory().Resolve(to, bytes);
  if (direction != regattaCopyHostToDevice) job->from = device.memory().Resolve(from, bytes);
  const bool on_host = (direction == regattaCopyDeviceToHost && TheWorld().Owner(to) != nullptr) ||
                       (direction == regattaCopyHostToDevice && TheWorld().Owner(from) != nullptr);
  if (job->to != nullptr && job->from != nullptr && !on_host) return REGATTA_DEVICE_OK;
  return Fail(REGATTA_DEVICE_INVALID_ARGUMENT,
              "the " + std::to_string(bytes) + " bytes are not all in one allocation of " +
                  device.Name() + ", or what should be host memory is a device's");
}

regattaDeviceResult CopyAsync(regattaDeviceContext* context, void* to, const void* from,
                              std::size_t bytes, regattaDeviceCopy direction,
                              regattaDeviceStream handle) {
  SimDevice& device = *Of(context);
  if (const auto alive = device.Alive(); alive != REGATTA_DEVICE_OK) return alive;
  const auto stream = device.FindStream(handle);
  if (stream == nullptr) return NoStream();
  Job job{};
  if (const auto found = Resolve(device, to, from, bytes, direction, &job); found != 0)
    return found;
  const bool fails = device.CopyFails();
  const bool stalls = device.CopyStalls();
  device.FallsOff();
  // The stream outlives its work: destroying it waits.
  stream->Add([&device, job, fails, stalls, own = stream.get()](std::string* why) {
    const auto start = std::chrono::steady_clock::now();
    if (stalls) own->Stall();
    if (device.Alive() != REGATTA_DEVICE_OK) {
      *why = ErrorText();
      return REGATTA_DEVICE_LOST;
    }
    if (fails || stalls) {
      *why = "a copy of " + std::to_string(job.bytes) + " bytes failed (injected)";
      return REGATTA_DEVICE_FAILED;
    }
    std::memmove(job.to, job.from, job.bytes);
    device.Spend(job.bytes, start);
    return REGATTA_DEVICE_OK;
  });
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult Copy(regattaDeviceContext* context, void* to, const void* from,
                         std::size_t bytes, regattaDeviceCopy direction) {
  const auto given = CopyAsync(context, to, from, bytes, direction, nullptr);
  if (given != REGATTA_DEVICE_OK) return given;
  return Tell(Of(context)->FindStream(nullptr)->Mark()->Wait());
}

regattaDeviceResult StreamCreate(regattaDeviceContext* context, regattaDeviceStream* stream) {
  if (const auto alive = Of(context)->Alive(); alive != REGATTA_DEVICE_OK) return alive;
  *stream = Of(context)->AddStream();
  return REGATTA_DEVICE_OK;
}
regattaDeviceResult StreamDestroy(regattaDeviceContext* context, regattaDeviceStream stream) {
  return Of(context)->TakeStream(stream) == nullptr ? NoStream() : REGATTA_DEVICE_OK;
}
regattaDeviceResult StreamSynchronize(regattaDeviceContext* context, regattaDeviceStream handle) {
  const auto stream = Of(context)->FindStream(handle);
  return stream == nullptr ? NoStream() : Tell(stream->Mark()->Wait());
}
regattaDeviceResult StreamQuery(regattaDeviceContext* context, regattaDeviceStream handle) {
  const auto stream = Of(context)->FindStream(handle);
  return stream == nullptr ? NoStream() : Tell(stream->Now());
}
regattaDeviceResult StreamWaitEvent(regattaDeviceContext* context, regattaDeviceStream handle,
                                    regattaDeviceEvent event) {
  const auto stream = Of(context)->FindStream(handle);
  if (stream == nullptr) return NoStream();
  std::shared_ptr<SimMarker> marker;
  if (!Of(context)->GetMarker(event, &marker)) return NoEvent();
  if (marker != nullptr) stream->WaitFor(std::move(marker));
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult EventCreate(regattaDeviceContext* context, regattaDeviceEvent* event) {
  if (const auto alive = Of(context)->Alive(); alive != REGATTA_DEVICE_OK) return alive;
  *event = Of(context)->AddEvent();
  return REGATTA_DEVICE_OK;
}
regattaDeviceResult EventDestroy(regattaDeviceContext* context, regattaDeviceEvent event) {
  return Of(context)->TakeEvent(event) ? REGATTA_DEVICE_OK : NoEvent();
}
regattaDeviceResult EventRecord(regattaDeviceContext* context, regattaDeviceEvent event,
                                regattaDeviceStream handle) {
  const auto stream = Of(context)->FindStream(handle);
  if (stream == nullptr) return NoStream();
  return Of(context)->SetMarker(event, stream->Mark()) ? REGATTA_DEVICE_OK : NoEvent();
}
regattaDeviceResult EventQuery(regattaDeviceContext* context, regattaDeviceEvent event) {
  std::shared_ptr<SimMarker> marker;
  if (!Of(context)->GetMarker(event, &marker)) return NoEvent();
  return marker == nullptr ? REGATTA_DEVICE_OK : Tell(marker->Now());
}
regattaDeviceResult EventSynchronize(regattaDeviceContext* context, regattaDeviceEvent event) {
  std::shared_ptr<SimMarker> marker;
  if (!Of(context)->GetMarker(event, &marker)) return NoEvent();
  return marker == nullptr ? REGATTA_DEVICE_OK : Tell(marker->Wait());
}

regattaDeviceResult PointerDevice(const void* address, int* device) {
  const SimDevice* owner = TheWorld().Owner(address);
  *device = owner == nullptr ? -1 : owner->index();
  return REGATTA_DEVICE_OK;
}

thread_local std::vector<regattaDeviceContext*> entered;

regattaDeviceResult Enter(regattaDeviceContext* context) {
  entered.push_back(context);
  return REGATTA_DEVICE_OK;
}
regattaDeviceResult Leave(regattaDeviceContext*) {
  if (entered.empty()) return Fail(REGATTA_DEVICE_INVALID_ARGUMENT, "no device was entered");
  entered.pop_back();
  return REGATTA_DEVICE_OK;
}

constexpr regattaDeviceApi kApi = {.version = REGATTA_DEVICE_ABI_VERSION,
                                   .size = sizeof(regattaDeviceApi),
                                   .kind = "sim",
                                   .last_error = LastError,
                                   .get_count = GetCount,
                                   .get_properties = GetProperties,
                                   .open = Open,
                                   .close = Close,
                                   .memory_info = MemoryInfo,
                                   .allocate = Allocate,
                                   .free = Free,
                                   .host_allocate = HostAllocate,
                                   .host_free = HostFree,
                                   .host_register = HostRegister,
                                   .host_unregister = HostUnregister,
                                   .copy = Copy,
                                   .copy_async = CopyAsync,
                                   .stream_create = StreamCreate,
                                   .stream_destroy = StreamDestroy,
                                   .stream_synchronize = StreamSynchronize,
                                   .stream_query = StreamQuery,
                                   .stream_wait_event = StreamWaitEvent,
                                   .event_create = EventCreate,
                                   .event_destroy = EventDestroy,
                                   .event_record = EventRecord,
                                   .event_query = EventQuery,
                                   .event_synchronize = EventSynchronize,
                                   .pointer_device = PointerDevice,
                                   .enter = Enter,
                                   .leave = Leave};

template <typename Number>
Status Read(const char* name, Number least, Number most, Number* into) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return Status();
  const char* end = text + std::strlen(text);
  Number value{};
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value < least || value > most) {
    return Status(Code::kInvalidArgument, std::string(name) + "=\"" + text +
                                              "\" is no number from " + std::to_string(least) +
                                              " to " + std::to_string(most));
  }
  *into = value;
  return Status();
}

}  // namespace

base::Result<SimOptions> SimOptionsFromEnvironment() {
  SimOptions options;
  std::int64_t mebibytes = static_cast<std::int64_t>(options.memory_bytes >> 20);
  std::int64_t latency = 0;
  BASE_RETURN_IF_ERROR(Read("REGATTA_SIM_DEVICES", 0, 64, &options.devices));
  BASE_RETURN_IF_ERROR(
      Read<std::int64_t>("REGATTA_SIM_MEMORY_MIB", 1, std::int64_t{1} << 20, &mebibytes));
  BASE_RETURN_IF_ERROR(Read<std::int64_t>("REGATTA_SIM_COPY_LATENCY_US", 0, 1'000'000, &latency));
  BASE_RETURN_IF_ERROR(Read("REGATTA_SIM_COPY_GBPS", 0.0, 1e6, &options.copy_gigabytes_per_second));
  options.memory_bytes = static_cast<std::size_t>(mebibytes) << 20;
  options.copy_latency = std::chrono::microseconds(latency);
  if (const char* fault = std::getenv("REGATTA_SIM_FAULT")) options.fault = fault;
  return options;
}

Status ConfigureSim(const SimOptions& options) { return TheWorld().Configure(options); }

const regattaDeviceApi* SimApi() { return &kApi; }

regattaDeviceContext* SimCurrent() { return entered.empty() ? nullptr : entered.back(); }

regattaDeviceResult SimEnqueue(regattaDeviceContext* context, regattaDeviceStream handle,
                               SimWork work) {
  SimDevice& device = *Of(context);
  if (const auto alive = device.Alive(); alive != REGATTA_DEVICE_OK) return alive;
  const auto stream = device.FindStream(handle);
  if (stream == nullptr) return NoStream();
  stream->Add(std::move(work));
  return REGATTA_DEVICE_OK;
}

std::byte* SimMemory(const void* address, std::size_t bytes) {
  const SimDevice* device = TheWorld().Owner(address);
  return device == nullptr ? nullptr : device->memory().Resolve(address, bytes);
}

}  // namespace regatta::device
