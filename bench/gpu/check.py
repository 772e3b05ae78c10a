#!/usr/bin/env python3
"""Checks libeccl on a machine with one NVIDIA GPU, and measures what one GPU can show.

Needs torch with CUDA; uses libeccl.so and nothing else that was compiled, so that a library built
elsewhere can be tried. Exits with 77, after saying why, where there is no GPU. What it looks at:

a  the contract of the room `device` over CUDA (with --device-test)
b  two to four ranks on one GPU and on the CPU, in any mixture: every call, against plain sums
c  one rank through NCCL, beside raw NCCL from the same library
d  all-reduce of two ranks by staging, beside tensor.cpu(), gloo and copying back

One GPU says nothing of NVLink or of NCCL between GPUs.
"""

import argparse
import ctypes
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT)]

from bench.harness import machine  # noqa: E402

SKIPPED = 77
RANKS = 4
MIXTURES = [
    ("cuda:0",),
    ("cuda:0", "cuda:0"),
    ("cuda:0", "cpu"),
    ("cpu", "cuda:0"),
    ("cuda:0", "cuda:0", "cpu"),
    ("cpu", "cuda:0", "cuda:0", "cpu"),
    ("cuda:0", "cuda:0", "cuda:0", "cuda:0"),
]
# Elements: small, unaligned, several pieces.
COUNTS = [1, 1003, 3_000_017]
STAGED = [("cuda:0", "cuda:0"), ("cuda:0", "cpu")]
STAGED_MIB = {1: 30, 8: 15, 64: 7, 256: 3}
NCCL_BYTES = {
    8: 400,
    1 << 10: 400,
    64 << 10: 400,
    1 << 20: 200,
    16 << 20: 100,
    64 << 20: 50,
    256 << 20: 30,
    1 << 30: 10,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def spread(times: list[float]) -> float:
    """Return how far apart the middle half of the times is, as a share of the median."""
    first, middle, last = statistics.quantiles(times, n=4)
    return (last - first) / middle


# --- ranks ---


class Checker:
    """One rank of one mixture: makes calls and compares with what all ranks know they gave."""

    def __init__(self, comm: Any, place: str, torch: Any, dry: bool) -> None:
        self.comm = comm
        self.torch = torch
        self.device = "cpu" if dry or place == "cpu" else place
        self.errors: list[str] = []
        self.calls = 0

    def given(self, rank: int, count: int, dtype: Any, begin: int = 0) -> Any:
        """Small whole numbers, exact in every type also as sums."""
        numbers = self.torch.arange(begin, begin + count) * 3 + rank * 7
        return (numbers % 11).to(dtype)

    def expect(self, what: str, got: Any, want: Any) -> None:
        self.calls += 1
        if not self.torch.equal(got.cpu(), want):
            self.errors.append(f"rank {self.comm.rank} of {self.comm.size}: {what} is wrong")

    def run(self) -> None:
        torch, comm = self.torch, self.comm
        for dtype in (torch.float32, torch.bfloat16):
            for count in COUNTS:
                self.check(count, dtype, f"{dtype} x {count}")
        for dtype in (torch.int64, torch.int32, torch.uint8, torch.float16, torch.float64):
            self.check(1003, dtype, f"{dtype} x 1003")
        comm.barrier()

    def check(self, count: int, dtype: Any, what: str) -> None:
        torch, comm, rank, n = self.torch, self.comm, self.comm.rank, self.comm.size
        ranks = range(n)

        def mine(elements: int) -> Any:
            return self.given(rank, elements, dtype).to(self.device)

        def empty(elements: int) -> Any:
            return torch.zeros(elements, dtype=dtype, device=self.device)

        total = sum(self.given(r, count, torch.float64) for r in ranks).to(dtype)
        data, out = mine(count), empty(count)
        comm.all_reduce(data, out)
        self.expect(f"all_reduce {what}", out, total)
        comm.all_reduce(data, data)
        self.expect(f"all_reduce in place {what}", data, total)
        host = self.given(rank, count, dtype)
        comm.all_reduce(host, out)
        self.expect(f"all_reduce from the host {what}", out, total)
        request_out = empty(count)
        comm.submit.all_reduce(mine(count), request_out).wait()
        self.expect(f"all_reduce submitted {what}", request_out, total)
        for root in {0, n - 1}:
            data = mine(count)
            comm.broadcast(data, root)
            self.expect(f"broadcast {what}", data, self.given(root, count, dtype))
            out = empty(count)
            comm.reduce(mine(count), out, root=root)
            self.expect(f"reduce {what}", out, total if rank == root else torch.zeros_like(total))
            all_ = empty(n * count)
            comm.gather(mine(count), all_, root=root)
            whole = torch.cat([self.given(r, count, dtype) for r in ranks])
            if rank == root:
                self.expect(f"gather {what}", all_, whole)
            out = empty(count)
            comm.scatter(mine(n * count), out, root=root)
            part = self.given(root, n * count, dtype)[rank * count : (rank + 1) * count]
            self.expect(f"scatter {what}", out, part)
        all_ = empty(n * count)
        comm.all_gather(mine(count), all_)
        self.expect(f"all_gather {what}", all_, whole)
        out = empty(count)
        comm.reduce_scatter(mine(n * count), out)
        sums = sum(self.given(r, n * count, torch.float64) for r in ranks).to(dtype)
        self.expect(f"reduce_scatter {what}", out, sums[rank * count : (rank + 1) * count])
        all_ = empty(n * count)
        comm.all_to_all(mine(n * count), [count] * n, all_, [count] * n)
        parts = [self.given(r, n * count, dtype)[rank * count : (rank + 1) * count] for r in ranks]
        self.expect(f"all_to_all {what}", all_, torch.cat(parts))
        if n > 1:
            out = empty(count)
            comm.send_receive(mine(count), (rank + 1) % n, out, (rank - 1) % n)
            self.expect(f"send_receive {what}", out, self.given((rank - 1) % n, count, dtype))


def staged_times(comm: Any, place: str, torch: Any, dry: bool) -> list[dict[str, Any]]:
    """Ours and gloo's in turn, on the same data."""
    import torch.distributed as dist

    device = "cpu" if dry or place == "cpu" else place
    rows = []
    for mib, repeats in STAGED_MIB.items():
        tensor = torch.ones(mib << 18, device=device)
        host = torch.empty(mib << 18, pin_memory=device != "cpu")
        times: dict[str, list[float]] = {"ours": [], "naive": [], "pinned": []}

        def ours(tensor: Any = tensor) -> None:
            comm.all_reduce(tensor, tensor)

        def naive(tensor: Any = tensor) -> None:
            copy = tensor.cpu()
            dist.all_reduce(copy)
            if copy is not tensor:
                tensor.copy_(copy)
                if device != "cpu":
                    torch.cuda.synchronize()

        def pinned(tensor: Any = tensor, host: Any = host) -> None:
            host.copy_(tensor)
            dist.all_reduce(host)
            tensor.copy_(host)
            if device != "cpu":
                torch.cuda.synchronize()

        for turn in range(repeats + 1):
            for name, run in (("ours", ours), ("naive", naive), ("pinned", pinned)):
                tensor.fill_(1.0)
                if device != "cpu":
                    torch.cuda.synchronize()
                comm.barrier()
                start = time.perf_counter()
                run()
                comm.barrier()
                if turn > 0:
                    times[name].append(time.perf_counter() - start)
                if tensor[0].item() != 2.0 or tensor[-1].item() != 2.0:
                    raise AssertionError(f"{name} of {mib} MiB is wrong")
        medians = {name: statistics.median(all_) for name, all_ in times.items()}
        rows.append({"mib": mib, "rounds": repeats} | medians)
    return rows


def rank_main(rank: int, port: int, dry: bool) -> None:
    import torch
    import torch.distributed as dist
    from regatta.eccl import Communicator

    os.environ["ECCL_MASTER_ADDR"] = "127.0.0.1"
    found: dict[str, Any] = {"checked": [], "staged": []}
    if rank < 2:
        dist.init_process_group(
            "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
        )
    number = 0
    for places in [*MIXTURES, *STAGED]:
        number += 1
        os.environ["ECCL_MASTER_PORT"] = str(port + number)
        if rank >= len(places):
            continue
        place = "cpu" if dry else places[rank]
        with Communicator(rank, len(places), device=place) as comm:
            if number <= len(MIXTURES):
                checker = Checker(comm, places[rank], torch, dry)
                start = time.perf_counter()
                checker.run()
                op = comm.last_op()
                found["checked"].append(
                    {
                        "places": places,
                        "calls": checker.calls,
                        "errors": checker.errors,
                        "seconds": time.perf_counter() - start,
                        "last": f"{op.operation} {op.algorithm} {op.transport}",
                    }
                )
            else:
                rows = staged_times(comm, places[rank], torch, dry)
                found["staged"].append({"places": places, "rows": rows})
    print(json.dumps(found))


# --- NCCL ---


def find_nccl() -> str:
    """Return the NCCL that came with torch, or the system's."""
    for folder in sys.path:
        file = pathlib.Path(folder or ".") / "nvidia" / "nccl" / "lib" / "libnccl.so.2"
        if file.exists():
            return str(file.resolve())
    return "libnccl.so.2"


def nccl_main() -> None:
    """One rank: each call through libeccl and raw, in turn."""
    import torch
    from regatta import _library
    from regatta.eccl import Communicator, get_unique_id

    path = os.environ["ECCL_NCCL_LIBRARY"]
    torch.cuda.init()
    torch.ones(1, device="cuda:0")
    nccl = ctypes.CDLL(path)

    class Id(ctypes.Structure):
        _fields_ = [("bytes", ctypes.c_char * 128)]

    raw_comm = ctypes.c_void_p()
    id_ = Id()
    nccl.ncclCommInitRank.argtypes = [ctypes.c_void_p, ctypes.c_int, Id, ctypes.c_int]
    if nccl.ncclGetUniqueId(ctypes.byref(id_)) or nccl.ncclCommInitRank(
        ctypes.byref(raw_comm), 1, id_, 0
    ):
        raise RuntimeError("raw NCCL does not start")
    pointer, number = ctypes.c_void_p, ctypes.c_int
    nccl.ncclAllReduce.argtypes = [
        pointer, pointer, ctypes.c_size_t, number, number, pointer, pointer,
    ]  # fmt: skip
    library = _library.load()
    comm = Communicator(0, 1, get_unique_id(), device="cuda:0")
    stream = torch.cuda.current_stream()
    rows = []
    for bytes_, repeats in NCCL_BYTES.items():
        count = bytes_ // 4
        send = torch.rand(count, device="cuda:0")
        ours_out, raw_out = torch.zeros_like(send), torch.zeros_like(send)
        torch.cuda.synchronize()
        ours_args = (send.data_ptr(), ours_out.data_ptr(), count, 7, 0, comm._handle)
        raw_args = (send.data_ptr(), raw_out.data_ptr(), count, 7, 0, raw_comm, stream.cuda_stream)

        def ours(arguments: tuple[Any, ...] = ours_args) -> None:
            if library.ecclAllReduce(*arguments):
                raise RuntimeError(library.ecclGetLastError(None).decode())

        def raw(arguments: tuple[Any, ...] = raw_args) -> None:
            if nccl.ncclAllReduce(*arguments):
                raise RuntimeError("raw ncclAllReduce failed")
            stream.synchronize()

        times: dict[Callable[[], None], list[float]] = {ours: [], raw: []}
        for turn in range(repeats + 5):
            for run in (ours, raw) if turn % 2 else (raw, ours):
                start = time.perf_counter()
                run()
                if turn >= 5:
                    times[run].append(time.perf_counter() - start)
        if not torch.equal(ours_out, send) or not torch.equal(raw_out, send):
            raise AssertionError(f"{bytes_} bytes: one rank's sum is not its input")
        rows.append(
            {
                "bytes": bytes_,
                "ours": statistics.median(times[ours]),
                "raw": statistics.median(times[raw]),
                "rounds": repeats,
                "spread": spread(times[ours]),
            }
        )
    op = comm.last_op()
    version = ctypes.c_int()
    nccl.ncclGetVersion(ctypes.byref(version))
    comm.close()
    print(
        json.dumps(
            {
                "rows": rows,
                "version": version.value,
                "last": f"{op.algorithm} {op.transport} {op.reason}",
            }
        )
    )


# --- the whole ---


def driver_version() -> str:
    run = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.stdout.strip()


def spawn(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float) -> tuple[Any, str]:
    """Return the last line, decoded, or what went wrong."""
    try:
        out, err = process.communicate(timeout=max(1.0, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return None, f"took too long; {err[-1500:]}"
    if process.returncode != 0:
        return None, f"exit code {process.returncode}; {err[-2500:]}"
    return json.loads(out.splitlines()[-1]), ""


def check_device(path: str, plugin: str | None, report: dict[str, Any]) -> None:
    run = subprocess.run(
        [path, "--gtest_filter=Kinds/Contract.*"],
        env=os.environ | ({"REGATTA_TEST_SIM_PLUGIN": plugin} if plugin else {}),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    cuda = [line for line in lines if line.startswith("[       OK ]") and "/cuda" in line]
    bad = [line for line in lines if line.startswith("[  FAILED  ]") or ": Failure" in line]
    report["device"] = {
        "passed": len(cuda), "exit": run.returncode, "bad": bad,
        "tail": lines[-60:] if run.returncode else [],
    }  # fmt: skip
    print(f"a  device contract over cuda: {len(cuda)} passed, exit code {run.returncode}")
    for line in report["device"]["tail"]:
        print("   " + line)


def check_ranks(dry: bool, seconds: float, report: dict[str, Any]) -> bool:
    port = free_port()
    arguments = ["--dry"] if dry else []
    processes = [
        spawn(["--rank", str(rank), "--port", str(port), *arguments], {}) for rank in range(RANKS)
    ]
    until = time.monotonic() + seconds
    good = True
    results = []
    for rank, process in enumerate(processes):
        found, why = finish(process, until - time.monotonic())
        if found is None:
            print(f"   rank {rank}: {why}")
            good = False
        results.append(found)
    report["ranks"] = results
    if results[0] is None:
        return False
    for number, checked in enumerate(results[0]["checked"]):
        of_all = [r["checked"][number] for r in results if r and len(r["checked"]) > number]
        errors = [error for one in of_all for error in one["errors"]]
        good = good and not errors
        print(
            f"b  {' + '.join(checked['places']):38} {checked['calls']:5} calls a rank, "
            f"{len(errors)} wrong, {checked['seconds']:.1f} s, last: {checked['last']}"
        )
        for error in errors[:5]:
            print("   " + error)
    print(f"d  {'all-reduce by staging, ms':38} {'ours':>9} {'naive':>9} {'pinned':>9}  naive/ours")
    for case in results[0]["staged"]:
        for row in case["rows"]:
            ours, naive, pinned = (row[name] * 1e3 for name in ("ours", "naive", "pinned"))
            name = f"{' + '.join(case['places'])}, {row['mib']} MiB"
            print(f"d  {name:38} {ours:9.2f} {naive:9.2f} {pinned:9.2f}  {naive / ours:6.2f}")
    return good


def check_nccl(seconds: float, report: dict[str, Any]) -> bool:
    found, why = finish(spawn(["--nccl"], {"ECCL_NCCL_LIBRARY": find_nccl()}), seconds)
    if found is None:
        print(f"c  NCCL: {why}")
        return False
    report["nccl"] = found
    print(
        f"c  NCCL {found['version']}, one rank, through libeccl ({found['last']}) and raw, us"
        "   ours       raw  ours/raw"
    )
    for row in found["rows"]:
        ours, raw = row["ours"] * 1e6, row["raw"] * 1e6
        print(f"c  {row['bytes']:>14} bytes {'':42} {ours:10.1f} {raw:10.1f} {ours / raw:8.3f}")
    return found["last"].startswith("nccl")


def check_overhead(path: str, report: dict[str, Any]) -> None:
    """What libeccl adds to NCCL, without Python around it, and what calls of the driver cost."""
    library = pathlib.Path(os.environ.get("REGATTA_ECCL_LIBRARY", ".")).resolve().parent
    run = subprocess.run(
        [path, "--seconds", "1", "--parts"],
        env={"ECCL_NCCL_LIBRARY": find_nccl()} | os.environ | {"LD_LIBRARY_PATH": str(library)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    report["overhead"] = {"exit": run.returncode, "lines": [json.loads(line) for line in lines]}
    for line in lines or [run.stderr[-1000:]]:
        print("c  " + line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device-test", help="regatta_device_test, to run its contract over CUDA")
    parser.add_argument(
        "--sim-plugin", help="libdevice_sim_plugin.so, where it is not where the test was built"
    )
    parser.add_argument("--nccl-bench", help="eccl_nccl_bench, to measure it without Python, too")
    parser.add_argument("--out", type=pathlib.Path, help="where the JSON goes")
    parser.add_argument("--seconds", type=float, default=230, help="for all of it")
    parser.add_argument("--dry", action="store_true", help="on the CPU: tries this script itself")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--nccl", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rank is not None:
        rank_main(given.rank, given.port, given.dry)
        return 0
    if given.nccl:
        nccl_main()
        return 0
    start = time.monotonic()
    try:
        import torch
    except ImportError:
        print("skipped: there is no torch here")
        return SKIPPED
    if not given.dry and not torch.cuda.is_available():
        print("skipped: torch sees no CUDA device here")
        return SKIPPED
    report: dict[str, Any] = {
        "torch": torch.__version__,
        "gpu": "none" if given.dry else torch.cuda.get_device_name(0),
        "driver": "" if given.dry else driver_version(),
        "cpus": os.cpu_count(),
        "machine": machine.describe(),
    }
    print(f"{report['gpu']}, torch {report['torch']}, {report['cpus']} CPUs; one GPU, no NVLink")
    good = True
    if given.device_test:
        check_device(given.device_test, given.sim_plugin, report)
        good = report["device"]["exit"] == 0
    if not given.dry:
        good = check_nccl(60, report) and good
        if given.nccl_bench:
            check_overhead(given.nccl_bench, report)
    good = check_ranks(given.dry, given.seconds - (time.monotonic() - start), report) and good
    report["seconds"] = time.monotonic() - start
    print(f"{'good' if good else 'BAD'} after {report['seconds']:.0f} s")
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "gpu.json").write_text(json.dumps(report, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
