"""What the ranks of the tests' jobs do, continued: the rest of the API."""

import json
import os
import random
import threading
from collections.abc import Callable
from typing import Any

import regatta.hvd.torch as hvd
import torch
from training import make_model, train


def process_sets() -> None:
    """Two sets of ranks work beside each other, and one is given up."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    even = hvd.add_process_set(range(0, size, 2))
    odd = hvd.add_process_set(hvd.ProcessSet(range(1, size, 2)))
    mine, other = (even, odd) if rank % 2 == 0 else (odd, even)
    assert (even.process_set_id, odd.process_set_id) == (1, 2)
    assert mine.included() and not other.included() and mine.rank() == rank // 2
    for step in range(5):  # the first time by message, then by votes
        # Other names and numbers of operations in each set.
        for turn in range(1 + rank % 2):
            tensor = torch.full((3,), float(rank + step))
            total = hvd.allreduce(tensor, op=hvd.Sum, name=f"t{turn}", process_set=mine)
            assert (total == sum(mine.ranks) + step * mine.size()).all()
    assert hvd.allgather(torch.tensor([rank]), process_set=mine).tolist() == mine.ranks
    root = mine.ranks[-1]
    assert hvd.broadcast(torch.tensor([rank]), root, process_set=mine).item() == root
    sent = torch.arange(mine.size()) + 10 * rank
    got = hvd.alltoall(sent, process_set=mine)
    assert got.tolist() == [10 * peer + mine.rank() for peer in mine.ranks]
    part = hvd.reducescatter(torch.ones(mine.size() + 1), op=hvd.Sum, process_set=mine)
    assert part.tolist() == [mine.size()] * (2 if mine.rank() == 0 else 1)
    hvd.barrier(mine)
    for action, text in (
        (lambda: hvd.allreduce(torch.ones(1), process_set=other), "is not part of"),
        (lambda: hvd.add_process_set(even.ranks), "already a process set"),
        (lambda: hvd.add_process_set([0, size]), "needs ranks from 0 to"),
        (lambda: hvd.broadcast(torch.ones(1), other.ranks[0], process_set=mine), "not part of"),
    ):
        try:
            action()
            raise SystemExit(f"no error: {text}")
        except ValueError as error:
            assert text in str(error), error
    assert hvd.remove_process_set(odd) and not hvd.remove_process_set(odd)
    assert not hvd.remove_process_set(hvd.global_process_set)
    assert odd.size() is None
    again = hvd.add_process_set(range(1, size, 2))
    assert again.process_set_id == 3
    assert hvd.allreduce(torch.ones(1), op=hvd.Sum).item() == size
    hvd.shutdown()
    assert even.process_set_id is None
    hvd.init(process_sets=[hvd.ProcessSet([0])])
    hvd.shutdown()


def uneven() -> None:
    """Ranks with fewer batches join; the others go on, and then all go on together."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    for epoch in range(2):
        for step in range(3 + rank):
            named = hvd.allreduce_async(torch.ones(4), name=f"step.{step % 2}")
            unnamed = hvd.allreduce(torch.ones(4), op=hvd.Sum)
            there = size - max(0, step - 2)
            assert (hvd.synchronize(named) == there / size).all()
            assert (unnamed == there).all()
        assert hvd.join() == size - 1, epoch
    assert hvd.allreduce(torch.ones(1), op=hvd.Sum).item() == size
    if rank == 0:
        assert hvd.join() != 0
    else:
        try:
            hvd.allreduce(torch.ones(1), op=hvd.Max, name="most")
            raise SystemExit("no error")
        except hvd.HorovodInternalError as error:
            assert "without rank 0, which called hvd.join()" in str(error), error
        hvd.join()
    hvd.shutdown()


def adasum() -> None:
    """Against the definition, computed by one process."""
    from regatta.hvd.torch.adasum import combine

    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    generator = torch.Generator().manual_seed(3)
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 5e-3)):
        everyones = torch.randn(size, 4, 25, generator=generator, dtype=torch.float64).to(dtype)
        got = hvd.allreduce(everyones[rank], op=hvd.Adasum)
        vectors = [one.reshape(-1) for one in everyones]
        power = 1 << (size.bit_length() - 1)
        for extra in range(power, size):
            vectors[extra - power] = combine(vectors[extra - power], vectors[extra])
        vectors = vectors[:power]
        while len(vectors) > 1:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [combine(a, b) for a, b in pairs]
        assert torch.allclose(got.reshape(-1), vectors[0], atol=close), dtype
    # Orthogonal ones are added, parallel ones averaged, and zeros change nothing.
    single = torch.zeros(size)
    single[rank] = rank + 1.0
    total = hvd.allreduce(single, op=hvd.Adasum)
    assert torch.allclose(total, torch.arange(1.0, size + 1)), total
    same = hvd.allreduce(torch.arange(3.0), op=hvd.Adasum)
    assert torch.allclose(same, torch.arange(3.0))
    alone = hvd.allreduce(torch.ones(2) * (rank == size - 1), op=hvd.Adasum)
    assert alone.tolist() == [1, 1]
    # Steps, not gradients, are combined.
    model = make_model()
    optimizer = hvd.DistributedOptimizer(
        torch.optim.SGD(model.parameters(), lr=0.1), model.named_parameters(), op=hvd.Adasum
    )
    result = train(model, optimizer, rank, size)
    flat = torch.cat([part.reshape(-1) for part in result])
    everyone = hvd.allgather(flat[None])
    assert (everyone == everyone[0]).all() and everyone.isfinite().all()
    hvd.shutdown()


