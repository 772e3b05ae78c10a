"""All-reduce of float32 through torch.distributed, on eccl and on gloo in turn, two ranks.

Rank 0 prints one JSON line for a size and a back end: the median over blocks of calls that follow
one another, in microseconds a call. The result of every block is checked.
"""

import json
import statistics
import sys
import time

import regatta.torch  # noqa: F401
import torch
import torch.distributed as dist

CALLS = 100  # each doubles the sum: more would leave float32's range
BACKENDS = ("eccl", "gloo")


def block(data: torch.Tensor, group: dist.ProcessGroup) -> float:
    """Microseconds a call."""
    data.fill_(1)
    dist.barrier(group=group)
    start = time.perf_counter()
    for _ in range(CALLS):
        dist.all_reduce(data, group=group)
    spent = time.perf_counter() - start
    if not bool((data == 2.0**CALLS).all()):
        sys.exit(f"wrong sum after {CALLS} calls of {data.numel()} elements: {data[0]}")
    return spent / CALLS * 1e6


sizes, blocks = [int(word) for word in sys.argv[1].split(",")], int(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("eccl")
groups = {name: dist.new_group(backend=name) for name in BACKENDS}
for size in sizes:
    data = torch.empty(size // 4)
    times: dict[str, list[float]] = {name: [] for name in BACKENDS}
    for number in range(blocks + 1):
        for name in BACKENDS if number % 2 else reversed(BACKENDS):
            spent = block(data, groups[name])
            if number > 0:  # the first makes connections
                times[name].append(spent)
    if dist.get_rank() == 0:
        for name, values in times.items():
            line = {"backend": name, "bytes": size, "median_us": statistics.median(values)}
            print(json.dumps(line), flush=True)
dist.destroy_process_group()
