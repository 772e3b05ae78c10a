"""What the ranks of test_torch.py's jobs do: ``python c10d_workers.py <function>``. A failed
assertion is the rank's exit code.
"""

import datetime
import functools
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import regatta.torch  # noqa: F401
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

RANK, SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
NEWER = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 0)
REDUCED = [
    torch.int8,
    torch.uint8,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]
MOVED = [*REDUCED, torch.int16, torch.bool, torch.complex64, torch.complex128]


def say(text: str) -> None:
    print(text, flush=True)


def begin(backend: str = "eccl", seconds: float = 60) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(backend, timeout=datetime.timedelta(seconds=seconds))


def leave_after_comparison() -> None:
    """End a run whose losses are compared with gloo's; ours ends as any program does."""
    backend = dist.get_backend()
    dist.destroy_process_group()
    if backend == "gloo":
        # One of its threads may meet the interpreter's end, and then calls std::terminate (seen
        # once in 40 runs with torch 2.15).
        os._exit(0)


def whole(rank: int, shape: tuple[int, ...], kind: torch.dtype, most: int = 4) -> torch.Tensor:
    """Small whole numbers that differ by rank and element: every type adds them exactly."""
    count = int(torch.Size(shape).numel())
    numbers = (torch.arange(count) * 3 + rank * 7) % most
    if kind == torch.bool:
        return (numbers % 2 == 0).view(shape)
    return numbers.to(kind).view(shape)


def strided(tensor: torch.Tensor) -> torch.Tensor:
    """The same values, not contiguous."""
    wide = tensor.new_zeros((*tensor.shape, 2))
    wide[..., 0] = tensor
    return wide[..., 0]


def same(got: torch.Tensor, want: torch.Tensor, what: str = "") -> None:
    assert got.dtype == want.dtype, f"{what}: {got.dtype}, expected {want.dtype}"
    assert torch.equal(got, want), f"{what}: got {got}, expected {want}"


def refused(call: Callable[[], Any], error: type[Exception], *parts: str) -> str:
    try:
        call()
    except error as raised:
        for part in parts:
            assert part in str(raised), f"{part!r} is not in: {raised}"
        return str(raised)
    raise AssertionError(f"no error; expected {parts}")


def reductions(kind: torch.dtype) -> Iterator[tuple[str, Any, Callable[[torch.Tensor], Any]]]:
    """Operations for a type, each with its result for the stacked inputs of all ranks."""
    ops = dist.ReduceOp
    wide = torch.float64 if kind.is_floating_point else torch.int64
    yield "SUM", ops.SUM, lambda all_: all_.sum(0, dtype=wide).to(kind)
    yield "PRODUCT", ops.PRODUCT, lambda all_: all_.to(wide).prod(0).to(kind)
    yield "MIN", ops.MIN, lambda all_: all_.to(wide).min(0).values.to(kind)
    yield "MAX", ops.MAX, lambda all_: all_.to(wide).max(0).values.to(kind)
    rounding = None if kind.is_floating_point else "trunc"
    yield (
        "AVG",
        ops.AVG,
        lambda all_: torch.div(all_.sum(0, dtype=wide), SIZE, rounding_mode=rounding).to(kind),
    )
    if not kind.is_floating_point:
        yield "BAND", ops.BAND, lambda all_: functools.reduce(torch.bitwise_and, all_)
        yield "BOR", ops.BOR, lambda all_: functools.reduce(torch.bitwise_or, all_)
        yield "BXOR", ops.BXOR, lambda all_: functools.reduce(torch.bitwise_xor, all_)


def stacked(shape: tuple[int, ...], kind: torch.dtype, most: int = 4) -> torch.Tensor:
    """All ranks' inputs."""
    return torch.stack([whole(rank, shape, kind, most) for rank in range(SIZE)])


