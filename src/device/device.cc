#include "device/device.h"

#include <charconv>

#include "device/kinds.h"

namespace regatta::device {
namespace {

using base::Code;
using base::Status;

Code CodeOf(regattaDeviceResult result) {
  switch (result) {
    case REGATTA_DEVICE_OK:
      return Code::kOk;
    case REGATTA_DEVICE_INVALID_ARGUMENT:
      return Code::kInvalidArgument;
    case REGATTA_DEVICE_OUT_OF_MEMORY:
      return Code::kResourceExhausted;
    case REGATTA_DEVICE_LOST:
      return Code::kDataLoss;
    case REGATTA_DEVICE_UNAVAILABLE:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

const char* NameOf(regattaDeviceCopy direction) {
  switch (direction) {
    case regattaCopyHostToDevice:
      return " bytes to the device";
    case regattaCopyDeviceToHost:
      return " bytes to the host";
    case regattaCopyDeviceToDevice:
      return " bytes within the device";
  }
  return " bytes";
}

}  // namespace

Stream::~Stream() {
  if (device_ != nullptr) device_->api().stream_destroy(device_->context(), handle_);
}
Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(handle_, other.handle_);
  return *this;
}

Event::~Event() {
  if (device_ != nullptr) device_->api().event_destroy(device_->context(), handle_);
}
Event& Event::operator=(Event&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(handle_, other.handle_);
  return *this;
}

Buffer::~Buffer() {
  if (device_ == nullptr) return;
  const regattaDeviceApi& api = device_->api();
  (on_host_ ? api.host_free : api.free)(device_->context(), data_);
}
Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(on_host_, other.on_host_);
  return *this;
}

Device::Device(const regattaDeviceApi* api, int index)
    : api_(api), index_(index), name_(std::string(api->kind) + ":" + std::to_string(index)) {}

Device::~Device() {
  if (context_ != nullptr) api_->close(context_);
}

base::Result<std::shared_ptr<const Device>> Device::Open(const std::string& name) {
  const auto colon = name.find(':');
  int index = -1;
  const char* end = name.data() + name.size();
  const bool numbered = colon != std::string::npos && colon > 0 &&
                        std::from_chars(name.data() + colon + 1, end, index).ptr == end &&
                        index >= 0;
  if (!numbered) {
    return Status(Code::kInvalidArgument, "\"" + name +
                                              "\" is no device; a device is kind and number, like "
                                              "cuda:0");
  }
  BASE_ASSIGN_OR_RETURN(const regattaDeviceApi* api, FindKind(name.substr(0, colon)));
  return Open(api, index);
}

base::Result<std::shared_ptr<const Device>> Device::Open(const regattaDeviceApi* api, int index) {
  std::shared_ptr<Device> device(new Device(api, index));
  int count = 0;
  if (const auto result = api->get_count(&count); result != REGATTA_DEVICE_OK) {
    return device->Failed(result, "cannot be used");
  }
  if (index < 0 || index >= count) {
    return Status(Code::kInvalidArgument,
                  device->name_ + " does not exist: this process sees " + std::to_string(count) +
                      (count == 1 ? " device" : " devices") + " of kind " + api->kind);
  }
  device->properties_.size = sizeof(device->properties_);
  if (const auto result = api->get_properties(index, &device->properties_);
      result != REGATTA_DEVICE_OK) {
    return device->Failed(result, "cannot be asked what it is");
  }
  if (const auto result = api->open(index, &device->context_); result != REGATTA_DEVICE_OK) {
    device->context_ = nullptr;
    return device->Failed(result, "cannot be opened");
  }
  return std::shared_ptr<const Device>(std::move(device));
}

Status Device::Failed(regattaDeviceResult result, const std::string& what) const {
  const char* text = api_->last_error();
  return Status(CodeOf(result), name_ + ": " + what + ": " + (text != nullptr ? text : ""));
}

base::Result<Device::Memory> Device::MemoryInfo() const {
  Memory memory;
  const auto result = api_->memory_info(context_, &memory.free_bytes, &memory.total_bytes);
  if (result != REGATTA_DEVICE_OK) return Failed(result, "cannot tell its free memory");
  return memory;
}

base::Result<Buffer> Device::Allocate(std::size_t bytes) const {
  void* address = nullptr;
  const auto result = api_->allocate(context_, bytes, &address);
  if (result != REGATTA_DEVICE_OK) {
    return Failed(result, "cannot allocate " + std::to_string(bytes) + " bytes");
  }
  Buffer buffer;
  buffer.device_ = shared_from_this();
  buffer.data_ = static_cast<std::byte*>(address);
  buffer.size_ = bytes;
  return buffer;
}

base::Result<Buffer> Device::AllocateOnHost(std::size_t bytes) const {
  void* address = nullptr;
  const auto result = api_->host_allocate(context_, bytes, &address);
  if (result != REGATTA_DEVICE_OK) {
    return Failed(result, "cannot pin " + std::to_string(bytes) + " bytes of host memory");
  }
  Buffer buffer;
  buffer.device_ = shared_from_this();
  buffer.data_ = static_cast<std::byte*>(address);
  buffer.size_ = bytes;
  buffer.on_host_ = true;
  return buffer;
}

base::Result<Stream> Device::MakeStream() const {
  Stream stream;
  const auto result = api_->stream_create(context_, &stream.handle_);
  if (result != REGATTA_DEVICE_OK) return Failed(result, "cannot make a stream");
  stream.device_ = shared_from_this();
  return stream;
}

base::Result<Event> Device::MakeEvent() const {
  Event event;
  const auto result = api_->event_create(context_, &event.handle_);
  if (result != REGATTA_DEVICE_OK) return Failed(result, "cannot make an event");
  event.device_ = shared_from_this();
  return event;
}

Status Device::Copy(void* to, const void* from, std::size_t bytes,
                    regattaDeviceCopy direction) const {
  if (bytes == 0) return Status();
  const auto result = api_->copy(context_, to, from, bytes, direction);
  if (result == REGATTA_DEVICE_OK) return Status();
  return Failed(result, "cannot copy " + std::to_string(bytes) + NameOf(direction));
}

Status Device::Copy(void* to, const void* from, std::size_t bytes, regattaDeviceCopy direction,
                    regattaDeviceStream stream) const {
  if (bytes == 0) return Status();
  const auto result = api_->copy_async(context_, to, from, bytes, direction, stream);
  if (result == REGATTA_DEVICE_OK) return Status();
  return Failed(result, "cannot copy " + std::to_string(bytes) + NameOf(direction));
}

Status Device::Record(const Event& event, regattaDeviceStream stream) const {
  const auto result = api_->event_record(context_, event.get(), stream);
  return result == REGATTA_DEVICE_OK ? Status() : Failed(result, "cannot record an event");
}

Status Device::Wait(regattaDeviceStream stream, const Event& event) const {
  const auto result = api_->stream_wait_event(context_, stream, event.get());
  return result == REGATTA_DEVICE_OK ? Status()
                                     : Failed(result, "cannot make a stream wait for an event");
}

base::Result<bool> Device::IsOver(const Event& event) const {
  const auto result = api_->event_query(context_, event.get());
  if (result == REGATTA_DEVICE_OK) return true;
  if (result == REGATTA_DEVICE_NOT_READY) return false;
  return Failed(result, "work on a stream failed");
}

base::Result<bool> Device::IsOver(regattaDeviceStream stream) const {
  const auto result = api_->stream_query(context_, stream);
  if (result == REGATTA_DEVICE_OK) return true;
  if (result == REGATTA_DEVICE_NOT_READY) return false;
  return Failed(result, "work on a stream failed");
}

Status Device::Synchronize(regattaDeviceStream stream) const {
  const auto result = api_->stream_synchronize(context_, stream);
  return result == REGATTA_DEVICE_OK ? Status() : Failed(result, "work on a stream failed");
}

base::Result<int> Device::DeviceOf(const void* address) const {
  int device = -1;
  const auto result = api_->pointer_device(address, &device);
  if (result != REGATTA_DEVICE_OK) return Failed(result, "cannot tell whose an address is");
  return device;
}

}  // namespace regatta::device
