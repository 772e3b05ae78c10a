#include "eccl/simulator.h"

#include <deque>
#include <vector>

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// A set of (rank, part) shares, as the sum of their hashes: a share that is there twice or not at
// all gives another sum.
struct Value {
  std::uint64_t sum = 0;
  std::int64_t shares = 0;
  int divided = 0;
  bool operator==(const Value&) const = default;
};

std::uint64_t Mix(std::uint64_t x) {  // splitmix64's finaliser
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

Value Share(int rank, int part) {
  return {Mix(static_cast<std::uint64_t>(rank) << 32 | static_cast<std::uint32_t>(part)), 1, 0};
}

class Simulation {
 public:
  Simulation(OpKind kind, int root, const std::vector<Program>& programs)
      : kind_(kind), root_(root), programs_(programs), size_(static_cast<int>(programs.size())) {
    for (const Program& program : programs) {
      Rank rank{.order = OrderOf(program)};
      rank.states.resize(program.steps.size());
      rank.inputs = program.parts;
      for (int part = 0; part < program.parts; ++part) {
        rank.memory.push_back(Share(static_cast<int>(ranks_.size()), part));
      }
      rank.memory.resize(at(2 * program.parts + program.scratch_parts));
      rank.receiving = Ports(rank.order.receives);
      rank.sending = Ports(rank.order.sends);
      ranks_.push_back(std::move(rank));
    }
  }

  Status Run() {
    BASE_RETURN_IF_ERROR(MatchPorts());
    for (int rank = 0; rank < size_; ++rank) {
      for (std::size_t i = 0; i < programs_[at(rank)].steps.size(); ++i) Look(rank, int(i));
    }
    while (!work_.empty()) {
      const auto [rank, step] = work_.front();
      work_.pop_front();
      Advance(rank, step);
    }
    for (int rank = 0; rank < size_; ++rank) {
      BASE_RETURN_IF_ERROR(CheckDone(rank));
      BASE_RETURN_IF_ERROR(CheckResult(rank));
    }
    return Status();
  }

 private:
  struct State {
    bool stored = false, sent = false;
  };
  struct Port {
    const std::vector<int>* steps = nullptr;
    std::size_t over = 0;
  };
  struct Rank {
    Order order;
    std::vector<State> states;
    std::vector<Value> memory;  // input, output, scratch
    int inputs = 0;
    std::vector<Port> receiving, sending;      // by peer
    std::vector<std::vector<int>> dependents;  // by step
  };
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  std::vector<Port> Ports(const std::vector<Order::Port>& ports) const {
    std::vector<Port> by_peer(at(size_));
    for (const Order::Port& port : ports) {
      if (port.peer >= 0 && port.peer < size_) by_peer[at(port.peer)].steps = &port.steps;
    }
    return by_peer;
  }

  const Step& StepOf(int rank, int step) const { return programs_[at(rank)].steps[at(step)]; }
  Value& MemoryOf(int rank, const Slice& slice) {
    Rank& r = ranks_[at(rank)];
    const int base = slice.place == Place::kInput    ? 0
                     : slice.place == Place::kOutput ? r.inputs
                                                     : 2 * r.inputs;
    return r.memory[at(base + slice.part)];
  }

  Status Wrong(int rank, int step, const std::string& what) const {
    return Status(Code::kInternal, std::string(programs_[at(rank)].algorithm) + ": rank " +
                                       std::to_string(rank) + ", step " + std::to_string(step) +
                                       ": " + what);
  }

  Status MatchPorts() {
    for (int rank = 0; rank < size_; ++rank) {
      Rank& r = ranks_[at(rank)];
      r.dependents.resize(r.states.size());
      for (std::size_t i = 0; i < r.states.size(); ++i) {
        for (const auto* list : {&r.order.after_stored[i], &r.order.after_done[i]}) {
          for (const int before : *list) r.dependents[at(before)].push_back(int(i));
        }
      }
      for (const Order::Port& port : r.order.sends) {
        if (port.peer < 0 || port.peer >= size_ || port.peer == rank) {
          return Wrong(rank, port.steps[0], "sends to rank " + std::to_string(port.peer));
        }
        const auto* other = ranks_[at(port.peer)].receiving[at(rank)].steps;
        if (other == nullptr || other->size() != port.steps.size()) {
          return Wrong(rank, port.steps[0],
                       "rank " + std::to_string(port.peer) + " does not receive as often");
        }
      }
      for (const Order::Port& port : r.order.receives) {
        if (port.peer < 0 || port.peer >= size_ ||
            ranks_[at(port.peer)].sending[at(rank)].steps == nullptr) {
          return Wrong(rank, port.steps[0], "nobody sends");
        }
      }
    }
    return Status();
  }

  bool Free(int rank, int step) const {
    const Rank& r = ranks_[at(rank)];
    for (const int before : r.order.after_stored[at(step)]) {
      if (!r.states[at(before)].stored) return false;
    }
    for (const int before : r.order.after_done[at(step)]) {
      if (!Done(rank, before)) return false;
    }
    return true;
  }

  bool Done(int rank, int step) const {
    const State& state = ranks_[at(rank)].states[at(step)];
    const Step& s = StepOf(rank, step);
    return (s.target.place == Place::kNone || state.stored) && (s.send_to < 0 || state.sent);
  }

  void Look(int rank, int step) { work_.emplace_back(rank, step); }

  // Does what can be done of the step, and looks again at whatever that may set free.
  void Advance(int rank, int step) {
    Rank& r = ranks_[at(rank)];
    State& state = r.states[at(step)];
    const Step& s = StepOf(rank, step);
    if (Done(rank, step) || !Free(rank, step)) return;
    if (s.receive_from < 0 && s.target.place != Place::kNone && !state.stored) {
      Store(rank, step, MemoryOf(rank, s.source));
    }
    if (s.receive_from >= 0 && !state.stored) TryTransfer(s.receive_from, rank);
    if (s.send_to >= 0 && !state.sent) TryTransfer(rank, s.send_to);
  }

  void Store(int rank, int step, Value value) {
    Rank& r = ranks_[at(rank)];
    const Step& s = StepOf(rank, step);
    if (s.last) ++value.divided;
    MemoryOf(rank, s.target) = value;
    r.states[at(step)].stored = true;
    for (const int next : r.dependents[at(step)]) Look(rank, next);
    if (s.send_to >= 0) Look(rank, step);
  }

  // The next message from one rank to another, when both are at it.
  void TryTransfer(int from, int to) {
    Rank& sender = ranks_[at(from)];
    Rank& receiver = ranks_[at(to)];
    Port& out = sender.sending[at(to)];
    Port& in = receiver.receiving[at(from)];
    if (out.over >= out.steps->size() || in.over >= in.steps->size()) return;
    const int give = (*out.steps)[out.over], take = (*in.steps)[in.over];
    const Step& g = StepOf(from, give);
    const Step& t = StepOf(to, take);
    if (!Free(from, give) || !Free(to, take)) return;
    const bool kept = g.target.place != Place::kNone;
    if (kept && !sender.states[at(give)].stored) return;
    Value value = MemoryOf(from, kept ? g.target : g.source);
    if (t.combine) {
      const Value own = MemoryOf(to, t.source);
      value.sum += own.sum;
      value.shares += own.shares;
      value.divided += own.divided;
    }
    ++out.over;
    ++in.over;
    sender.states[at(give)].sent = true;
    for (const int next : sender.dependents[at(give)]) Look(from, next);
    Store(to, take, value);
    if (out.over < out.steps->size()) Look(from, (*out.steps)[out.over]);
    if (in.over < in.steps->size()) Look(to, (*in.steps)[in.over]);
  }

  Status CheckDone(int rank) const {
    for (std::size_t i = 0; i < ranks_[at(rank)].states.size(); ++i) {
      if (!Done(rank, int(i))) return Wrong(rank, int(i), "waits for ever");
    }
    return Status();
  }

  // The combination of all ranks' shares of a part.
  Value Everyones(int part) {
    while (everyones_.size() <= at(part)) {
      Value value{.divided = size_ > 1 ? 1 : 0};
      for (int rank = 0; rank < size_; ++rank) {
        value.sum += Share(rank, static_cast<int>(everyones_.size())).sum;
        ++value.shares;
      }
      everyones_.push_back(value);
    }
    return everyones_[at(part)];
  }

  Status CheckResult(int rank) {
    const Program& program = programs_[at(rank)];
    for (int part = 0; part < program.parts; ++part) {
      Value expected;
      int own = -1;  // whose input it is; -1: everyone's, combined
      bool has = true;
      switch (kind_) {
        case OpKind::kBarrier:
          has = false;
          break;
        case OpKind::kAllReduce:
          break;
        case OpKind::kReduce:
          has = rank == root_;
          break;
        case OpKind::kReduceScatter:
          has = part == rank;
          break;
        case OpKind::kAllGather:
        case OpKind::kAllToAll:
          own = part;
          break;
        case OpKind::kBroadcast:
          own = root_;
          break;
        case OpKind::kGather:
          own = part;
          has = rank == root_;
          break;
        case OpKind::kScatter:
          own = root_;
          has = part == rank;
          break;
        default:
          return Status(Code::kInvalidArgument, "this kind of call has no program");
      }
      if (!has) continue;
      if (own >= 0) {
        expected = Share(own, kind_ == OpKind::kAllToAll ? rank : part);
      } else {
        expected = Everyones(part);
      }
      const Value got = MemoryOf(rank, {Place::kOutput, part});
      if (got != expected) {
        return Status(Code::kInternal,
                      std::string(program.algorithm) + ": rank " + std::to_string(rank) +
                          ", output " + std::to_string(part) + ": has " +
                          std::to_string(got.shares) + " shares, divided " +
                          std::to_string(got.divided) + " times, or not the right ones");
      }
    }
    return Status();
  }

  OpKind kind_;
  int root_;
  const std::vector<Program>& programs_;
  int size_;
  std::vector<Rank> ranks_;
  std::vector<Value> everyones_;  // by part, as far as asked for
  std::deque<std::pair<int, int>> work_;
};

}  // namespace

Status Simulate(OpKind kind, int root, const std::vector<Program>& programs) {
  return Simulation(kind, root, programs).Run();
}

}  // namespace regatta::eccl