def derivatives() -> None:
    """Gradients go through the collectives."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    x = torch.full((2, size), float(rank + 1), requires_grad=True)
    hvd.allreduce(x, op=hvd.Sum).sum().backward()
    assert (x.grad == size).all()
    x.grad = None
    rows = torch.full((rank + 1, 2), float(rank), requires_grad=True)
    weights = torch.arange(size * (size + 1) // 2 * 2.0).reshape(-1, 2)
    (hvd.allgather(rows) * weights).sum().backward()
    begin = rank * (rank + 1) // 2
    assert torch.equal(rows.grad, weights[begin : begin + rank + 1])
    (hvd.broadcast(x, 1) * 3).sum().backward()
    assert (x.grad == (3 if rank == 1 else 0)).all()
    y = torch.full((size, 2), float(rank), requires_grad=True)
    (hvd.alltoall(y) * (rank + 1)).sum().backward()
    assert torch.equal(y.grad[:, 0], torch.arange(1.0, size + 1))
    y.grad = None
    (hvd.reducescatter(y, op=hvd.Average) * (rank + 1)).sum().backward()
    assert torch.equal(y.grad[:, 0], torch.arange(1.0, size + 1))
    gathered = hvd.grouped_allgather([torch.tensor([rank]), torch.ones(1, 2)])
    assert gathered[0].tolist() == list(range(size)) and gathered[1].shape == (size, 2)
    parts = hvd.grouped_reducescatter([torch.ones(size), torch.ones(2 * size, 3)], op=hvd.Sum)
    assert parts[0].tolist() == [size] and parts[1].shape == (2, 3)
    assert hvd.allgather_object({"rank": rank}) == [{"rank": one} for one in range(size)]
    hvd.shutdown()


def sparse() -> None:
    """Sparse gradients, kept sparse and made dense, end where dense ones do."""
    hvd.init()
    rank = hvd.rank()
    expected = None
    for sparse, as_dense in ((False, False), (True, False), (True, True)):
        torch.manual_seed(0)
        table = torch.nn.Embedding(10, 3, sparse=sparse)
        optimizer = hvd.DistributedOptimizer(
            torch.optim.SGD(table.parameters(), lr=1.0),
            table.named_parameters(),
            sparse_as_dense=as_dense,
        )
        for step in range(3):
            optimizer.zero_grad()
            table(torch.tensor([rank, 4, step])).pow(2).sum().backward()
            optimizer.step()
        expected = table.weight.detach() if expected is None else expected
        assert torch.allclose(table.weight, expected, atol=1e-6)
    hvd.shutdown()


def groups() -> None:
    """Gradients in groups end where single ones do; so do several passes a step."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    results = []
    for kind in ("none", "number", "lists"):
        model = make_model()
        parameters = list(model.parameters())
        chosen = {"none": None, "number": 2, "lists": [parameters[:3], parameters[4:5]]}[kind]
        optimizer = hvd.DistributedOptimizer(
            torch.optim.SGD(model.parameters(), lr=0.1), model.named_parameters(), groups=chosen
        )
        results.append(torch.cat([one.reshape(-1) for one in train(model, optimizer, rank, size)]))
    assert torch.allclose(results[0], results[1], atol=1e-6)
    assert torch.allclose(results[0], results[2], atol=1e-6)
    hvd.shutdown()


