#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "job/fuzz/fuzz_support.h"
#include "job/job_files.h"
#include "job/shim/records.h"
#include "job/shim/request.h"
#include "job/shim/shim.h"

// Everything an engine reads of a job's folder, and what a shim reads of an engine, on the same
// bytes. What is taken can be written by the other side and is read again as the same.
namespace regatta::job {
namespace {

constexpr char kJob[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
constexpr char kEnding[] = "shim/rank-0.exit";
constexpr char kToken[] = "shim/rank-0.token";

// All files of one job, each of them the same bytes.
const ScratchFolder& SameBytes() {
  static ScratchFolder folder;
  static const bool made = [] {
    std::filesystem::create_directories(folder / "shim");
    for (const char* name : {"job.json", "launch.json", kToken, kEnding}) {
      std::filesystem::create_symlink(folder / "bytes", folder / name);
    }
    return true;
  }();
  (void)made;
  return folder;
}

// Where what was read is written again.
const ScratchFolder& WrittenAgain() {
  static ScratchFolder folder;
  std::filesystem::create_directories(folder / "shim");
  return folder;
}

JobSpec Spec(const std::string& directory) {
  JobSpec spec;
  spec.id = kJob;
  spec.directory = directory;
  spec.roles.resize(1);
  spec.roles[0].replicas = 2;
  return spec;
}

void CheckIntentAndLaunch() {
  const JobSpec spec = Spec(SameBytes().path());
  const absl::StatusOr<bool> intent = CheckIntent(spec);
  Require(!intent.ok() || *intent, "a job.json that is there is found");
  Require(intent.ok() || IsOneLine(intent.status().message()), "a message is one line");
  const auto launch = ReadLaunch(spec);
  if (!launch.ok()) {
    Require(IsOneLine(launch.status().message()), "a message is one line");
    return;
  }
  Require(launch->has_value(), "a launch.json that is there is found");
  for (const int port : (*launch)->ports) Require(port > 0 && port < 65536, "a port is a port");
  const JobSpec copy = Spec(WrittenAgain().path());
  Require(WriteLaunch(copy, **launch).ok(), "a launch can be written");
  const auto again = ReadLaunch(copy);
  Require(again.ok() && again->has_value() && (*again)->ports == (*launch)->ports &&
              (*again)->token == (*launch)->token,
          "a launch is read again as it was written");
}

void CheckToken() {
  const std::optional<Token> token = ReadToken(SameBytes().path(), 0);
  Require(token.has_value() && !token->held, "a token that is there and free is found");
  const auto line = [](const char* key, const ProcessName& process) {
    return key + std::to_string(process.pid) + " " + std::to_string(process.start_time) + "\n";
  };
  std::filesystem::remove(WrittenAgain() / kToken);
  PutFile(WrittenAgain() / kToken, "cgroup " + token->cgroup + "\n" + line("shim ", token->shim) +
                                       line("child ", token->child));
  const std::optional<Token> again = ReadToken(WrittenAgain().path(), 0);
  Require(again && again->cgroup == token->cgroup && again->shim.pid == token->shim.pid &&
              again->shim.start_time == token->shim.start_time &&
              again->child.pid == token->child.pid &&
              again->child.start_time == token->child.start_time,
          "a token is read again as it was");
}

// Lets a shim's own code write token and exit file.
void WriteAsShim(const shim::Request& asked, const shim::Ending& ending, pid_t child) {
  shim::Request request = asked;
  request.rank = 0;
  request.engine = getppid();
  const ScratchFolder& folder = WrittenAgain();
  std::filesystem::remove(folder / kToken);
  const int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Require(before >= 0 && chdir(folder.path().c_str()) == 0, "the folder can be entered");
  // A shim keeps its two files open until it ends; they get the lowest free numbers.
  const int token = dup(0);
  const int exit_file = dup(0);
  close(token);
  close(exit_file);
  shim::Records records(request);
  const int taken = records.TakeToken();
  const std::string cgroup = request.cgroup;
  if (taken == shim::kDone) {
    records.NoteChild(child);
    Require(records.WriteEnding(ending, child), "an exit file can be written");
    const std::optional<Token> read = ReadToken(folder.path(), 0);
    Require(read && read->held && read->child.pid == child, "a token names its processes");
    Require(cgroup.find('\n') != std::string::npos || std::strchr(request.job, '\n') ||
                (read->cgroup == cgroup && read->shim.pid == getpid()),
            "a token is read as it was written");
  } else {
    Require(cgroup.size() + std::strlen(request.job) > 4000, "a free token can be taken");
  }
  close(token);
  close(exit_file);
  Require(fchdir(before) == 0, "the way back is there");
  close(before);
}

void CheckEnding() {
  const std::optional<ExitRecord> record = ReadExit(SameBytes().path(), 0);
  if (!record) return;
  shim::Ending ending;
  while (ending.stop_reason <= shim::kStoppedBySignal &&
         record->stop != shim::StopReasonName(ending.stop_reason)) {
    ++ending.stop_reason;
  }
  Require(ending.stop_reason <= shim::kStoppedBySignal, "the reason of a stop is one of the names");
  const bool code = record->result == "code";
  if (code || record->result == "signal") {
    const int most = code ? 255 : 126;
    if (record->value < (code ? 0 : 1) || record->value > most) return;
    ending.wait_status = code ? record->value << 8 : record->value;
  } else {
    Require(IsOneLine(record->result) && !record->result.empty(), "a result is a word");
    ending.error_phase = record->result.c_str();
    ending.error_number = record->value;
  }
  ending.started = record->started;
  ending.finished = record->finished;
  ending.finished_monotonic = record->finished_monotonic;
  ending.elapsed = record->elapsed;
  ending.log_lost = record->log_lost;
  ending.log_dropped = record->log_dropped;
  ending.out_of_memory = record->out_of_memory;
  ending.unkillable = record->unkillable;
  WriteAsShim({.job = kJob}, ending, record->pid);
  const std::optional<ExitRecord> again = ReadExit(WrittenAgain().path(), 0);
  Require(again && again->result == record->result && again->value == record->value &&
              again->pid == record->pid && again->stop == record->stop &&
              again->started == record->started && again->finished == record->finished &&
              again->finished_monotonic == record->finished_monotonic &&
              again->elapsed == record->elapsed && again->log_lost == record->log_lost &&
              again->log_dropped == record->log_dropped &&
              again->out_of_memory == record->out_of_memory &&
              again->unkillable == record->unkillable,
          "an ending is read again as it was written");
}

std::string Write(const shim::Request& request) {
  std::string text = "regatta-shim-request 1";
  text += '\0';
  const auto add = [&text](const char* key, const std::string& value) {
    text += std::string(key) + "=" + value + '\0';
  };
  add("job", request.job);
  add("folder", request.folder);
  add("cwd", request.working_directory);
  add("cgroup", request.cgroup);
  add("rank", std::to_string(request.rank));
  add("engine", std::to_string(request.engine));
  add("grace_ms", std::to_string(request.grace_ms));
  add("timeout_ms", std::to_string(request.timeout_ms));
  add("segment_bytes", std::to_string(request.segment_bytes));
  add("log_bytes", std::to_string(request.log_bytes));
  for (char** word = request.argv; *word != nullptr; ++word) add("arg", *word);
  for (char** entry = request.env; *entry != nullptr; ++entry) add("env", *entry);
  return text;
}

void CheckRequest(std::string text) {
  shim::Request request;
  if (shim::ParseRequest(text.data(), text.size(), &request)) {
    Require(request.argv[0] != nullptr && request.segment_bytes > 0, "there is something to run");
    for (char** word = request.argv; *word != nullptr; ++word) {
      Require(*word > text.data() && *word < text.data() + text.size(), "words lie in the request");
    }
    std::string copy = Write(request);
    shim::Request again;
    Require(shim::ParseRequest(copy.data(), copy.size(), &again) && Write(again) == Write(request),
            "a request is read again as it was written");
    std::free(again.argv);
    WriteAsShim(request, {}, 1);
  }
  std::free(request.argv);
}

}  // namespace
}  // namespace regatta::job

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  regatta::job::PutFile(regatta::job::SameBytes() / "bytes", text);
  regatta::job::CheckIntentAndLaunch();
  regatta::job::CheckToken();
  regatta::job::CheckEnding();
  regatta::job::CheckRequest(std::string(text));
  return 0;
}
