"""Collectives of torch's gloo, measured as measure.h does: one JSON line a size on rank 0."""

import argparse
import json
import statistics
import sys
import time

import torch
import torch.distributed as dist

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SINGLE = 1 << 20  # from here on a block is one call, and in place where there is one buffer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--operation", default="all-reduce")
    parser.add_argument("--type", default="float32", choices=TYPES)
    parser.add_argument("--bytes", required=True)
    parser.add_argument("--seconds", type=float, default=1.0)
    return parser.parse_args()


class Measurement:
    """One size of one operation."""

    def __init__(self, operation: str, dtype: torch.dtype, size: int) -> None:
        self.operation = operation
        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        parts = 1 if operation in ("all-reduce", "broadcast") else self.ranks
        part = max(size // torch.tensor([], dtype=dtype).element_size() // parts, 1)
        self.single = size >= SINGLE
        whole = part * parts
        self.input = torch.empty(part if operation == "all-gather" else whole, dtype=dtype)
        self.output = torch.empty(part if operation == "reduce-scatter" else whole, dtype=dtype)
        self.fill()

    def fill(self) -> None:
        if self.operation == "broadcast":
            self.input.fill_(7 if self.rank == 0 else 0)
        elif self.operation == "all-to-all":
            for part, values in enumerate(self.input.chunk(self.ranks)):
                values.fill_(8 * self.rank + part)
        else:
            self.input.fill_(self.rank + 1)

    def expected(self) -> torch.Tensor:
        values = torch.empty_like(self.output)
        for part, one in enumerate(values.chunk(self.ranks)):
            if self.operation == "broadcast":
                one.fill_(7)
            elif self.operation == "all-gather":
                one.fill_(part + 1)
            elif self.operation == "all-to-all":
                one.fill_(8 * part + self.rank)
            else:
                one.fill_(self.ranks * (self.ranks + 1) / 2)
        return values

    def call(self) -> None:
        if self.operation in ("all-reduce", "broadcast"):
            # It works in place only.
            data = self.input
            if not self.single:
                self.output.copy_(self.input)
                data = self.output
            if self.operation == "all-reduce":
                dist.all_reduce(data)
            else:
                dist.broadcast(data, 0)
        elif self.operation == "all-gather":
            dist.all_gather(list(self.output.chunk(self.ranks)), self.input)
        elif self.operation == "reduce-scatter":
            dist.reduce_scatter(self.output, list(self.input.chunk(self.ranks)))
        else:
            dist.all_to_all_single(self.output, self.input)

    def block(self, calls: int) -> float:
        if self.single and self.operation in ("all-reduce", "broadcast"):
            dist.barrier()  # or whoever is first takes the processor from those who still work
            self.fill()
        dist.barrier()
        start = time.perf_counter()
        for _ in range(calls):
            self.call()
        return (time.perf_counter() - start) * 1e6 / calls

    def run(self, seconds: float) -> list[float]:
        once = max(statistics.median(self.agree([self.block(1) for _ in range(6)])), 0.05)
        calls = 1 if self.single else max(1, min(500, int(200 / once)))
        blocks = int(max(5, min(2000, seconds * 1e6 / (once * calls))))
        times = self.agree([self.block(calls) for _ in range(blocks)])
        in_place = self.single and self.operation in ("all-reduce", "broadcast")
        if not torch.equal(self.input if in_place else self.output, self.expected()):
            sys.exit(f"gloo: wrong result of {self.operation}")
        return times

    def agree(self, times: list[float]) -> list[float]:
        """The largest over all ranks of each."""
        values = torch.tensor(times, dtype=torch.float64)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return values.tolist()


def main() -> None:
    asked = arguments()
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    for size in map(int, asked.bytes.split(",")):
        times = Measurement(asked.operation, TYPES[asked.type], size).run(asked.seconds)
        if dist.get_rank() == 0:
            line = {"bytes": size, "median_us": statistics.median(times), "min_us": min(times)}
            print(json.dumps(line), flush=True)
    dist.destroy_process_group()


main()
