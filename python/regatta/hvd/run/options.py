"""The command line, with the names that horovodrun has."""

import argparse
import dataclasses
import importlib.util
import os
import pathlib
from collections.abc import Sequence

from regatta.hvd.run.hosts import Host, parse_hosts

__all__ = ["Options", "parse"]


@dataclasses.dataclass
class Options:
    command: list[str]
    size: int
    hosts: list[Host] | None
    environment: dict[str, str]
    output_folder: str | None
    prefix: bool
    min_np: int | None
    max_np: int | None
    discovery_script: str | None
    slots_per_host: int
    cooldown: tuple[float, float] | None
    patience: float
    check_build: bool

    @property
    def elastic(self) -> bool:
        """Tell whether ranks may come and go."""
        return any(one is not None for one in (self.min_np, self.max_np, self.discovery_script))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m regatta.hvd.run",
        description="Start the ranks of a job on this machine.",
        usage="%(prog)s -np N [OPTION...] COMMAND [ARGUMENT...]",
    )
    add = parser.add_argument
    add("-np", "--num-proc", type=int, metavar="N", help="number of ranks (elastic: to begin with)")
    add("-H", "--hosts", metavar="HOST:N,...", help="hosts and their slots; localhost by default")
    add("-x", action="append", default=[], metavar="NAME[=VALUE]", help="set a variable in ranks")
    add("--verbose", action="store_true", help="let the ranks log more")
    add("--output-filename", metavar="DIR", help="also write output to DIR/rank.N/stdout, stderr")
    add("--disable-prefix", action="store_true", help="print the ranks' lines as they are")
    add("--check-build", action="store_true", help="say what this build can do, and end")
    elastic = parser.add_argument_group("elastic jobs")
    add = elastic.add_argument
    add("--min-np", "--min-num-proc", type=int, metavar="N", help="fewest ranks")
    add("--max-np", "--max-num-proc", type=int, metavar="N", help="most ranks")
    add("--host-discovery-script", metavar="PATH", help="prints host:slots, one a line")
    add("--slots-per-host", "--slots", type=int, default=1, metavar="N", help="when it says none")
    add(
        "--blacklist-cooldown-range",
        nargs=2,
        type=float,
        metavar=("MIN", "MAX"),
        help="seconds after which a slot whose rank failed is used again",
    )
    add("--elastic-timeout", type=float, default=600.0, metavar="S", help="wait for fewest ranks")
    tuning = parser.add_argument_group("settings of the engine")
    add = tuning.add_argument
    for flag, (_, kind, text) in _SETTINGS.items():
        if kind is None:
            add(flag, action="store_true", help=text)
        else:
            add(flag, type=kind, help=text)
    add("command", nargs=argparse.REMAINDER)
    return parser


# Flag: variable, type (None: a switch), help.
_SETTINGS: dict[str, tuple[str, type | None, str]] = {
    "--fusion-threshold-mb": ("HOROVOD_FUSION_THRESHOLD", float, "MiB that travel together"),
    "--cycle-time-ms": ("HOROVOD_CYCLE_TIME", float, "time to wait for company"),
    "--cache-capacity": ("HOROVOD_CACHE_CAPACITY", int, "tensors to remember; 0: none"),
    "--hierarchical-allreduce": ("HOROVOD_HIERARCHICAL_ALLREDUCE", None, "inside hosts first"),
    "--autotune": ("HOROVOD_AUTOTUNE", None, "find a good threshold and cycle time"),
    "--autotune-log-file": ("HOROVOD_AUTOTUNE_LOG", str, "what the search measured, as CSV"),
    "--autotune-warmup-samples": ("HOROVOD_AUTOTUNE_WARMUP_SAMPLES", int, "not counted"),
    "--autotune-steps-per-sample": ("HOROVOD_AUTOTUNE_STEPS_PER_SAMPLE", int, "steps"),
    "--autotune-bayes-opt-max-samples": (
        "HOROVOD_AUTOTUNE_BAYES_OPT_MAX_SAMPLES",
        int,
        "how long to search",
    ),
    "--autotune-gaussian-process-noise": (
        "HOROVOD_AUTOTUNE_GAUSSIAN_PROCESS_NOISE",
        float,
        "of a measurement",
    ),
    "--timeline-filename": ("HOROVOD_TIMELINE", str, "a Chrome trace"),
    "--timeline-mark-cycles": ("HOROVOD_TIMELINE_MARK_CYCLES", None, "with the cycles"),
    "--no-stall-check": ("HOROVOD_STALL_CHECK_DISABLE", None, "do not warn of missing tensors"),
    "--stall-check-warning-time-seconds": ("HOROVOD_STALL_CHECK_TIME_SECONDS", float, "seconds"),
    "--stall-check-shutdown-time-seconds": (
        "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS",
        float,
        "seconds",
    ),
    "--thread-affinity": ("HOROVOD_THREAD_AFFINITY", str, "cores of the background threads"),
}


