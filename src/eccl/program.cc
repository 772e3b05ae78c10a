#include "eccl/program.h"

#include <unordered_map>

namespace regatta::eccl {
namespace {

std::string Describe(const Slice& slice) {
  const char* place = slice.place == Place::kInput    ? "input "
                      : slice.place == Place::kOutput ? "output "
                                                      : "scratch ";
  return place + std::to_string(slice.part);
}

// A number for the memory of a slice.
std::int64_t Memory(const Program& program, const Slice& slice) {
  int memory = 0;
  if (slice.place == Place::kScratch) memory = 1;
  if (slice.place == Place::kOutput && !program.may_alias) memory = 2;
  return std::int64_t{slice.part} * 3 + memory;
}

}  // namespace

std::string Program::ToString() const {
  std::string text;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    std::vector<std::string> does;
    if (step.receive_from >= 0) {
      does.push_back("receive from " + std::to_string(step.receive_from));
      if (step.combine) does.push_back("combine with " + Describe(step.source));
      if (step.last) does.push_back("finish");
    } else if (step.target.place != Place::kNone) {
      does.push_back("copy " + Describe(step.source));
    }
    if (step.target.place != Place::kNone) does.push_back("store in " + Describe(step.target));
    if (step.send_to >= 0) {
      const bool named = step.target.place == Place::kNone;
      does.push_back("send " + (named ? Describe(step.source) + " " : "") + "to " +
                     std::to_string(step.send_to));
    }
    text += std::to_string(i) + ": ";
    for (std::size_t k = 0; k < does.size(); ++k) text += (k == 0 ? "" : ", ") + does[k];
    text += "\n";
  }
  return text;
}

Order OrderOf(const Program& program) {
  Order order;
  const std::size_t count = program.steps.size();
  order.after_stored.resize(count);
  order.after_done.resize(count);
  order.read_again.resize(count);
  std::unordered_map<int, std::size_t> receives, sends;  // by peer: where its port is
  const auto add = [](std::unordered_map<int, std::size_t>* known, std::vector<Order::Port>* ports,
                      int peer, int step) {
    const auto [at, is_new] = known->try_emplace(peer, ports->size());
    if (is_new) ports->push_back({peer, {}});
    (*ports)[at->second].steps.push_back(step);
  };
  struct Users {
    int writer = -1;
    std::vector<int> readers;  // since it was written
  };
  std::unordered_map<std::int64_t, Users> memory;
  for (std::size_t i = 0; i < count; ++i) {
    const Step& step = program.steps[i];
    const int number = static_cast<int>(i);
    if (step.receive_from >= 0) add(&receives, &order.receives, step.receive_from, number);
    if (step.send_to >= 0) add(&sends, &order.sends, step.send_to, number);
    if (step.source.place != Place::kNone) {
      Users& users = memory[Memory(program, step.source)];
      if (users.writer >= 0) {
        order.after_stored[i].push_back(users.writer);
        order.read_again[static_cast<std::size_t>(users.writer)] = true;
      }
      users.readers.push_back(number);
    }
    if (step.target.place != Place::kNone) {
      Users& users = memory[Memory(program, step.target)];
      if (users.writer >= 0) order.after_done[i].push_back(users.writer);
      for (const int reader : users.readers) {
        if (reader != number) order.after_done[i].push_back(reader);
      }
      users = {number, {}};
    }
  }
  return order;
}

void Fuse(Program* program) {
  std::vector<Step> kept;
  std::unordered_map<std::int64_t, std::size_t> writers;  // by memory: the step kept last
  std::unordered_map<int, std::size_t> last_sends;        // by peer
  for (const Step& step : program->steps) {
    const bool only_sends = step.receive_from < 0 && step.target.place == Place::kNone;
    if (only_sends) {
      const auto writer = writers.find(Memory(*program, step.source));
      // The send moves forward: it may not overtake another one on its connection.
      const auto last = last_sends.find(step.send_to);
      if (writer != writers.end() && (last == last_sends.end() || last->second < writer->second)) {
        Step& store = kept[writer->second];
        if (store.receive_from >= 0 && store.send_to < 0 && store.target == step.source) {
          store.send_to = step.send_to;
          last_sends[step.send_to] = writer->second;
          continue;
        }
      }
    }
    if (step.send_to >= 0) last_sends[step.send_to] = kept.size();
    if (step.target.place != Place::kNone) {
      writers[Memory(*program, step.target)] = kept.size();
    }
    kept.push_back(step);
  }
  program->steps = std::move(kept);
}

}  // namespace regatta::eccl
