#include "eccl/timed_simulator.h"

#include <algorithm>
#include <queue>
#include <string>

namespace regatta::eccl {
namespace {

constexpr std::size_t kMostMessages = 16u << 20;

std::size_t At(int i) { return static_cast<std::size_t>(i); }

class Simulation {
 public:
  Simulation(const std::vector<const Plan*>& plans, const Wiring& wiring, std::size_t bytes)
      : wiring_(wiring), bytes_(bytes), host_of_(plans.size()), hosts_(wiring.hosts.size()) {
    for (std::size_t host = 0; host < wiring.hosts.size(); ++host) {
      for (const int rank : wiring.hosts[host]) host_of_[At(rank)] = host;
    }
    const auto parts = static_cast<std::size_t>(plans.front()->program.parts);
    std::size_t sends = 0;
    for (const Plan* plan : plans) {
      for (const Order::Port& port : plan->order.sends) sends += port.steps.size();
    }
    const std::size_t longest = (bytes + parts - 1) / parts;
    block_ = std::max(kBlockBytes, longest * std::max<std::size_t>(sends, 1) / kMostMessages);
    blocks_ = std::max<std::size_t>(1, (longest + block_ - 1) / block_);
    window_ = std::min(kBlocksUnderWay, blocks_);
    for (const Plan* plan : plans) ranks_.push_back(MakeRank(*plan));
    for (std::size_t rank = 0; rank < plans.size(); ++rank) Connect(static_cast<int>(rank));
  }

  base::Result<Timing> Run() {
    for (int rank = 0; rank < static_cast<int>(ranks_.size()); ++rank) LookAtAll(rank);
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      switch (event.what) {
        case What::kArrived:
          ++ranks_[At(event.rank)].receives[At(event.port)].waiting;
          TryReceive(event.rank, event.port);
          break;
        case What::kStored:
          EndReceive(event.rank, event.port);
          break;
        case What::kCopied:
          EndCopy(event.rank);
          break;
        case What::kSent:
          EndSend(event.rank, event.port);
          break;
      }
    }
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      if (ranks_[rank].first < blocks_ && !ranks_[rank].plan->program.steps.empty()) {
        return base::Status(base::Code::kInternal,
                            std::string(ranks_[rank].plan->program.algorithm) + ": rank " +
                                std::to_string(rank) + " waits for ever");
      }
    }
    for (const Host& host : hosts_) {
      timing_.leaving_bytes = std::max(timing_.leaving_bytes, host.left);
    }
    timing_.seconds = now_;
    return timing_;
  }

 private:
  enum class What : std::uint8_t { kArrived, kStored, kCopied, kSent };
  struct Event {
    double time;
    std::uint64_t number;  // of two at the same time, the one that was known first
    What what;
    int rank;
    int port;
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };
  struct State {
    bool stored = false, sent = false, over = false;
  };
  // Of a connection and direction; the copies of a rank are one, too.
  struct Port {
    const std::vector<int>* steps;
    int peer = -1;
    int peers_port = -1;
    std::size_t block = 0, index = 0;  // the step that has its turn
    int waiting = 0;                   // messages that have arrived
    bool busy = false;
  };
  struct Rank {
    const Plan* plan;
    std::vector<State> states;  // by block of the window and step
    std::vector<std::size_t> over;
    std::size_t first = 0;  // block that is not over
    std::vector<Port> receives, sends;
    std::vector<int> copied_steps;
    Port copies;
    std::vector<std::vector<int>> dependents;        // by step
    std::vector<int> receive_port_of, send_port_of;  // by step; -1: none
    double free_at = 0;                              // it can move and combine again
  };
  struct Host {
    double out_free_at = 0, in_free_at = 0;
    std::int64_t left = 0;
  };

