#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/suggest.h"
#include "cli/completion.h"
#include "cli/hvdrun_syntax.h"

namespace regatta::cli {
namespace {

constexpr char kIntroduction[] =
    "Regatta runs AI jobs: pipelines of steps, distributed training, results that are kept.\n"
    "\n"
    "  regatta run pipeline.yaml      run a pipeline and watch it\n"
    "  regatta serve                  the console in the browser, and an API\n"
    "  regatta runs                   what ran, what is running\n"
    "  regatta submit job.yaml        run a training job as Kubeflow describes it\n";

struct Syntax {
  Invocation invocation;
  std::unique_ptr<CLI::App> app;
};

void AddSetting(CLI::App* command, Invocation* invocation, const std::string& flags,
                const std::string& setting, const std::string& type, const std::string& help) {
  command
      ->add_option_function<std::string>(
          flags,
          [invocation, setting](const std::string& value) {
            invocation->settings[setting] = value;
          },
          help)
      ->type_name(type);
}

void AddCommon(CLI::App* command, Invocation* invocation) {
  AddSetting(command, invocation, "--home", "home", "DIR",
             "State directory (default: $REGATTA_HOME, else ~/.local/share/regatta)");
  AddSetting(command, invocation, "--log-level", "log_level", "LEVEL",
             "debug, info, warning or error");
}

void AddOutput(CLI::App* command, Invocation* invocation,
               const std::vector<std::string>& formats = {"text", "json"}) {
  command
      ->add_option_function<std::string>(
          "-o,--output",
          [invocation](const std::string& value) {
            invocation->output = value;
            invocation->json = value == "json";
          },
          absl::StrJoin(formats, ", "))
      ->type_name("FORMAT")
      ->check(CLI::IsMember(formats));
}

CLI::App* AddCommand(CLI::App* parent, Invocation* invocation, const std::string& name,
                     const std::string& help, const std::string& full_name = "") {
  CLI::App* command = parent->add_subcommand(name, help);
  command->callback([invocation, full = full_name.empty() ? name : full_name] {
    if (invocation->command.empty()) invocation->command = full;
  });
  return command;
}

void AddLimit(CLI::App* command, Invocation* call) {
  command->add_option("-n,--limit", call->limit, "How many (default: 20)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
}

void AddRun(CLI::App* app, Invocation* call) {
  CLI::App* run = AddCommand(app, call, "run", "Run a pipeline and watch it");
  CLI::Option* file = run->add_option("file", call->file, "The pipeline (YAML)")->type_name("FILE");
  CLI::Option* stored =
      run->add_option(
             "--pipeline", call->pipeline,
             "Instead of a file: a stored pipeline, in its newest version or the one given")
          ->type_name("NAME[@VERSION]")
          ->excludes(file);
  run->add_option("--directory", call->directory,
                  "Where commands start (default: the file's folder; for a stored pipeline the "
                  "current one)")
      ->type_name("DIR");
  // CLI11's own message would name neither.
  run->parse_complete_callback([file, stored] {
    if (file->count() + stored->count() > 0) return;
    throw CLI::RequiredError("a pipeline (FILE, or --pipeline NAME)");
  });
  run->add_option("-p,--parameter", call->parameters,
                  "Parameter for this run: step.name=value, or name=value for every step that has "
                  "it; values are read as JSON where they are JSON, else as text; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  run->add_option("--name", call->name, "Name of the run (default: the pipeline's)");
  run->add_option("--disable", call->disabled, "Steps to leave out, separated by commas")
      ->type_name("STEPS")
      ->delimiter(',')
      ->allow_extra_args(false);
  run->add_flag("--new", call->fresh,
                "Start anew, also when the same run was interrupted (default: continue it)");
  run->add_flag("--detach,!--follow", call->detach,
                "Return once the run is stored (needs a running `regatta serve`)");
  run->add_option("--port", call->port, "Port of the console while this runs (default: any free)")
      ->type_name("PORT")
      ->check(CLI::Range(0, 65535));
  AddSetting(run, call, "--store", "store", "URL", "Database (default: SQLite in the home)");
  AddCommon(run, call);
  AddOutput(run, call);
}

void AddServe(CLI::App* app, Invocation* call) {
  CLI::App* serve = AddCommand(app, call, "serve", "Serve the console and the API");
  AddSetting(serve, call, "--listen", "listen", "HOST:PORT", "Address (default: 127.0.0.1:8470)");
  serve->add_option("--port", call->port, "Only the port of it; 0: any free one")
      ->type_name("PORT")
      ->check(CLI::Range(0, 65535));
  AddSetting(serve, call, "--store", "store", "URL",
             "Database: sqlite:///PATH or postgresql://HOST/NAME (default: SQLite in the home)");
  AddCommon(serve, call);
}

void AddRuns(CLI::App* app, Invocation* call) {
  CLI::App* runs = AddCommand(app, call, "runs",
                              "List, show, stop, retry, delete runs; read their logs", "runs list");
  runs->footer(
      "All but `stop`, `retry` and `delete` only look: where no `regatta run` or `regatta serve` "
      "is\n"
      "at work they show what was stored last, and resume nothing.");
  runs->require_subcommand(0, 1);
  const auto add_list_options = [call](CLI::App* command) {
    command->add_option("--state", call->states, "Only runs in these states")
        ->type_name("STATES")
        ->delimiter(',')
        ->allow_extra_args(false);
    command->add_option("--name", call->name, "Only runs whose name or pipeline has this in it");
    command->add_option("--pipeline", call->pipeline, "Only runs of this stored pipeline")
        ->type_name("NAME[@VERSION]");
    AddLimit(command, call);
  };
  add_list_options(runs);
  AddCommon(runs, call);
  AddOutput(runs, call);
  const auto sub = [&](const std::string& name, const std::string& help, bool step) {
    CLI::App* command = AddCommand(runs, call, name, help, "runs " + name);
    if (name != "list") {
      command->add_option("run", call->run_id, "Id of the run, its beginning, or `last`")
          ->type_name("RUN")
          ->required();
    }
    if (step) {
      command->add_option("step", call->step, "Name or id of the step")
          ->type_name("STEP")
          ->required();
    }
    AddCommon(command, call);
    return command;
  };
  CLI::App* list = sub("list", "List runs, newest first", false);
  add_list_options(list);
  AddOutput(list, call);
  AddOutput(sub("show", "Show one run and its steps", false), call);
  CLI::App* stop = sub("stop", "Stop a run politely", false);
  stop->footer(
      "Steps get SIGTERM, and SIGKILL after their grace period; the post-process step still runs.\n"
      "A run whose `regatta run` or `regatta serve` died is taken up just to be stopped: the\n"
      "command waits until that is done. Other unfinished runs stay as they are.");
  stop->add_flag("--force", call->force, "Kill at once and skip the post-process step");
  AddOutput(stop, call);
  CLI::App* retry = sub("retry", "Run what failed again, in a new run, and watch it", false);
  retry->footer(
      "Steps that succeeded or were skipped are taken over with their artifacts; the rest runs "
      "with\n"
      "the same pipeline and parameters. Only a failed or terminated run can be retried.");
  retry->add_flag("--detach,!--follow", call->detach,
                  "Return once the new run is stored (needs a running `regatta serve`)");
  AddOutput(retry, call);
  CLI::App* remove =
      sub("delete", "Delete a run that has ended, with its artifacts and logs", false);
  remove->footer(
      "Refused while other runs use its results: an unfinished one always, one that has ended\n"
      "unless --no-cache-check is given. Its results leave the cache, so its steps run when they\n"
      "are asked for again.");
  remove->add_flag("--no-cache-check,!--cache-check", call->no_cache_check,
                   "Also when runs that have ended took results of it");
  AddOutput(remove, call);
  CLI::App* logs = sub("logs", "Print what a step has written", true);
  logs->add_option("--rank", call->rank, "Which of its processes (default: 0)")->type_name("N");
  logs->add_flag("-f,--follow", call->follow, "Go on until the step ends");
  AddOutput(sub("explain", "Say why a step ran or was skipped", true), call);
}

void AddPipelines(CLI::App* app, Invocation* call) {
  CLI::App* pipelines =
      AddCommand(app, call, "pipelines", "Store pipelines by name, in versions", "pipelines list");
  pipelines->require_subcommand(0, 1);
  pipelines->footer(
      "`regatta run --pipeline NAME[@VERSION]` runs a stored pipeline. Runs keep their own copy "
      "of\n"
      "its text.");
  const auto add_list_options = [call](CLI::App* command) {
    command->add_option("--name", call->name, "Only pipelines whose name has this in it");
    AddLimit(command, call);
    AddOutput(command, call);
  };
  const auto sub = [&](const std::string& name, const std::string& help) {
    CLI::App* command = AddCommand(pipelines, call, name, help, "pipelines " + name);
    AddCommon(command, call);
    return command;
  };
  const auto add_pipeline = [call](CLI::App* command, const std::string& help,
                                   const char* type = "NAME") {
    command->add_option("pipeline", call->pipeline, help)->type_name(type)->required();
    AddOutput(command, call);
  };
  const auto add_text = [call](CLI::App* command, const std::string& about) {
    command->add_option("file", call->file, "The pipeline (YAML)")->type_name("FILE")->required();
    command->add_option("--description", call->description, about)->type_name("TEXT");
  };
  add_list_options(pipelines);
  AddCommon(pipelines, call);
  add_list_options(sub("list", "List pipelines, the last changed first"));
  CLI::App* create = sub("create", "Store a pipeline, as its version 1");
  add_text(create, "What it is for");
  create->add_option("--name", call->name, "Its name (default: the one in the file)");
  AddOutput(create, call);
  add_pipeline(sub("show", "Show a pipeline and the text of a version"),
               "Name or id, with or without a version", "NAME[@VERSION]");
  CLI::App* versions = sub("versions", "List its versions, newest first");
  add_pipeline(versions, "Name or id");
  AddLimit(versions, call);
  CLI::App* update = sub("update", "Add a version");
  add_pipeline(update, "Name or id");
  add_text(update, "What is different");
  CLI::App* remove = sub("delete", "Delete a pipeline with its versions, or one version");
  remove->footer("Refused while a run of it is unfinished. Runs that have ended stay.");
  add_pipeline(remove, "Name or id; with a version only that one goes", "NAME[@VERSION]");
}

void AddResults(CLI::App* app, Invocation* call) {
  const auto add_filters = [call](CLI::App* command) {
    command->add_option("--run", call->run_id, "Only of this run: its id, name, or `last`")
        ->type_name("RUN");
    command->add_option("--step", call->step, "Only of steps with this name")->type_name("STEP");
    AddLimit(command, call);
    AddCommon(command, call);
    AddOutput(command, call);
  };
  CLI::App* artifacts =
      AddCommand(app, call, "artifacts", "List what steps have written", "artifacts list");
  artifacts->require_subcommand(0, 1);
  CLI::App* list =
      AddCommand(artifacts, call, "list", "List output artifacts, newest first", "artifacts list");
  for (CLI::App* command : {artifacts, list}) {
    add_filters(command);
    command->add_option("--name", call->name, "Only artifacts with this name");
    command->add_option("--kind", call->kind, "Only files, or only folders")
        ->type_name("KIND")
        ->check(CLI::IsMember({"file", "folder"}));
  }
  CLI::App* caches =
      AddCommand(app, call, "caches",
                 "List, show, delete results that steps take instead of running", "caches list");
  caches->require_subcommand(0, 1);
  add_filters(caches);
  add_filters(AddCommand(caches, call, "list", "List them, newest first", "caches list"));
  const auto sub = [&](const std::string& name, const std::string& help) {
    CLI::App* command = AddCommand(caches, call, name, help, "caches " + name);
    command->add_option("id", call->cache, "Id of the entry")->type_name("ID")->required();
    AddCommon(command, call);
    AddOutput(command, call);
  };
  sub("show", "Show one: its key, its outputs, who made it");
  sub("delete", "Forget one, so that its step runs when it is asked for again");
}

void AddSubmit(CLI::App* app, Invocation* call) {
  CLI::App* submit =
      AddCommand(app, call, "submit", "Run a training job: PyTorchJob, TFJob, PaddleJob or MPIJob");
  submit->footer(
      "Waits until the job is over; exits with 0 when it succeeded, 1 when it failed, 130 when it\n"
      "was stopped. Ctrl-C stops it politely, a second one now.");
  submit->add_option("file", call->file, "The job (YAML)")->type_name("FILE")->required();
  submit->add_flag("-f,--follow", call->follow, "Print what rank 0 writes, too");
  submit->add_flag("--detach,!--wait", call->detach,
                   "Return once the job is stored (needs a running `regatta serve`)");
  AddSetting(submit, call, "--store", "store", "URL", "Database (default: SQLite in the home)");
  AddCommon(submit, call);
  AddOutput(submit, call);
}

void AddJobs(CLI::App* app, Invocation* call) {
  CLI::App* jobs =
      AddCommand(app, call, "jobs",
                 "List, show, stop, resume, delete training jobs; read their logs", "jobs list");
  jobs->require_subcommand(0, 1);
  const auto add_list_options = [call](CLI::App* command) {
    command->add_option("--state", call->states, "Only jobs in these states")
        ->type_name("STATES")
        ->delimiter(',')
        ->allow_extra_args(false);
    AddLimit(command, call);
  };
  add_list_options(jobs);
  AddCommon(jobs, call);
  AddOutput(jobs, call);
  const auto sub = [&](const std::string& name, const std::string& help) {
    CLI::App* command = AddCommand(jobs, call, name, help, "jobs " + name);
    if (name != "list") {
      command->add_option("job", call->job, "Id of the job, its beginning, its name, or `last`")
          ->type_name("JOB")
          ->required();
    }
    AddCommon(command, call);
    if (name != "logs") AddOutput(command, call);
    return command;
  };
  add_list_options(sub("list", "List jobs, newest first"));
  sub("show", "Show one job: conditions and replicas");
  sub("stop", "Stop its processes and keep the job (Kubeflow: suspend)")
      ->add_flag("--force", call->force, "Kill at once");
  sub("resume", "Start a stopped job anew");
  sub("delete", "Stop its processes and forget the job and its logs");
  CLI::App* logs = sub("logs", "Print what a replica has written since it was started last");
  logs->add_option("--rank", call->rank, "Which of its replicas (default: 0)")->type_name("N");
  logs->add_flag("-f,--follow", call->follow, "Go on until the replica ends");
}

void AddHvdrun(CLI::App* app, Invocation* call) {
  CLI::App* hvdrun =
      AddCommand(app, call, "hvdrun", "Start the ranks of a training job, as horovodrun does");
  hvdrun->footer(
      "  regatta hvdrun -np 2 python train.py\n"
      "  regatta hvdrun -np 8 -H node1:4,node2:4 python train.py\n"
      "Other hosts are reached by ssh and have the same `regatta` and the same current folder. "
      "The\n"
      "job ends with the first rank that fails; with --min-np, --max-np or a discovery script "
      "ranks "
      "come\nand go, on this machine. Scripts may `import horovod.torch`: regatta.hvd "
      "answers;\nthose of torch.distributed find RANK, WORLD_SIZE and MASTER_ADDR. Needs no "
      "`regatta serve`.");
  AddHvdrunFlags(hvdrun, &call->hvdrun, &call->check_build);
}

void AddEcclPlan(CLI::App* eccl, Invocation* call) {
  CLI::App* plan = AddCommand(
      eccl, call, "plan", "Compare the algorithms of a collective on a cluster that need not exist",
      "eccl plan");
  plan->footer(
      "The programs of all ranks are checked (nobody waits for ever, each share is reduced "
      "exactly\n"
      "once), then simulated message by message; nothing is sent. PREDICTED is the cost model "
      "that\n"
      "a communicator begins with, SIMULATED follows each message, * is the algorithm that is "
      "used\n"
      "while nothing has been measured.\n"
      "  regatta eccl plan --ranks 32 --hosts 4 --between 30us,1Gbit/s\n"
      "  regatta eccl plan --ranks 8 --algorithm ring --program-of 3");
  plan->add_option("-n,--ranks", call->ranks, "Ranks of the communicator")
      ->type_name("N")
      ->required()
      ->check(CLI::Range(2, 1024));
  plan->add_option("--hosts", call->hosts, "Hosts that have them in blocks (default: 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  plan->add_option("-b,--bytes", call->bytes,
                   "Of the whole input or output, whichever is larger (default: 64MiB)")
      ->type_name("SIZE");
  plan->add_option("--op", call->operation, "Collective (default: allreduce)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"allreduce", "allgather", "reducescatter", "broadcast", "alltoall",
                             "barrier", "reduce", "gather", "scatter"}));
  plan->add_option("--algorithm", call->algorithm, "Only this one")->type_name("NAME");
  plan->add_option("--inside", call->inside,
                   "Latency and bandwidth between ranks of a host (default: 1us,10GB/s)")
      ->type_name("LINK");
  plan->add_option("--between", call->between,
                   "The same of a host's link to others (default: 30us,25Gbit/s)")
      ->type_name("LINK");
  plan->add_option("--program-of", call->program_of, "Print what this rank does, step by step")
      ->type_name("RANK")
      ->check(CLI::Range(0, 1023));
  AddOutput(plan, call);
}

void AddOthers(CLI::App* app, Invocation* call) {
  CLI::App* validate = AddCommand(app, call, "validate", "Check a pipeline without running it");
  validate->add_option("file", call->file, "The pipeline (YAML)")->type_name("FILE")->required();
  validate->add_flag("--paddleflow", call->compat, "Accept only what PaddleFlow accepts");
  AddOutput(validate, call);

  CLI::App* console = AddCommand(app, call, "console", "Print an address that logs a browser in");
  AddCommon(console, call);

  CLI::App* doctor =
      AddCommand(app, call, "doctor", "Check this machine: Pythons, disk, memory, cgroups, ports");
  AddCommon(doctor, call);
  AddOutput(doctor, call);

  CLI::App* topo = AddCommand(
      app, call, "topo", "Show how this machine is wired: sockets, NUMA, PCIe, NICs, accelerators");
  topo->footer(
      "Prints a tree, the distance of each pair of accelerators and NICs as `nvidia-smi topo -m`\n"
      "names them (LOC NVL PIX PXB PHB NODE SYS NET), what cgroups leave to this process, and\n"
      "what could not be found out. `-o nccl` writes what NCCL_TOPO_FILE reads, `-o svg` a\n"
      "picture. Needs no `regatta serve`.");
  topo->add_option("file", call->file,
                   "Instead of this machine: one that hwloc (`lstopo machine.xml`) or NCCL "
                   "(NCCL_TOPO_DUMP_FILE) described")
      ->type_name("FILE");
  AddOutput(topo, call, {"text", "json", "nccl", "svg"});
  topo->require_subcommand(0, 1);
  CLI::App* map =
      AddCommand(topo, call, "map", "Say which rank of a job should run on which card", "topo map");
  map->footer(
      "Ranks are a grid over the layout's dimensions, the first one varying fastest. Each order "
      "in\n"
      "which dimensions can fill the hosts is weighed by what a training step would send; the\n"
      "cheapest is shown beside the naive one, rank 0 on the first card and so on.\n"
      "  regatta topo map --layout tp=8,pp=2,dp=4 machine.xml");
  map->add_option("-l,--layout", call->layout,
                  "Sizes of tp, cp, ep, sharding, dp, pp: \"tp=8,pp=2,dp=4\"")
      ->type_name("LAYOUT")
      ->required();
  map->add_option("file", call->file, "The machine, instead of this one: hwloc's or NCCL's XML")
      ->type_name("FILE");
  map->add_option("--hosts", call->hosts,
                  "How many machines like it there are (default: as many as needed)")
      ->type_name("N")
      ->check(CLI::Range(1, 100000));
  map->add_option("--devices", call->devices,
                  "How many ranks each machine runs (default: one on each accelerator)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  AddOutput(map, call);

  CLI::App* eccl = AddCommand(app, call, "eccl", "Collective communication", "eccl status");
  eccl->require_subcommand(0, 1);
  CLI::App* status =
      AddCommand(eccl, call, "status",
                 "Show what the ranks of running jobs do, and who waits for whom", "eccl status");
  status->footer(
      "Asks every process on this host that uses libeccl and belongs to you (as root: all). Ranks\n"
      "on other hosts are shown as those here have heard of them. Needs no `regatta serve`.");
  status->add_option("--pid", call->pid, "Only this process")->type_name("PID");
  AddOutput(status, call);
  AddEcclPlan(eccl, call);

  CLI::App* config = AddCommand(app, call, "config", "Settings", "config show");
  config->require_subcommand(0, 1);
  AddCommon(config, call);
  CLI::App* show =
      AddCommand(config, call, "show", "Print each setting and where it came from", "config show");
  AddCommon(show, call);
  AddOutput(show, call);

  CLI::App* completion =
      AddCommand(app, call, "completion", "Print a completion script for your shell");
  completion->add_option("shell", call->shell, "bash, zsh or fish")
      ->type_name("SHELL")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));

  CLI::App* version = AddCommand(app, call, "version", "Print the version");
  AddOutput(version, call);
}

Syntax MakeSyntax() {
  Syntax syntax;
  syntax.app = std::make_unique<CLI::App>(kIntroduction, "regatta");
  return syntax;
}

void Fill(Syntax& syntax) {
  Invocation* call = &syntax.invocation;
  CLI::App* app = syntax.app.get();
  app->require_subcommand(0, 1);
  app->set_help_flag("-h,--help", "Print this help");
  app->add_flag_callback("--version", [call] { call->command = "version"; }, "Print the version");
  app->footer("`regatta COMMAND --help` says more about a command.");
  AddRun(app, call);
  AddServe(app, call);
  AddRuns(app, call);
  AddPipelines(app, call);
  AddResults(app, call);
  AddSubmit(app, call);
  AddJobs(app, call);
  AddHvdrun(app, call);
  AddOthers(app, call);
}

std::vector<std::string> CommandNames(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app->get_subcommands(nullptr)) names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> FlagNames(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// The command's words in `arguments` walked as far as they are commands.
CLI::App* Deepest(CLI::App* app, const std::vector<std::string>& arguments, std::string* stranger) {
  for (const std::string& word : arguments) {
    if (word.starts_with('-')) return app;
    if (app->get_subcommands(nullptr).empty()) return app;
    CLI::App* next = nullptr;
    for (CLI::App* sub : app->get_subcommands(nullptr)) {
      if (sub->get_name() == word) next = sub;
    }
    if (next == nullptr) {
      const auto options =
          app->get_options([](const CLI::Option* option) { return option->get_positional(); });
      if (options.empty()) *stranger = word;
      return app;
    }
    app = next;
  }
  return app;
}

std::string HelpHint(const CLI::App* app) {
  std::string path = app->get_name();
  for (const CLI::App* up = app->get_parent(); up != nullptr; up = up->get_parent()) {
    path = up->get_name() + " " + path;
  }
  return "see `" + path + " --help`";
}

void Describe(const CLI::App* app, const std::string& path, std::vector<CompletionEntry>* out) {
  CompletionEntry entry{.path = path, .commands = {}, .flags = FlagNames(app)};
  for (const CLI::App* sub : app->get_subcommands(nullptr)) {
    entry.commands.emplace_back(sub->get_name(), sub->get_description());
  }
  entry.takes_file = app->get_option_no_throw("file") != nullptr;
  out->push_back(entry);
  for (const CLI::App* sub : app->get_subcommands(nullptr)) {
    Describe(sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), out);
  }
}

// `regatta run explain RUN STEP` is what people type who mean `runs explain`. A pipeline whose file
// is called "explain" has nothing behind it.
bool MeansRunsExplain(const Invocation& call, const std::vector<std::string>& extras) {
  return call.file == "explain" && extras.size() == 2 && !extras[0].starts_with('-') &&
         !extras[1].starts_with('-');
}

// What to say of a word too many.
std::string Unexpected(const CLI::App* command, const Invocation& call, const std::string& word) {
  if (command->get_name() == "run") {
    for (const char* other : {"explain", "list", "logs", "retry", "show", "stop"}) {
      if (call.file != other) continue;
      return absl::StrCat("regatta: \"run ", other, "\" is no command; did you mean `regatta runs ",
                          other, "`?");
    }
  }
  return absl::StrCat("regatta: \"", word, "\" is one argument too many; ", HelpHint(command));
}

}  // namespace

Parsed ParseCommandLine(const std::vector<std::string>& given) {
  Syntax syntax = MakeSyntax();
  Fill(syntax);
  CLI::App* app = syntax.app.get();
  std::vector<std::string> arguments = given;
  if (!given.empty() && given.front() == "hvdrun") {
    // The ranks' command has flags of its own.
    HvdrunWords words =
        SplitHvdrun(app->get_subcommand("hvdrun"), {given.begin() + 1, given.end()});
    arguments = std::move(words.flags);
    arguments.insert(arguments.begin(), "hvdrun");
    syntax.invocation.hvdrun.command = std::move(words.command);
  }
  Parsed parsed;
  std::string stranger;
  CLI::App* deepest = Deepest(app, arguments, &stranger);
  if (!stranger.empty()) {
    parsed.err = absl::StrCat(
        "regatta: unknown command \"", deepest == app ? "" : deepest->get_name() + " ", stranger,
        "\"", base::DidYouMean(stranger, CommandNames(deepest)), "; ", HelpHint(deepest));
    parsed.exit_code = 2;
    return parsed;
  }
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app->parse(reversed);
  } catch (const CLI::CallForHelp&) {
    parsed.out = deepest->help();
    return parsed;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = app->remaining(true);
    const std::string word = extras.empty() ? "" : extras.front();
    if (deepest->get_name() == "run" && MeansRunsExplain(syntax.invocation, extras)) {
      syntax.invocation.command = "runs explain";
      syntax.invocation.run_id = extras[0];
      syntax.invocation.step = extras[1];
      parsed.invocation = std::move(syntax.invocation);
      return parsed;
    }
    const std::string name = word.substr(0, word.find('='));
    parsed.err = word.starts_with('-') ? absl::StrCat("regatta: unknown option \"", name, "\"",
                                                      base::DidYouMean(name, FlagNames(deepest)),
                                                      "; ", HelpHint(deepest))
                                       : Unexpected(deepest, syntax.invocation, word);
    parsed.exit_code = 2;
    return parsed;
  } catch (const CLI::ParseError& error) {
    parsed.err = absl::StrCat("regatta: ", error.what(), "; ", HelpHint(deepest));
    parsed.exit_code = 2;
    return parsed;
  }
  if (syntax.invocation.command.empty()) {
    parsed.out = app->help();
    return parsed;
  }
  parsed.invocation = std::move(syntax.invocation);
  return parsed;
}

std::string CompletionScript(const std::string& shell) {
  Syntax syntax = MakeSyntax();
  Fill(syntax);
  std::vector<CompletionEntry> entries;
  Describe(syntax.app.get(), "", &entries);
  return RenderCompletion(shell, entries);
}

}  // namespace regatta::cli
