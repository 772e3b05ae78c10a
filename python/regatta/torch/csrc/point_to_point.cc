#include "point_to_point.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "tensors.h"

namespace regatta::c10d_eccl {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::uint32_t kMagic = 0x47534d45;
// Both ends have said that they come.
constexpr auto kMeetingPatience = 20s;
// How long the group's own watchman may take to say more than a broken connection does.
constexpr auto kReasonPatience = 1s;
constexpr auto kForever = std::chrono::milliseconds(std::numeric_limits<std::int32_t>::max());

std::exception_ptr ErrorOf(const std::string& text) {
  try {
    Fail(text);
  } catch (...) {
    return std::current_exception();
  }
}

std::string TextOf(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const c10::Error& failed) {
    return failed.what_without_backtrace();
  } catch (const std::exception& failed) {
    return failed.what();
  }
}

std::uint64_t BytesOf(const at::Tensor& tensor) {
  return static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
}

}  // namespace

PointToPoint::PointToPoint(c10::intrusive_ptr<Store> store, int rank, int size, CommOptions options,
                           std::function<std::string()> health)
    : store_(std::move(store)),
      rank_(rank),
      size_(size),
      options_(std::move(options)),
      health_(std::move(health)) {}

void PointToPoint::Send(c10::intrusive_ptr<EcclWork> work, at::Tensor tensor, int to, int tag) {
  Watch(work);
  const Lock lock(mutex_);
  Lane* lane = LaneOf(&out_, to, &PointToPoint::SendLoop);
  lane->waiting.push_back({std::move(work), std::move(tensor), to, tag});
  changed_.notify_all();
}

void PointToPoint::Receive(c10::intrusive_ptr<EcclWork> work, at::Tensor tensor, int from,
                           int tag) {
  Watch(work);
  Message message{std::move(work), std::move(tensor), from, tag};
  Kept kept;
  std::string failure;
  {
    const Lock lock(mutex_);
    if (!TakeKept(message, &kept)) {
      for (int peer = 0; peer < size_; ++peer) {
        if (peer == rank_ || (from >= 0 && peer != from)) continue;
        const Lane* lane = LaneOf(&in_, peer, &PointToPoint::ReceiveLoop);
        if (from >= 0) failure = lane->failure;
      }
      if (failure.empty()) {
        posted_.push_back(std::move(message));
        changed_.notify_all();
        return;
      }
    }
  }
  if (!failure.empty()) return message.work->Complete(ErrorOf(failure));
  Deliver(message, kept.envelope, kept.peer,
          [&](std::byte* to) { std::memcpy(to, kept.payload.data(), kept.payload.size()); });
}

void PointToPoint::Stop(std::chrono::milliseconds patience) {
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<Comm>> receiving, sending;
  {
    Lock lock(mutex_);
    changed_.wait_for(lock, patience, [this] {
      return std::all_of(out_.begin(), out_.end(), [](const auto& entry) {
        return entry.second->waiting.empty() && !entry.second->sending;
      });
    });
    stopping_ = true;
    for (const auto& [peer, lane] : in_) {
      if (lane->comm) receiving.push_back(lane->comm);
      threads.push_back(std::move(lane->thread));
    }
    for (const auto& [peer, lane] : out_) {
      // What could not be sent will not be; what was, is at the peer or in its ring.
      if (lane->comm && lane->sending) receiving.push_back(lane->comm);
      threads.push_back(std::move(lane->thread));
    }
  }
  changed_.notify_all();
  for (const auto& comm : receiving) comm->Abort();
  for (std::thread& thread : threads) {
    if (thread.joinable()) thread.join();
  }
  const Lock lock(mutex_);
  const auto ended = ErrorOf("rank " + std::to_string(rank_) + " has shut this process group down");
  for (const Message& message : posted_) message.work->Complete(ended);
  posted_.clear();
  in_.clear();
  out_.clear();
}

