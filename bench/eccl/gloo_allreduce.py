"""All-reduce of float32 with torch's gloo: one JSON line a size on rank 0, results checked."""

import json
import os
import statistics
import sys
import time

import torch
import torch.distributed as dist

sizes = [int(word) for word in sys.argv[1].split(",")]
budget = float(sys.argv[2])  # seconds a size
dist.init_process_group("gloo")
torch.set_num_threads(1)
rank, ranks = dist.get_rank(), dist.get_world_size()
for size in sizes:
    data = torch.empty(size // 4, dtype=torch.float32)
    times: list[float] = []
    # Rank 0 decides how often, so that all ranks call equally often.
    rounds = 3
    for attempt in ("warm", "measured"):
        times.clear()
        for _ in range(rounds):
            data.fill_(rank + 1)
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(data)
            times.append((time.perf_counter() - start) * 1e6)
        if attempt == "warm":
            wanted = int(budget * 1e6 / max(statistics.median(times), 1.0))
            agreed = torch.tensor([max(5, min(1000, wanted))])
            dist.broadcast(agreed, 0)
            rounds = int(agreed[0])
    if not bool((data == ranks * (ranks + 1) / 2).all()):
        sys.exit(f"gloo: wrong sum at {size} bytes")
    if os.environ["RANK"] == "0":
        line = {"bytes": size, "median_us": statistics.median(times), "rounds": rounds}
        print(json.dumps(line), flush=True)
dist.destroy_process_group()
