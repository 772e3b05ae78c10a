#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm.h"
#include "meeting.h"
#include "queue.h"

namespace regatta::c10d_eccl {

// Messages between two ranks of a group, with tags. libeccl's own are in order and have none, and
// its calls block; c10d's may be posted in any order on either side. So each direction between two
// ranks that talk has a communicator of its own (made at the first message, through the store), a
// thread that sends on one end and a thread that receives on the other. A message comes behind an
// envelope with its tag; one that nobody has asked for yet is kept until somebody does.
//
// Messages of one direction and one tag arrive in the order in which they were sent. A receive
// fails when nothing came for its time-out, and the group goes on.
class PointToPoint : public std::enable_shared_from_this<PointToPoint> {
 public:
  // `health` tells why the group has failed; empty while it has not.
  PointToPoint(c10::intrusive_ptr<Store> store, int rank, int size, CommOptions options,
               std::function<std::string()> health);

  // Neither blocks. `from` is -1 for any rank.
  void Send(c10::intrusive_ptr<EcclWork> work, at::Tensor tensor, int to, int tag);
  void Receive(c10::intrusive_ptr<EcclWork> work, at::Tensor tensor, int from, int tag);
  // Waits up to `patience` for what is being sent, then ends everything.
  void Stop(std::chrono::milliseconds patience);

 private:
  struct Message {
    c10::intrusive_ptr<EcclWork> work;
    at::Tensor tensor;
    int peer;
    int tag;
  };
  struct Envelope {
    std::uint32_t magic;
    std::int32_t tag;
    std::uint64_t bytes;
    std::int64_t type;
  };
  struct Kept {
    int peer;
    Envelope envelope;
    std::vector<std::byte> payload;
  };
  // One direction to or from one peer.
  struct Lane {
    int peer = 0;
    std::deque<Message> waiting;  // to be sent
    bool sending = false;
    std::shared_ptr<Comm> comm;
    ecclUniqueId id{};
    bool published = false;
    std::string failure;
    std::thread thread;
  };
  using Lock = std::unique_lock<std::mutex>;

  void SendLoop(Lane* lane);
  void ReceiveLoop(Lane* lane);
  void Connect(Lane* lane, bool sends, Deadline deadline);
  void Transmit(Lane* lane, const Message& message);
  void ReceiveOne(Lane* lane);
  void FailReceives(const Lane& lane);
  bool Wanted(int peer) const;
  bool Take(int peer, int tag, Message* message);
  bool TakeKept(const Message& message, Kept* kept);
  void Look(EcclWork* work);
  void Watch(const c10::intrusive_ptr<EcclWork>& work);
  Lane* LaneOf(std::map<int, std::unique_ptr<Lane>>* lanes, int peer,
               void (PointToPoint::*loop)(Lane*));
  std::string Explain(const char* what, const Lane& lane, const std::string& why) const;
  static void Deliver(const Message& message, const Envelope& envelope, int from,
                      const std::function<void(std::byte*)>& read);

  const c10::intrusive_ptr<Store> store_;
  const int rank_;
  const int size_;
  const CommOptions options_;
  const std::function<std::string()> health_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<int, std::unique_ptr<Lane>> out_;
  std::map<int, std::unique_ptr<Lane>> in_;
  std::deque<Message> posted_;  // receives that have not been matched
  std::deque<Kept> kept_;       // messages that have not been matched
  bool stopping_ = false;
};

}  // namespace regatta::c10d_eccl