PointToPoint::Lane* PointToPoint::LaneOf(std::map<int, std::unique_ptr<Lane>>* lanes, int peer,
                                         void (PointToPoint::*loop)(Lane*)) {
  std::unique_ptr<Lane>& lane = (*lanes)[peer];
  if (lane == nullptr) {
    lane = std::make_unique<Lane>();
    lane->peer = peer;
    Lane* own = lane.get();
    lane->thread = std::thread([this, own, loop] {
      // The tensors are results, whatever autograd thinks of them.
      const at::AutoDispatchBelowADInplaceOrView guard;
      (this->*loop)(own);
    });
  }
  return lane.get();
}

void PointToPoint::Watch(const c10::intrusive_ptr<EcclWork>& work) {
  // A work may outlive the group.
  work->set_watch([weak = weak_from_this(), raw = work.get()] {
    if (const auto self = weak.lock()) self->Look(raw);
  });
}

void PointToPoint::Look(EcclWork* work) {
  std::string failure = health_();
  const bool late = Clock::now() >= work->deadline();
  if (failure.empty() && !late) return;
  Message message;
  {
    const Lock lock(mutex_);
    const auto is_it = [work](const Message& one) { return one.work.get() == work; };
    const auto posted = std::find_if(posted_.begin(), posted_.end(), is_it);
    if (posted != posted_.end()) {
      message = *posted;
      posted_.erase(posted);
    } else {
      for (const auto& [peer, lane] : out_) {
        const auto waiting = std::find_if(lane->waiting.begin(), lane->waiting.end(), is_it);
        if (waiting == lane->waiting.end()) continue;
        message = *waiting;
        lane->waiting.erase(waiting);
        break;
      }
    }
  }
  // Else it is on the wire, where libeccl has its own time-out.
  if (message.work == nullptr) return;
  const bool sends = work->retrieveOpType() == c10d::OpType::SEND;
  if (failure.empty()) {
    const std::string peer = message.peer < 0 ? "any rank" : Describe(store_.get(), message.peer);
    failure = std::string(sends ? "nothing could be sent to " : "nothing came from ") + peer +
              " within " + std::to_string(work->spec().timeout.count()) + " ms";
  }
  work->Complete(ErrorOf(std::string(sends ? "send" : "recv") + " with tag " +
                         std::to_string(message.tag) + " on rank " + std::to_string(rank_) + ": " +
                         failure));
}

std::string PointToPoint::Explain(const char* what, const Lane& lane,
                                  const std::string& why) const {
  const Deadline until = Clock::now() + kReasonPatience;
  std::string reason = health_();
  while (reason.empty() && Clock::now() < until) {
    Lock lock(mutex_);
    if (changed_.wait_for(lock, 10ms, [this] { return stopping_; })) break;
    lock.unlock();
    reason = health_();
  }
  if (reason.empty()) {
    // Ranks in the text of a connection are those of its two ends.
    const bool sends = what == std::string("send to");
    const std::string own = std::to_string(rank_), peer = std::to_string(lane.peer);
    reason = why + " (in this text rank 0 stands for rank " + (sends ? own : peer) +
             " and rank 1 for rank " + (sends ? peer : own) + ")";
  }
  return std::string(what) + " rank " + std::to_string(lane.peer) + " on rank " +
         std::to_string(rank_) + ": " + reason;
}

