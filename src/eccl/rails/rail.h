#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "eccl/rails/window.h"
#include "eccl/wire.h"

namespace regatta::eccl {

// What comes before the bytes of each frame on a rail (docs/formats/eccl-rails.md).
struct RailHeader {
  static constexpr std::size_t kBytes = 16;
  static constexpr std::uint32_t kMaxLength = 1u << 20;
  std::uint32_t length = 0;
  std::uint64_t offset = 0;  // of the first byte in the stream

  void Encode(std::byte* to) const;
  // False when it is none.
  static bool Decode(const std::byte* from, RailHeader* header);
};

// One connection of a channel that has several, with what is known of it. RailChannel decides what
// goes over it. Not thread-safe, but for the counters.
class Rail {
 public:
  // `interface`: this host's, for people.
  Rail(base::UniqueFd socket, std::string interface);

  int fd() const { return socket_.get(); }
  const std::string& interface() const { return interface_; }
  const std::string& name() const { return name_; }  // "eth0 10.0.0.1 - 10.0.0.2"

  // --- sending ---
  bool can_send() const { return can_send_; }
  // A frame is begun and not all of it taken by the kernel.
  bool writing() const { return written_ < begun_; }
  std::uint64_t unwritten() const { return begun_ - written_; }
  // Bytes that were begun and that the peer's host has not said to have.
  std::uint64_t outstanding() const { return begun_ - acknowledged_; }
  void Begin(std::uint64_t frame, const RailHeader& header);
  // As much of the frame as the kernel takes; true when that was something.
  base::Result<bool> Write(Window* window);
  // Looks at what the peer's host has, and measures. Calls `arrived(frame)` for each frame.
  template <typename Arrived>
  void Refresh(Clock::time_point now, Arrived arrived) {
    Measure(now);
    while (!frames_.empty() && frames_.front().end <= acknowledged_) {
      const std::uint64_t frame = frames_.front().number;
      frames_.pop_front();
      arrived(frame);
    }
  }
  struct Flying {
    std::uint64_t number;
    std::uint64_t end;  // in bytes of this connection
  };
  const std::deque<Flying>& flying() const { return frames_; }
  // bytes/s; 0: not known.
  double rate() const { return rate_.load(std::memory_order_relaxed); }
  // When rate() was last looked at.
  Clock::time_point measured() const { return measured_; }
  // When it has been without an answer since `since`, while bytes are under way; the kernel says
  // so.
  bool Silent(Clock::time_point now, Clock::duration patience) const;
  bool stalled() const { return stalled_; }
  void SetStalled(Clock::time_point now);
  Clock::time_point stalled_since() const { return stalled_since_; }
  void StopSending(const base::Status& why);

  // --- receiving ---
  bool can_receive() const { return can_receive_; }
  void StopReceiving(const base::Status& why);
  // Reads into these places and, when they are filled to the end of the frame, on into the next
  // header. How many bytes came into the places.
  base::Result<std::size_t> Read(std::span<const iovec> places, bool to_the_end);
  // The frame that is arriving: its first byte and length, and how many bytes have come. Without
  // one, header_missing() is not 0.
  std::size_t header_missing() const { return RailHeader::kBytes - header_got_; }
  const RailHeader& frame() const { return frame_; }
  std::uint64_t position() const { return frame_.offset + got_; }
  std::uint64_t frame_end() const { return frame_.offset + frame_.length; }
  bool frame_over() const { return header_missing() == 0 && got_ == frame_.length; }
  void NextFrame();

  std::uint64_t sent_bytes() const { return sent_bytes_.load(std::memory_order_relaxed); }
  std::uint64_t received_bytes() const { return received_bytes_.load(std::memory_order_relaxed); }
  const std::string& why_down() const { return why_; }

 private:
  void Measure(Clock::time_point now);
  base::Status TakeHeader(std::size_t bytes);

  base::UniqueFd socket_;
  std::string interface_, name_, why_;
  bool can_send_ = true, can_receive_ = true;

  std::array<std::byte, RailHeader::kBytes> header_out_{};
  RailHeader out_;  // of the frame that is written
  // Counts of this connection's bytes, headers included.
  std::uint64_t begun_ = 0, written_ = 0, acknowledged_ = 0;
  std::deque<Flying> frames_;
  bool stalled_ = false;
  Clock::time_point stalled_since_{}, last_progress_{};
  // Of the measurement in progress: since when bytes have been under way all the time.
  Clock::time_point sample_since_{}, measured_{};
  std::uint64_t sample_from_ = 0;
  std::atomic<double> rate_{0};

  std::array<std::byte, RailHeader::kBytes> header_in_{};
  std::size_t header_got_ = 0;
  // Of the header after the frame that is arriving, which may come before the frame was looked at.
  std::size_t next_got_ = 0;
  RailHeader frame_;
  std::uint64_t got_ = 0;
  std::atomic<std::uint64_t> sent_bytes_{0}, received_bytes_{0};
};

}  // namespace regatta::eccl