def reduced() -> None:
    """Every reduction of every type that has it, on several shapes and layouts."""
    begin()
    for kind in REDUCED:
        for name, op, expected in reductions(kind):
            what = f"{name} of {kind}"
            for shape in ((), (7,), (0,), (3, 5)):
                want = expected(stacked(shape, kind))
                for layout in (torch.clone, strided):
                    mine = layout(whole(RANK, shape, kind))
                    dist.all_reduce(mine, op)
                    same(mine, want, f"all_reduce {what}")
                    mine = layout(whole(RANK, shape, kind))
                    dist.reduce(mine, SIZE - 1, op)
                    same(mine, want if RANK == SIZE - 1 else whole(RANK, shape, kind), what)
            want = expected(stacked((SIZE, 3), kind))
            inputs = [strided(row) for row in whole(RANK, (SIZE, 3), kind)]
            part = torch.empty(3, dtype=kind)
            dist.reduce_scatter(part, inputs, op)
            same(part, want[RANK], f"reduce_scatter {what}")
            part = strided(torch.zeros(3, dtype=kind))
            dist.reduce_scatter_tensor(part, whole(RANK, (SIZE, 3), kind), op)
            same(part, want[RANK], f"reduce_scatter_tensor {what}")
    both = [whole(RANK, (4,), torch.float32), strided(whole(RANK, (2, 3), torch.float32))]
    dist.all_reduce_coalesced(both)
    same(both[0], stacked((4,), torch.float32).sum(0))
    same(both[1], stacked((2, 3), torch.float32).sum(0))
    # Parts of different sizes.
    parts = [whole(RANK, (rank + 1,), torch.int64) for rank in range(SIZE)]
    part = torch.empty(RANK + 1, dtype=torch.int64)
    dist.reduce_scatter(part, parts)
    same(part, stacked((RANK + 1,), torch.int64).sum(0))
    special_reductions()
    dist.destroy_process_group()


def special_reductions() -> None:
    """bool, complex, premultiplied and sparse."""
    flags = stacked((8,), torch.bool)
    for op, want in (
        (dist.ReduceOp.SUM, flags.any(0)),
        (dist.ReduceOp.MAX, flags.any(0)),
        (dist.ReduceOp.PRODUCT, flags.all(0)),
        (dist.ReduceOp.MIN, flags.all(0)),
        (dist.ReduceOp.BXOR, flags.sum(0) % 2 == 1),
    ):
        mine = flags[RANK].clone()
        dist.all_reduce(mine, op)
        same(mine, want, str(op))
    numbers = torch.complex(stacked((5,), torch.float32), -stacked((5,), torch.float32))
    mine = numbers[RANK].clone()
    dist.all_reduce(mine)
    same(mine, numbers.sum(0))
    make = dist._make_nccl_premul_sum
    for factor in (0.5, torch.tensor([0.5])):
        mine = whole(RANK, (6,), torch.float32)
        one = factor if NEWER or isinstance(factor, float) else [factor]
        dist.all_reduce(mine, make(one))
        same(mine, stacked((6,), torch.float32).sum(0) / 2, "premultiplied")
    dense = torch.zeros(6, 2)
    dense[RANK] = RANK + 1.0
    dense[5] = 1.0
    mine = dense.to_sparse(1)
    dist.all_reduce(mine)
    want = torch.zeros(6, 2)
    for rank in range(SIZE):
        want[rank] = rank + 1.0
    want[5] = SIZE
    same(mine.to_dense(), want, "sparse")


def moved() -> None:
    """Every collective that moves elements, of every type."""
    begin()
    for kind in MOVED:
        for shape in ((), (7,), (0,), (2, 3)):
            everyone = list(stacked(shape, kind))
            for layout in (torch.clone, strided):
                mine = layout(everyone[RANK])
                dist.broadcast(mine, 1)
                same(mine, everyone[1], f"broadcast {kind}")
                got = [layout(torch.zeros_like(one)) for one in everyone]
                dist.all_gather(got, layout(everyone[RANK]))
                for one, want in zip(got, everyone, strict=True):
                    same(one, want, f"all_gather {kind}")
                got = [layout(torch.zeros_like(one)) for one in everyone]
                dist.gather(everyone[RANK], got if RANK == 0 else None)
                for one, want in zip(got, everyone, strict=True):
                    same(one, want if RANK == 0 else torch.zeros_like(want), f"gather {kind}")
                mine = layout(torch.zeros_like(everyone[0]))
                lists = [layout(one) for one in everyone] if RANK == 1 else None
                dist.scatter(mine, lists, 1)
                same(mine, everyone[RANK], f"scatter {kind}")
        got = torch.zeros((SIZE, 3), dtype=kind)
        dist.all_gather_into_tensor(got, whole(RANK, (3,), kind))
        same(got, stacked((3,), kind), f"all_gather_into_tensor {kind}")
        exchanged(kind)
    uneven_and_objects()
    dist.destroy_process_group()