void PointToPoint::Connect(Lane* lane, bool sends, Deadline deadline) {
  const int from = sends ? rank_ : lane->peer;
  const int to = sends ? lane->peer : rank_;
  const std::string key = "p2p/" + std::to_string(from) + "-" + std::to_string(to);
  const auto interrupt = [&] {
    const std::string failure = health_();
    if (!failure.empty()) Fail(failure);
    const Lock lock(mutex_);
    if (stopping_) Fail("the process group was shut down");
    if (!sends && !Wanted(lane->peer)) Fail("");
  };
  CommOptions options = options_;
  options.timeout = std::min<std::chrono::milliseconds>(options.timeout, kMeetingPatience);
  std::shared_ptr<Comm> comm;
  if (sends) {
    if (!lane->published) {
      lane->id = MakeUniqueId(options);
      Publish(store_.get(), key, {lane->id.internal, sizeof(lane->id.internal)});
      lane->published = true;
    }
    if (!WaitForKey(store_.get(), key + "/ready", deadline, interrupt)) {
      Fail(Describe(store_.get(), to) + " has not called recv within " +
           std::to_string(options_.timeout.count()) + " ms");
    }
    comm = std::make_shared<Comm>(0, 2, lane->id, options);
  } else {
    WaitForKey(store_.get(), key, Deadline::max(), interrupt);
    const std::vector<std::uint8_t> bytes = store_->get(key);
    if (bytes.size() != sizeof(lane->id.internal)) Fail("the store holds no id under " + key);
    std::memcpy(lane->id.internal, bytes.data(), bytes.size());
    Publish(store_.get(), key + "/ready", "yes");
    comm = std::make_shared<Comm>(1, 2, lane->id, options);
  }
  comm->SetTimeout(options_.timeout);
  const Lock lock(mutex_);
  if (stopping_) Fail("the process group was shut down");
  lane->comm = std::move(comm);
}

void PointToPoint::SendLoop(Lane* lane) {
  Lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !lane->waiting.empty(); });
    if (lane->waiting.empty()) return;
    const bool connected = lane->comm != nullptr;
    Message message = lane->waiting.front();
    std::exception_ptr error;
    if (stopping_) {
      lane->waiting.pop_front();
      error = ErrorOf("the process group was shut down before this was sent");
      lock.unlock();
    } else if (!connected && lane->failure.empty()) {
      // Until there is a connection the message can still be withdrawn.
      lock.unlock();
      std::string failure;
      try {
        Connect(lane, true, message.work->deadline());
      } catch (...) {
        failure = TextOf(std::current_exception());
      }
      lock.lock();
      if (lane->comm != nullptr || lane->waiting.empty() ||
          lane->waiting.front().work != message.work) {
        continue;
      }
      lane->waiting.pop_front();
      lock.unlock();
      error = ErrorOf("send with tag " + std::to_string(message.tag) + " to rank " +
                      std::to_string(lane->peer) + " on rank " + std::to_string(rank_) + ": " +
                      failure);
    } else {
      lane->waiting.pop_front();
      const std::string failure = lane->failure;
      lane->sending = true;
      lock.unlock();
      if (!failure.empty()) {
        error = ErrorOf(failure);
      } else {
        try {
          Transmit(lane, message);
        } catch (...) {
          const std::string text = Explain("send to", *lane, TextOf(std::current_exception()));
          error = ErrorOf(text);
          const Lock again(mutex_);
          lane->failure = text;
        }
      }
    }
    message.work->Complete(error);
    message = {};
    lock.lock();
    lane->sending = false;
    changed_.notify_all();
  }
}

void PointToPoint::Transmit(Lane* lane, const Message& message) {
  const Comm& comm = *lane->comm;
  Packed packed({message.tensor});
  packed.Open(true);
  const Envelope envelope{kMagic, message.tag, BytesOf(message.tensor),
                          static_cast<std::int64_t>(message.tensor.scalar_type())};
  comm.Check(Eccl().Send(&envelope, sizeof(envelope), ecclUint8, 1, comm.handle()));
  if (envelope.bytes == 0) return;
  comm.Check(Eccl().Send(packed.data(), envelope.bytes, ecclUint8, 1, comm.handle()));
}

void PointToPoint::ReceiveLoop(Lane* lane) {
  while (true) {
    {
      Lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || Wanted(lane->peer); });
      if (stopping_) return;
    }
    try {
      if (lane->comm == nullptr) Connect(lane, false, Deadline::max());
      ReceiveOne(lane);
    } catch (...) {
      const std::string why = TextOf(std::current_exception());
      if (why.empty()) continue;  // nobody wants anything from this peer any more
      const std::string text = Explain("recv from", *lane, why);
      {
        const Lock lock(mutex_);
        lane->failure = text;
        if (stopping_) return;
      }
      return FailReceives(*lane);
    }
  }
}

