"""``python -m regatta.hvd.run``: start the ranks of a job on this machine."""

import importlib.util
import logging
import signal
import sys
from types import FrameType

from regatta.eccl import version
from regatta.hvd.elastic.discovery import Blacklist, FixedHosts, HostScript
from regatta.hvd.elastic.driver import Driver
from regatta.hvd.run.fixed import run_fixed
from regatta.hvd.run.hosts import Host
from regatta.hvd.run.options import Options, parse
from regatta.hvd.run.processes import Output


def _check_build() -> None:
    def mark(there: bool) -> str:
        return "[X]" if there else "[ ]"

    number = version()
    print(f"libeccl {number // 10000}.{number // 100 % 100}.{number % 100}\n\nFrameworks:")
    for name in ("torch", "tensorflow", "paddle"):
        served = importlib.util.find_spec(f"regatta.hvd.{name}") is not None
        there = served and importlib.util.find_spec(name) is not None
        print(f"    {mark(there)} {name}")
    print("\nTransports:\n    [X] shared memory\n    [X] TCP\n    [ ] MPI\n    [ ] NCCL")


def _run_elastic(options: Options, output: Output) -> int:
    most = options.max_np or options.size
    if options.discovery_script:
        hosts: HostScript | FixedHosts = HostScript(
            options.discovery_script, options.slots_per_host
        )
    else:
        hosts = FixedHosts(options.hosts or [Host("localhost", most)])
    driver = Driver(
        options.command,
        hosts,
        options.min_np or options.size,
        most,
        options.environment,
        output,
        Blacklist(options.cooldown),
        patience=options.patience,
    )
    return driver.run()


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    logging.basicConfig(format="%(message)s")
    options = parse(sys.argv[1:])
    if options.check_build:
        _check_build()
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    output = Output(options.output_folder, options.prefix)
    if options.elastic:
        return _run_elastic(options, output)
    hosts = options.hosts or [Host("localhost", options.size)]
    return run_fixed(options.command, options.size, hosts, options.environment, output)


if __name__ == "__main__":
    sys.exit(main())