  Rank MakeRank(const Plan& plan) const {
    Rank rank{.plan = &plan};
    const std::size_t steps = plan.program.steps.size();
    rank.states.resize(window_ * steps);
    rank.over.resize(window_);
    rank.dependents.resize(steps);
    rank.receive_port_of.assign(steps, -1);
    rank.send_port_of.assign(steps, -1);
    for (std::size_t i = 0; i < steps; ++i) {
      for (const auto* list : {&plan.order.after_stored[i], &plan.order.after_done[i]}) {
        for (const int before : *list) rank.dependents[At(before)].push_back(static_cast<int>(i));
      }
      const Step& step = plan.program.steps[i];
      if (step.receive_from < 0 && step.target.place != Place::kNone) {
        rank.copied_steps.push_back(static_cast<int>(i));
      }
    }
    const auto add = [](const Order::Port& port, std::vector<Port>* ports, std::vector<int>* of) {
      for (const int step : port.steps) (*of)[At(step)] = static_cast<int>(ports->size());
      ports->push_back({.steps = &port.steps, .peer = port.peer});
    };
    for (const Order::Port& port : plan.order.receives) {
      add(port, &rank.receives, &rank.receive_port_of);
    }
    for (const Order::Port& port : plan.order.sends) add(port, &rank.sends, &rank.send_port_of);
    return rank;
  }

  // Once all ranks are where they stay.
  void Connect(int rank) {
    Rank& r = ranks_[At(rank)];
    r.copies.steps = &r.copied_steps;
    for (Port& port : r.sends) {
      const std::vector<Port>& theirs = ranks_[At(port.peer)].receives;
      const auto found = std::find_if(theirs.begin(), theirs.end(),
                                      [rank](const Port& other) { return other.peer == rank; });
      if (found != theirs.end()) port.peers_port = static_cast<int>(found - theirs.begin());
    }
  }

  void Later(double time, What what, int rank, int port) {
    events_.push({time, number_++, what, rank, port});
  }

  int StepOf(const Port& port) const { return (*port.steps)[port.index]; }
  State& StateOf(Rank& rank, std::size_t block, int step) const {
    return rank.states[block % window_ * rank.plan->program.steps.size() + At(step)];
  }

  bool HasTurn(Rank& rank, const Port& port) const {
    if (port.steps->empty() || port.busy || port.block == blocks_ ||
        port.block >= rank.first + window_) {
      return false;
    }
    const std::size_t step = At(StepOf(port));
    for (const int before : rank.plan->order.after_stored[step]) {
      if (!StateOf(rank, port.block, before).stored) return false;
    }
    for (const int before : rank.plan->order.after_done[step]) {
      if (!StateOf(rank, port.block, before).over) return false;
    }
    return true;
  }

  // Of the step's value in this block.
  std::size_t Length(const Rank& rank, const Port& port) const {
    const Step& step = rank.plan->program.steps[At(StepOf(port))];
    const auto parts = static_cast<std::size_t>(rank.plan->program.parts);
    const std::size_t part = At(step.part);
    const std::size_t length = bytes_ * (part + 1) / parts - bytes_ * part / parts;
    const std::size_t begin = port.block * block_;
    return length <= begin ? 0 : std::min(block_, length - begin);
  }

  // When a rank that has this to do besides is through with it.
  double Work(Rank* rank, double seconds) const {
    return rank->free_at = std::max(now_, rank->free_at) + seconds;
  }

  void TryReceive(int at, int index) {
    Rank& rank = ranks_[At(at)];
    Port& port = rank.receives[At(index)];
    if (port.waiting == 0 || !HasTurn(rank, port)) return;
    --port.waiting;
    port.busy = true;
    const bool combines = rank.plan->program.steps[At(StepOf(port))].combine;
    const double each = wiring_.inside.per_byte * (combines ? 1 + CostModel::kCombine : 1);
    Later(Work(&rank, static_cast<double>(Length(rank, port)) * each), What::kStored, at, index);
  }

  void TryCopy(int at) {
    Rank& rank = ranks_[At(at)];
    if (!HasTurn(rank, rank.copies)) return;
    rank.copies.busy = true;
    const auto length = static_cast<double>(Length(rank, rank.copies));
    Later(Work(&rank, length * wiring_.inside.per_byte), What::kCopied, at, 0);
  }

  void TrySend(int at, int index) {
    Rank& rank = ranks_[At(at)];
    Port& port = rank.sends[At(index)];
    if (!HasTurn(rank, port)) return;
    const Step& step = rank.plan->program.steps[At(StepOf(port))];
    if (step.target.place != Place::kNone && !StateOf(rank, port.block, StepOf(port)).stored)
      return;
    port.busy = true;
    ++timing_.messages;
    const std::size_t length = Length(rank, port);
    Host& from = hosts_[host_of_[At(at)]];
    Host& to = hosts_[host_of_[At(port.peer)]];
    double sent = now_;
    double arrived = now_ + wiring_.inside.latency;
    if (&from != &to) {
      const double moving = static_cast<double>(length) * wiring_.between.per_byte;
      sent = from.out_free_at = std::max(now_, from.out_free_at) + moving;
      // It flows through: the receiver's link is busy while the sender's is.
      to.in_free_at = std::max(sent, to.in_free_at + moving);
      arrived = to.in_free_at + wiring_.between.latency;
      from.left += static_cast<std::int64_t>(length);
    }
    Later(sent, What::kSent, at, index);
    if (port.peers_port >= 0) Later(arrived, What::kArrived, port.peer, port.peers_port);
  }