def exchanged(kind: torch.dtype) -> None:
    """All-to-all in its three forms."""
    inputs = stacked((SIZE, 2), kind)
    got = torch.zeros((SIZE, 2), dtype=kind)
    dist.all_to_all_single(got, inputs[RANK].clone())
    same(got, inputs[:, RANK], f"all_to_all_single {kind}")
    # Rank r gives r + p + 1 rows to rank p.
    give = [RANK + peer + 1 for peer in range(SIZE)]
    mine = torch.cat([whole(RANK * SIZE + peer, (give[peer], 2), kind) for peer in range(SIZE)])
    got = torch.zeros((sum(give), 2), dtype=kind)
    dist.all_to_all_single(got, strided(mine), give, give)
    want = torch.cat([whole(peer * SIZE + RANK, (give[peer], 2), kind) for peer in range(SIZE)])
    same(got, want, f"all_to_all_single {kind}, uneven")
    lists = [torch.zeros((give[peer], 2), dtype=kind) for peer in range(SIZE)]
    dist.all_to_all(lists, list(mine.split(give)))
    same(torch.cat(lists), want, f"all_to_all {kind}")


def uneven_and_objects() -> None:
    got = [torch.zeros(rank) for rank in range(SIZE)]
    dist.all_gather(got, torch.full((RANK,), float(RANK)))
    for rank, one in enumerate(got):
        same(one, torch.full((rank,), float(rank)), "all_gather of different sizes")
    inputs = [torch.full((2,), float(RANK)), torch.full((3, 1), RANK + 0.5)]
    lists = [[torch.zeros(2), torch.zeros(3, 1)] for _ in range(SIZE)]
    dist.all_gather_coalesced(lists, inputs)
    for rank, (first, second) in enumerate(lists):
        same(first, torch.full((2,), float(rank)))
        same(second, torch.full((3, 1), rank + 0.5))
    words: list[Any] = [None] * SIZE
    dist.all_gather_object(words, {"rank": RANK})
    assert [one["rank"] for one in words] == list(range(SIZE))
    words = ["from 1", 7] if RANK == 1 else [None, None]
    dist.broadcast_object_list(words, 1)
    assert words == ["from 1", 7]


def ordered() -> None:
    """Asynchronous calls run in their order; futures, time-outs of a wait, sequence numbers."""
    begin()
    group = dist.group.WORLD
    before = group._get_sequence_number_for_group()
    value = torch.ones(1, dtype=torch.int64)
    works = []
    for _ in range(10):
        works.append(dist.all_reduce(value, async_op=True))  # times SIZE
        works.append(dist.broadcast(value, 0, async_op=True))
    futures = [work.get_future() for work in works]
    works[-1].wait()
    assert value.item() == SIZE**10, value
    for work, future in zip(works, futures, strict=True):
        assert future.wait()[0].data_ptr() == value.data_ptr()
        work.wait()
        assert work.is_completed()
    assert group._get_sequence_number_for_group() == before + 20
    # A callback may call and wait itself.
    second = torch.ones(1)

    def again(future: Any) -> torch.Tensor:
        return dist.all_reduce(second, async_op=True).get_future().wait()[0]

    first = dist.all_reduce(torch.ones(1), async_op=True).get_future().then(again)
    assert first.wait().item() == SIZE
    leaf = torch.ones(3, requires_grad=True)
    dist.all_reduce(leaf)
    assert leaf.tolist() == [SIZE] * 3
    if RANK == 0:
        late = dist.all_reduce(torch.ones(1), async_op=True)
        start = time.monotonic()
        refused(
            lambda: late.wait(datetime.timedelta(milliseconds=200)),
            RuntimeError,
            "200 ms",
            "goes on",
        )
        assert 0.15 < time.monotonic() - start < 5
        dist.send(torch.zeros(1), 1)  # now the others may call
        late.wait()
    else:
        if RANK == 1:
            dist.recv(torch.zeros(1), 0)
        dist.all_reduce(torch.ones(1))
    dist.barrier()
    # torch's own function for it is for gloo alone.
    group.monitored_barrier(datetime.timedelta(seconds=30), True)
    dist.destroy_process_group()