def batch_norm() -> None:
    """Statistics and gradients are those of the whole batch."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    torch.manual_seed(1)
    whole = torch.randn(3 * size, 4, 5, dtype=torch.float64) * 3 + 1
    ours = hvd.SyncBatchNorm(4, momentum=0.3).double()
    theirs = torch.nn.BatchNorm1d(4, momentum=0.3).double()
    # Shares of different length.
    begin = [0, 5, *range(6, 3 * size)][rank]
    end = [5, 6, *range(7, 3 * size)][rank] if rank < size - 1 else 3 * size
    share = whole[begin:end].clone().requires_grad_()
    everything = whole.clone().requires_grad_()
    weights = torch.randn_like(whole)
    got, want = ours(share), theirs(everything)
    assert torch.allclose(got, want[begin:end])
    (got * weights[begin:end]).sum().backward()
    (want * weights).sum().backward()
    assert torch.allclose(share.grad, everything.grad[begin:end])
    assert torch.allclose(ours.running_mean, theirs.running_mean)
    assert torch.allclose(ours.running_var, theirs.running_var)
    summed = hvd.allreduce(ours.weight.grad, op=hvd.Sum)
    assert torch.allclose(summed, theirs.weight.grad)
    assert torch.allclose(ours.eval()(share), theirs.eval()(everything)[begin:end])
    hvd.shutdown()


def large() -> None:
    """A tensor in parts, small ones before it, and an answer that changes; recorded."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    for step in range(3):
        big = torch.arange(100_003, dtype=torch.float32) + rank
        turned = torch.arange(60_000.0).reshape(200, 300).t() + rank
        handles = [
            hvd.allreduce_async_(big, name="big", op=hvd.Sum, prescale_factor=2.0),
            hvd.allreduce_async_(turned, name="turned", op=hvd.Sum),
            hvd.allreduce_async(torch.ones(5 + step // 2), name="small", op=hvd.Sum),
        ]
        small = hvd.synchronize(handles[2])
        assert small.tolist() == [size] * (5 + step // 2)  # another shape in the last step
        hvd.synchronize(handles[0])
        hvd.synchronize(handles[1])
        ranks = sum(range(size))
        assert torch.equal(big, 2 * (torch.arange(100_003.0) * size + ranks))
        assert torch.equal(turned, torch.arange(60_000.0).reshape(200, 300).t() * size + ranks)
    hvd.shutdown()


def tuned() -> None:
    """Steps until the search for a good fusion threshold has ended."""
    from regatta.hvd import basics

    hvd.init()
    tensors = [torch.ones(1000) for _ in range(10)]
    more = True
    while more:
        handles = [
            hvd.allreduce_async_(tensor, name=str(index)) for index, tensor in enumerate(tensors)
        ]
        for handle in handles:
            hvd.synchronize(handle)
        tuner = basics.engine().tuner
        running = torch.tensor([0 if tuner is None else int(tuner.running)])
        more = bool(hvd.allreduce(running, op=hvd.Max, name="running").item())
    hvd.barrier()
    limits, cycle = basics.engine().tuned()
    both = hvd.allgather(torch.tensor([[float(limits), cycle * 1e6]], dtype=torch.float64))
    assert (both == both[0]).all(), both
    hvd.shutdown()


def pinned() -> None:
    """Print the cores of the background thread."""
    hvd.init()
    thread = next(one for one in threading.enumerate() if one.name == "regatta-hvd")
    print(json.dumps(sorted(os.sched_getaffinity(thread.native_id or 0))), flush=True)
    hvd.shutdown()


Check = Callable[[Any], bool]


def _submit(kind: str, name: str, count: int, chosen: hvd.ProcessSet) -> tuple[int, Check]:
    """Start one collective; return its handle, and what its result has to be."""
    rank, ranks = hvd.rank(), chosen.ranks
    total, most = sum(ranks) + len(ranks), ranks[-1] + 1
    mine = torch.full((count,), float(rank + 1))
    options = {"name": name, "process_set": chosen}
    if kind == "sum":
        handle = hvd.allreduce_async(mine, op=hvd.Sum, **options)
        return handle, lambda got: bool((got == total).all())
    if kind == "in place":
        handle = hvd.allreduce_async_(mine, op=hvd.Sum, **options)
        return handle, lambda _: bool((mine == total).all())
    if kind == "group":
        pair = [mine, torch.tensor([rank + 1])]
        handle = hvd.grouped_allreduce_async(pair, op=hvd.Max, **options)
        return handle, lambda got: bool((got[0] == most).all() and (got[1] == most).all())
    if kind == "gather":
        handle = hvd.allgather_async(mine[: rank + count % 3], **options)
        lengths = [(min(one + count % 3, count), one + 1.0) for one in ranks]
        everyones = [value for length, value in lengths for _ in range(length)]
        return handle, lambda got: got.tolist() == everyones
    if kind == "broadcast":
        handle = hvd.broadcast_async(mine, ranks[-1], **options)
        return handle, lambda got: bool((got == most).all())
    if kind == "scatter":
        handle = hvd.reducescatter_async(mine, op=hvd.Sum, **options)
        return handle, lambda got: bool((got == total).all())
    handle = hvd.alltoall_async(torch.full((len(ranks),), rank), **options)
    return handle, lambda got: got[0].tolist() == ranks


def anything() -> None:
    """Rounds of everything at once, over three process sets, in another order on each rank."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    sets = [
        hvd.global_process_set,
        hvd.add_process_set([0, 1]),
        hvd.add_process_set(range(1, size)),
    ]
    same, own = random.Random(5), random.Random(rank)
    kinds = ["sum", "in place", "group", "gather", "broadcast", "scatter", "exchange"]
    for step in range(80):
        jobs = {}
        for _ in range(same.randint(1, 25)):
            kind = same.choice(kinds)
            count = same.choice([1, 3, 100, 5000, 20000])
            jobs[f"{kind} {same.randint(0, 20)}"] = (kind, count, same.choice(sets))
        names = [name for name, job in jobs.items() if job[2].included()]
        own.shuffle(names)
        started = {name: _submit(jobs[name][0], name, *jobs[name][1:]) for name in names}
        for name, (handle, is_right) in started.items():
            assert is_right(hvd.synchronize(handle)), (step, name, jobs[name])
        if step % 30 == 29:
            hvd.join()
    hvd.shutdown()