void PointToPoint::ReceiveOne(Lane* lane) {
  Comm& comm = *lane->comm;
  const auto read = [&comm](void* to, std::size_t bytes) {
    if (bytes > 0) comm.Check(Eccl().Recv(to, bytes, ecclUint8, 0, comm.handle()));
  };
  // A message may be long in coming; receives look at the time themselves.
  comm.SetTimeout(kForever);
  Envelope envelope{};
  read(&envelope, sizeof(envelope));
  comm.SetTimeout(options_.timeout);
  if (envelope.magic != kMagic) Fail("what came is no message of this back end");
  Message message;
  bool wanted = false;
  {
    const Lock lock(mutex_);
    wanted = Take(lane->peer, envelope.tag, &message);
  }
  if (wanted) {
    try {
      Deliver(message, envelope, lane->peer, [&](std::byte* to) { read(to, envelope.bytes); });
    } catch (...) {
      const std::string text = Explain("recv from", *lane, TextOf(std::current_exception()));
      message.work->Complete(ErrorOf(text));
      throw;
    }
    return;
  }
  Kept kept{lane->peer, envelope, std::vector<std::byte>(envelope.bytes)};
  read(kept.payload.data(), kept.payload.size());
  {
    // A receive that was posted meanwhile has been looking only at what was kept then.
    const Lock lock(mutex_);
    wanted = Take(lane->peer, envelope.tag, &message);
    if (!wanted) kept_.push_back(std::move(kept));
  }
  if (wanted) {
    Deliver(message, envelope, lane->peer,
            [&](std::byte* to) { std::memcpy(to, kept.payload.data(), kept.payload.size()); });
  }
}

void PointToPoint::Deliver(const Message& message, const Envelope& envelope, int from,
                           const std::function<void(std::byte*)>& read) {
  const at::Tensor& tensor = message.tensor;
  const auto type = static_cast<at::ScalarType>(envelope.type);
  if (type != tensor.scalar_type() || envelope.bytes != BytesOf(tensor)) {
    std::vector<std::byte> unread(envelope.bytes);
    read(unread.data());
    const auto show = [](at::ScalarType kind, std::uint64_t bytes) {
      return std::to_string(bytes / c10::elementSize(kind)) + " elements of " + c10::toString(kind);
    };
    return message.work->Complete(ErrorOf("recv with tag " + std::to_string(message.tag) +
                                          ": rank " + std::to_string(from) + " sent " +
                                          show(type, envelope.bytes) + "; the tensor here has " +
                                          show(tensor.scalar_type(), BytesOf(tensor))));
  }
  Packed packed({tensor});
  packed.Open(false);
  read(packed.data());
  packed.Store();
  message.work->set_source(from);
  message.work->Complete(nullptr);
}

void PointToPoint::FailReceives(const Lane& lane) {
  const bool all = !health_().empty();
  std::vector<Message> failed;
  std::string text;
  {
    const Lock lock(mutex_);
    text = lane.failure;
    for (auto it = posted_.begin(); it != posted_.end();) {
      if (it->peer == lane.peer || (it->peer < 0 && all)) {
        failed.push_back(std::move(*it));
        it = posted_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const Message& message : failed) message.work->Complete(ErrorOf(text));
}

bool PointToPoint::Wanted(int peer) const {
  return std::any_of(posted_.begin(), posted_.end(), [peer](const Message& message) {
    return message.peer == peer || message.peer < 0;
  });
}

bool PointToPoint::Take(int peer, int tag, Message* message) {
  const auto found = std::find_if(posted_.begin(), posted_.end(), [&](const Message& one) {
    return one.tag == tag && (one.peer == peer || one.peer < 0);
  });
  if (found == posted_.end()) return false;
  *message = std::move(*found);
  posted_.erase(found);
  return true;
}

bool PointToPoint::TakeKept(const Message& message, Kept* kept) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) {
    return one.envelope.tag == message.tag && (message.peer < 0 || message.peer == one.peer);
  });
  if (found == kept_.end()) return false;
  *kept = std::move(*found);
  kept_.erase(found);
  return true;
}

}  // namespace regatta::c10d_eccl