def _python_path() -> str:
    """Put this package's folder and its ``horovod`` in front of what PYTHONPATH says."""
    from regatta.hvd import shim

    found = importlib.util.find_spec("regatta")
    assert found is not None and found.submodule_search_locations is not None
    folder = str(pathlib.Path(next(iter(found.submodule_search_locations))).parent)
    present = os.environ.get("PYTHONPATH")
    return os.pathsep.join([shim.path(), folder, *([present] if present else [])])


def _environment(parsed: argparse.Namespace) -> dict[str, str]:
    environment = {"PYTHONPATH": _python_path(), "PYTHONUNBUFFERED": "1"}
    if parsed.verbose:
        environment["HOROVOD_LOG_LEVEL"] = "info"
    for flag, (variable, kind, _) in _SETTINGS.items():
        value = getattr(parsed, flag.removeprefix("--").replace("-", "_"))
        if kind is None:
            if value:
                environment[variable] = "1"
        elif value is not None:
            if flag == "--fusion-threshold-mb":
                value = int(value * (1 << 20))
            environment[variable] = str(value)
    for text in parsed.x:
        for one in text.split(",") if "=" not in text else [text]:
            name, equals, value = one.partition("=")
            environment[name] = value if equals else os.environ.get(name, "")
    return environment


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line; what is wrong with it ends the program with code 2."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    command = parsed.command[1:] if parsed.command[:1] == ["--"] else parsed.command
    try:
        hosts = parse_hosts(parsed.hosts) if parsed.hosts else None
    except ValueError as wrong:
        parser.error(str(wrong))
    slots = sum(host.slots for host in hosts) if hosts else None
    size = parsed.num_proc or parsed.min_np or slots or 0
    options = Options(
        command,
        size,
        hosts,
        _environment(parsed),
        parsed.output_filename,
        not parsed.disable_prefix,
        parsed.min_np,
        parsed.max_np,
        parsed.host_discovery_script,
        parsed.slots_per_host,
        tuple(parsed.blacklist_cooldown_range) if parsed.blacklist_cooldown_range else None,
        parsed.elastic_timeout,
        parsed.check_build,
    )
    wrong = None if options.check_build else _what_is_wrong(options, slots)
    if wrong:
        parser.error(wrong)
    return options


def _what_is_wrong(options: Options, slots: int | None) -> str | None:
    if options.size < 1:
        return "-np is missing: how many ranks?"
    if not options.command:
        return "a command is missing: what do the ranks run?"
    if options.discovery_script and options.hosts:
        return "give either -H or --host-discovery-script"
    if (
        not options.discovery_script
        and slots is not None
        and slots < (options.min_np or options.size)
    ):
        return f"-H has {slots} slots for {options.min_np or options.size} ranks"
    least, most = options.min_np or options.size, options.max_np or options.size
    if options.elastic and not 1 <= least <= most:
        return f"--min-np {least} and --max-np {most} leave no number of ranks"
    return None
