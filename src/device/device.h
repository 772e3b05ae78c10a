#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "regatta/device.h"

namespace regatta::device {

class Device;

// A stream, event, piece of device memory or of pinned host memory. Movable; empty when moved from.
// Each keeps its device open.
class Stream {
 public:
  Stream() = default;
  ~Stream();
  Stream(Stream&& other) noexcept { *this = std::move(other); }
  Stream& operator=(Stream&& other) noexcept;
  regattaDeviceStream get() const { return handle_; }

 private:
  friend class Device;
  std::shared_ptr<const Device> device_;
  regattaDeviceStream handle_ = nullptr;
};

class Event {
 public:
  Event() = default;
  ~Event();
  Event(Event&& other) noexcept { *this = std::move(other); }
  Event& operator=(Event&& other) noexcept;
  regattaDeviceEvent get() const { return handle_; }

 private:
  friend class Device;
  std::shared_ptr<const Device> device_;
  regattaDeviceEvent handle_ = nullptr;
};

class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept;
  // Of device memory not to be read or written by the host.
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  friend class Device;
  std::shared_ptr<const Device> device_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool on_host_ = false;
};

// One device of one kind, open. Thread-safe. Errors name the device and what was tried; kInternal
// stands for what the kind's own text has to explain, kDataLoss for a device that is lost.
class Device : public std::enable_shared_from_this<Device> {
 public:
  // "cuda:0". kInvalidArgument: no such name or number; kNotFound: no such kind; kUnavailable: no
  // driver or hardware.
  static base::Result<std::shared_ptr<const Device>> Open(const std::string& name);
  static base::Result<std::shared_ptr<const Device>> Open(const regattaDeviceApi* api, int index);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const std::string& name() const { return name_; }
  std::string kind() const { return api_->kind; }
  int index() const { return index_; }
  const regattaDeviceProperties& properties() const { return properties_; }
  const regattaDeviceApi& api() const { return *api_; }
  regattaDeviceContext* context() const { return context_; }

  struct Memory {
    std::uint64_t free_bytes = 0;
    std::uint64_t total_bytes = 0;
  };
  base::Result<Memory> MemoryInfo() const;
  // `bytes` is at least 1.
  base::Result<Buffer> Allocate(std::size_t bytes) const;
  base::Result<Buffer> AllocateOnHost(std::size_t bytes) const;
  base::Result<Stream> MakeStream() const;
  base::Result<Event> MakeEvent() const;

  base::Status Copy(void* to, const void* from, std::size_t bytes,
                    regattaDeviceCopy direction) const;
  base::Status Copy(void* to, const void* from, std::size_t bytes, regattaDeviceCopy direction,
                    regattaDeviceStream stream) const;
  base::Status Record(const Event& event, regattaDeviceStream stream) const;
  base::Status Wait(regattaDeviceStream stream, const Event& event) const;
  // Whether what was recorded is over; its failure, when it failed.
  base::Result<bool> IsOver(const Event& event) const;
  // Whether everything is that was given to the stream.
  base::Result<bool> IsOver(regattaDeviceStream stream) const;
  base::Status Synchronize(regattaDeviceStream stream) const;
  // The number of the device of this kind that holds the memory; -1: none.
  base::Result<int> DeviceOf(const void* address) const;

  // While it lives, this is the calling thread's current device for libraries of its vendor.
  class Current {
   public:
    explicit Current(const Device& device) : device_(device) {
      device_.api().enter(device_.context());
    }
    ~Current() { device_.api().leave(device_.context()); }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    const Device& device_;
  };

  // Of a result that is not OK: "sim:0: <what>: <the kind's text>".
  base::Status Failed(regattaDeviceResult result, const std::string& what) const;

 private:
  Device(const regattaDeviceApi* api, int index);

  const regattaDeviceApi* api_;
  int index_;
  std::string name_;
  regattaDeviceContext* context_ = nullptr;
  regattaDeviceProperties properties_{};
};

}  // namespace regatta::device