def wrong() -> None:
    """Wrong arguments are refused before anything is sent, and the group goes on."""
    begin()
    ops = dist.ReduceOp
    refused(
        lambda: dist.all_reduce(torch.ones(1), ops.BAND), ValueError, "BAND", "integers", "Float"
    )
    refused(lambda: dist.all_reduce(torch.ones(1) > 0, ops.AVG), ValueError, "AVG", "bool")
    refused(lambda: dist.all_reduce(torch.ones(1, dtype=torch.int16)), ValueError, "Short", "int32")
    refused(
        lambda: dist.group.WORLD.broadcast([torch.ones(1), torch.ones(1)], dist.BroadcastOptions()),
        ValueError,
        "one tensor; got 2",
    )
    if not NEWER:  # torch 2 refuses it before it asks the back end
        refused(lambda: dist.broadcast(torch.ones(1).to_sparse(), 0), ValueError, "dense")
    options = dist.ReduceOptions()
    options.rootRank = 9
    refused(lambda: dist.group.WORLD.reduce([torch.ones(1)], options), ValueError, "the root is 9")
    refused(
        lambda: dist.all_to_all_single(
            torch.zeros(SIZE), torch.zeros(SIZE), [1] * SIZE, [2] * SIZE
        ),
        ValueError,
        "the split sizes of the input",
    )
    refused(lambda: dist.group.WORLD.send([torch.ones(1)], RANK, 0), ValueError, "this rank itself")
    same_place = torch.ones(2)
    dist.all_reduce(same_place)
    assert same_place.tolist() == [SIZE] * 2
    # Another shape on one rank: both calls are shown.
    shape = 3 if RANK == 0 else 4
    text = refused(lambda: dist.all_reduce(torch.ones(shape)), RuntimeError, "allreduce", "rank")
    assert "float32 x 3" in text and "float32 x 4" in text, text
    refused(lambda: dist.barrier(), RuntimeError, "float32 x")


def messages() -> None:
    """Sends and receives in any order, with tags, from any rank, of all sizes."""
    begin()
    peer = (RANK + 1) % SIZE
    behind = (RANK - 1) % SIZE
    # All send first, more than any buffer holds.
    large = torch.full((1 << 20,), float(RANK))
    got = torch.empty(1 << 20)
    sent = dist.isend(large, peer)
    assert dist.irecv(got, behind).wait()
    sent.wait()
    same(got, torch.full((1 << 20,), float(behind)))
    # Tags in the opposite order.
    works = [dist.isend(torch.tensor([10 * RANK + tag]), peer, tag=tag) for tag in range(4)]
    for tag in reversed(range(4)):
        one = torch.zeros(1, dtype=torch.int64)
        assert dist.recv(one, behind, tag=tag) == behind
        assert one.item() == 10 * behind + tag
    for work in works:
        work.wait()
    pairs = [
        dist.P2POp(dist.irecv, torch.zeros(3), behind),
        dist.P2POp(dist.isend, strided(torch.full((3,), float(RANK))), peer),
    ]
    for work in dist.batch_isend_irecv(pairs):
        work.wait()
    same(pairs[0].tensor, torch.full((3,), float(behind)))
    dist.send(torch.zeros(0), peer) if RANK == 0 else None
    dist.recv(torch.zeros(0), 0) if RANK == 1 else None
    if RANK == 0:
        seen = set()
        for _ in range(SIZE - 1):
            one = torch.zeros(2, dtype=torch.bool)
            seen.add(dist.recv(one, tag=5))
            assert one.tolist() == [True, False]
        assert seen == set(range(1, SIZE)), seen
    else:
        dist.send(torch.tensor([True, False]), 0, tag=5)
    dist.barrier()
    if RANK == 0:
        dist.send(torch.zeros(4), 1)
    elif RANK == 1:
        text = refused(lambda: dist.recv(torch.zeros(3), 0), RuntimeError, "4 elements of Float")
        assert "3 elements" in text
    dist.barrier()
    dist.destroy_process_group()