  static void NextTurn(Port* port) {
    port->busy = false;
    if (++port->index == port->steps->size()) {
      port->index = 0;
      ++port->block;
    }
  }

  void EndReceive(int at, int index) {
    Rank& rank = ranks_[At(at)];
    Port& port = rank.receives[At(index)];
    const std::size_t block = port.block;
    const int step = StepOf(port);
    NextTurn(&port);
    Stored(at, block, step);
    TryReceive(at, index);
  }

  void EndCopy(int at) {
    Rank& rank = ranks_[At(at)];
    const std::size_t block = rank.copies.block;
    const int step = StepOf(rank.copies);
    NextTurn(&rank.copies);
    Stored(at, block, step);
    TryCopy(at);
  }

  void EndSend(int at, int index) {
    Rank& rank = ranks_[At(at)];
    Port& port = rank.sends[At(index)];
    const std::size_t block = port.block;
    const int step = StepOf(port);
    NextTurn(&port);
    StateOf(rank, block, step).sent = true;
    OverIfDone(at, block, step);
    TrySend(at, index);
  }

  void Stored(int at, std::size_t block, int step) {
    Rank& rank = ranks_[At(at)];
    StateOf(rank, block, step).stored = true;
    LookAtDependents(at, step);
    if (rank.send_port_of[At(step)] >= 0) TrySend(at, rank.send_port_of[At(step)]);
    OverIfDone(at, block, step);
  }

  void OverIfDone(int at, std::size_t block, int step) {
    Rank& rank = ranks_[At(at)];
    State& state = StateOf(rank, block, step);
    const Step& s = rank.plan->program.steps[At(step)];
    if (state.over || (s.target.place != Place::kNone && !state.stored) ||
        (s.receive_from >= 0 && !state.stored) || (s.send_to >= 0 && !state.sent)) {
      return;
    }
    state.over = true;
    const std::size_t steps = rank.plan->program.steps.size();
    ++rank.over[block % window_];
    LookAtDependents(at, step);
    const std::size_t before = rank.first;
    while (rank.first < blocks_ && rank.over[rank.first % window_] == steps) {
      rank.over[rank.first % window_] = 0;
      const auto states =
          rank.states.begin() + static_cast<std::ptrdiff_t>(rank.first % window_ * steps);
      std::fill_n(states, steps, State{});
      ++rank.first;
    }
    if (rank.first != before && rank.first < blocks_) LookAtAll(at);
  }

  void LookAtDependents(int at, int step) {
    Rank& rank = ranks_[At(at)];
    for (const int next : rank.dependents[At(step)]) {
      if (rank.receive_port_of[At(next)] >= 0) TryReceive(at, rank.receive_port_of[At(next)]);
      if (rank.send_port_of[At(next)] >= 0) TrySend(at, rank.send_port_of[At(next)]);
    }
    TryCopy(at);
  }

  void LookAtAll(int at) {
    Rank& rank = ranks_[At(at)];
    TryCopy(at);
    for (std::size_t i = 0; i < rank.receives.size(); ++i) TryReceive(at, static_cast<int>(i));
    for (std::size_t i = 0; i < rank.sends.size(); ++i) TrySend(at, static_cast<int>(i));
  }

  const Wiring& wiring_;
  std::size_t bytes_;
  std::size_t block_, blocks_, window_;
  std::vector<std::size_t> host_of_;  // by rank
  std::vector<Host> hosts_;
  std::vector<Rank> ranks_;
  std::priority_queue<Event> events_;
  std::uint64_t number_ = 0;
  double now_ = 0;
  Timing timing_;
};

}  // namespace

base::Result<Timing> SimulateTime(const std::vector<const Plan*>& plans, const Wiring& wiring,
                                  std::size_t bytes) {
  return Simulation(plans, wiring, bytes).Run();
}

}  // namespace regatta::eccl
