#include "eccl/api/group.h"

#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "eccl/api/guard.h"
#include "eccl/call_log.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// A call by its place in the group, from 1 on.
struct Label {
  std::size_t number;
  const char* name;
};

Status Blame(const Label& label, const Status& why) {
  return Status(why.code(), "call " + std::to_string(label.number) + " of the group, " +
                                label.name + ": " + why.message());
}

struct Failure {
  std::size_t number;
  Status status;
};

// What a group asks of one communicator.
class Part {
 public:
  explicit Part(std::shared_ptr<Communicator> comm) : comm_(std::move(comm)) {}

  Communicator* comm() const { return comm_.get(); }
  void Add(Label label, std::function<Status(Communicator&)> run) {
    calls_.push_back({label, CallSite(), std::move(run)});
  }
  void Add(Label label, const Transfer& transfer) {
    if (transfers_.empty()) message_site_ = CallSite();
    transfers_.push_back(transfer);
    labels_.push_back(label);
  }

  // All messages at the same time, then the collectives in their order; stops at the first failure.
  Status Run() {
    SetCallSite(message_site_.c_str());
    std::size_t failed = 0;
    const Status status = comm_->Exchange(transfers_, &failed);
    if (!status.ok()) return Fail(labels_[failed], status);
    for (const Entry& call : calls_) {
      SetCallSite(call.site.c_str());
      const Status result = call.run(*comm_);
      if (!result.ok()) return Fail(call.label, result);
    }
    return Status();
  }
  // When it could not be run.
  Status Fail(const Status& why) {
    return Fail(labels_.empty() ? calls_.front().label : labels_.front(), why);
  }
  // Read when it has run.
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  struct Entry {
    Label label;
    std::string site;
    std::function<Status(Communicator&)> run;
  };
  Status Fail(const Label& label, const Status& why) {
    failure_ = Failure{label.number, Blame(label, why)};
    return failure_->status;
  }

  std::shared_ptr<Communicator> comm_;
  std::string message_site_;
  std::vector<Transfer> transfers_;
  std::vector<Label> labels_;  // of the transfers
  std::vector<Entry> calls_;
  std::optional<Failure> failure_;
};

struct Group {
  std::size_t calls = 0;
  std::optional<Status> refused;  // the first
  std::vector<std::unique_ptr<Part>> parts;

  Part& PartOf(std::shared_ptr<Communicator> comm) {
    for (const auto& part : parts) {
      if (part->comm() == comm.get()) return *part;
    }
    return *parts.emplace_back(std::make_unique<Part>(std::move(comm)));
  }
};

thread_local int open_groups = 0;
Group& TheGroup() {
  thread_local Group group;
  return group;
}

void RunAll(const Group& group) {
  if (group.parts.size() == 1 && group.parts.front()->comm()->queue().idle()) {
    const std::string site = CallSite();
    // It keeps the failure itself.
    static_cast<void>(group.parts.front()->Run());
    SetCallSite(site.c_str());
    return;
  }
  // Each on its communicator's thread: no order of communicators can make ranks wait in a circle.
  std::vector<std::shared_ptr<Request>> requests;
  requests.reserve(group.parts.size());
  for (const auto& part : group.parts) {
    // Not thrown on: parts that were submitted before are used until they are over.
    try {
      auto request = part->comm()->queue().Submit([&part] { return part->Run(); });
      if (request.ok()) requests.push_back(std::move(*request));
      if (!request.ok()) static_cast<void>(part->Fail(request.status()));
    } catch (const std::exception& error) {
      static_cast<void>(part->Fail(
          Status(Code::kResourceExhausted, std::string("cannot be submitted: ") + error.what())));
    }
  }
  for (const auto& request : requests) request->Wait({});
}

Status End() {
  if (open_groups == 0) {
    return Status(Code::kFailedPrecondition,
                  "ecclGroupEnd was called without ecclGroupStart in this thread");
  }
  if (open_groups > 1) {
    --open_groups;
    return Status();
  }
  open_groups = 0;
  const Group group = std::exchange(TheGroup(), Group());
  if (group.refused) {
    return Status(group.refused->code(),
                  "nothing of the group was run: " + group.refused->message());
  }
  RunAll(group);
  const Failure* first = nullptr;
  for (const auto& part : group.parts) {
    const std::optional<Failure>& failure = part->failure();
    if (failure && (first == nullptr || failure->number < first->number)) first = &*failure;
  }
  return first == nullptr ? Status() : first->status;
}

}  // namespace

bool GroupIsOpen() { return open_groups > 0; }

void CountInGroup(const char* name, const Status& status) {
  Group& group = TheGroup();
  const Label label{++group.calls, name};
  if (!status.ok() && !group.refused) group.refused = Blame(label, status);
}

void AddToGroup(std::shared_ptr<Communicator> comm, const char* name,
                std::function<Status(Communicator&)> run) {
  Group& group = TheGroup();
  group.PartOf(std::move(comm)).Add({group.calls + 1, name}, std::move(run));
}

void AddToGroup(std::shared_ptr<Communicator> comm, const char* name,
                const std::vector<Transfer>& transfers) {
  Group& group = TheGroup();
  Part& part = group.PartOf(std::move(comm));
  for (const Transfer& transfer : transfers) part.Add({group.calls + 1, name}, transfer);
}

}  // namespace regatta::eccl

using namespace regatta::eccl;  // NOLINT(google-build-using-namespace): the entry points follow

extern "C" {

ecclResult_t ecclGroupStart() {
  ++open_groups;
  return ecclSuccess;
}

ecclResult_t ecclGroupEnd() { return Guarded(End); }

}  // extern "C"