def lonely() -> None:
    """Nobody answers: each kind of wait ends by its time-out, and names the rank it waited for."""
    begin()
    dist.barrier()
    group = dist.new_group(list(range(SIZE)), timeout=datetime.timedelta(seconds=2))
    store = dist.distributed_c10d._get_default_store()
    if RANK == 1:
        store.get("go")
        dist.all_reduce(torch.ones(1), group=group)
        store.get("end")
        return
    start = time.monotonic()
    refused(lambda: dist.recv(torch.zeros(1), 1, group), RuntimeError, "rank 1 (host", "2000 ms")
    refused(lambda: dist.send(torch.zeros(1), 1, group), RuntimeError, "rank 1 (host", "2000 ms")
    half = datetime.timedelta(seconds=0.5)
    refused(
        lambda: group.monitored_barrier(half, True),
        RuntimeError,
        "rank 1 (host",
        "500 ms",
    )
    assert time.monotonic() - start < 15
    store.set("go", "1")
    dist.all_reduce(torch.ones(1), group=group)  # after all that the group is as good as before
    start = time.monotonic()
    text = refused(lambda: dist.barrier(group), RuntimeError, "barrier", "rank 1 (host")
    assert 1.5 < time.monotonic() - start < 10, text
    store.set("end", "1")


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(12, 64), torch.nn.BatchNorm1d(64), torch.nn.ReLU()
        )
        self.table = torch.nn.Embedding(20, 64, sparse=os.environ.get("SPARSE") == "1")
        self.head = torch.nn.Linear(64, 3)
        self.unused = torch.nn.Linear(4, 4)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        index = (batch[:, 0].abs() * 10).long() % 20
        return self.head(self.body(batch) + self.table(index))


def train() -> None:
    """Thirty steps of DDP; prints the losses' bits."""
    begin(os.environ["BACKEND"])
    torch.manual_seed(RANK)  # DDP gives everybody rank 0's weights
    model = DistributedDataParallel(Model(), find_unused_parameters=True, bucket_cap_mb=0.01)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(30):
        torch.manual_seed(1000 * step + RANK)
        batch = torch.randn(16, 12)
        target = batch[:, :3].argmax(1)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item().hex())
    say(" ".join(losses))
    leave_after_comparison()


def groups() -> None:
    """Twenty groups at once, of different members, called in another order on each rank."""
    begin()
    made = []
    for index in range(20):
        members = [rank for rank in range(SIZE) if rank != index % (SIZE + 1)]
        made.append((members, dist.new_group(members)))
    turn = made[RANK:] + made[:RANK]
    works = [
        (members, value, dist.all_reduce(value, group=group, async_op=True))
        for members, group in turn
        if RANK in members
        for value in [torch.tensor([float(RANK + 1)])]
    ]
    for members, value, work in works:
        work.wait()
        assert value.item() == sum(rank + 1 for rank in members), (members, value)
    own = dist.new_group(list(range(SIZE))[::2])
    if RANK % 2 == 0:
        word = torch.tensor([RANK])
        dist.broadcast(word, 2 if SIZE > 2 else 0, group=own)
        assert word.item() == (2 if SIZE > 2 else 0)
    dist.barrier()
    dist.destroy_process_group()


def killed() -> None:
    """Loops until a rank dies, and then tries everything else."""
    begin(seconds=60)
    pending = None
    for step in itertools.count():
        if step == 3:
            say("ready")
        if step == 3 and RANK == 0:
            pending = dist.irecv(torch.zeros(1), 1)
        try:
            dist.all_reduce(torch.ones(1000))
        except RuntimeError as error:
            say(f"error {str(error).splitlines()[0]}")
            break
    if pending is not None:
        refused(pending.wait, RuntimeError, "rank 2 (host")
    refused(lambda: dist.barrier(), RuntimeError, "rank 2 (host")
    minute = datetime.timedelta(minutes=1)
    refused(lambda: dist.group.WORLD.monitored_barrier(minute, True), RuntimeError, "rank 2 (host")
    say("done")


def aborted() -> None:
    """Abort ends calls that wait, here and there."""
    begin()
    dist.barrier()
    if RANK == 0:
        work = dist.all_reduce(torch.ones(1), async_op=True)
        dist.group.WORLD._get_backend(torch.device("cpu")).abort()
        refused(work.wait, RuntimeError, "aborted")
        refused(lambda: dist.barrier(), RuntimeError, "aborted")
    else:
        text = refused(lambda: dist.barrier(), RuntimeError, "rank 0 (host")
        assert "abort" in text.lower(), text
    say("done")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
