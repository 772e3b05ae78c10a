#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/json.h"

namespace regatta::base {

// What travels backwards in the house: status, metrics, alarms. A room that observes something
// (an executor, a profiler, an agent) publishes it; the control plane decides what it means. In
// process this is a function call; from other processes the same fields travel over the agent
// protocol that `server` implements.
struct Event {
  std::string kind;     // "job.replica", "job.metric", "job.log", ...: <room>.<noun>
  std::string subject;  // id of the thing it is about (a job, a run, a node)
  Micros time = 0;      // when it happened at the sender
  Json data;            // fields of that kind; documented beside the kind's name
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Takes the event over. Called from any thread; must not block on I/O or call the sender back.
  virtual void Publish(Event event) = 0;
};

}  // namespace regatta::base
