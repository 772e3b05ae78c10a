"""What the ranks of the tests' jobs do: ``python workers.py <function>``. A failed assertion is
the rank's exit code.
"""

import itertools
import json
import logging
import sys
import threading
import time
import warnings

import numpy as np
import regatta.hvd.torch as hvd
import torch
import workers_api
from regatta import eccl
from training import make_model, train


def say(text: str) -> None:
    print(text, flush=True)


def submitted() -> None:
    """Calls that are submitted while others wait, and their order among blocking ones."""
    import os

    rank, size = int(os.environ["HOROVOD_RANK"]), int(os.environ["HOROVOD_SIZE"])
    with eccl.Communicator(rank, size) as comm:
        data = np.ones(50_000, np.float32)
        requests = [comm.submit.all_reduce(data, data) for _ in range(4)]
        counts = list(range(1, size + 1))
        gathered = np.empty(sum(counts), np.int32)
        requests.append(comm.submit.all_gather(np.full(rank + 1, rank, np.int32), gathered, counts))
        # Behind the others: reads what they have written.
        comm.broadcast(data, root=size - 1)
        assert all(request.done() for request in requests)
        assert (data == size**4).all()
        assert gathered.tolist() == [r for r in range(size) for _ in range(r + 1)]
        one = np.array([float(rank)])
        request = comm.submit.send_receive(one, (rank + 1) % size, one.copy(), (rank - 1) % size)
        request.wait(60)
    assert request.done()


def arrays() -> None:
    """Raw collectives on NumPy arrays."""
    import os

    rank, size = int(os.environ["HOROVOD_RANK"]), int(os.environ["HOROVOD_SIZE"])
    with eccl.Communicator(rank, size) as comm:
        total = np.empty(1000, np.float64)
        comm.all_reduce(np.full(1000, rank + 1.0), total)
        assert (total == size * (size + 1) / 2).all()
        assert comm.last_op().operation == "allreduce"
        counts = list(range(1, size + 1))
        gathered = np.empty(sum(counts), np.int32)
        comm.all_gather(np.full(rank + 1, rank, np.int32), gathered, counts)
        assert gathered.tolist() == [r for r in range(size) for _ in range(r + 1)]
        part = np.empty(3, np.int64)
        comm.reduce_scatter(np.arange(3 * size), part, eccl.ReduceOp.MAX)
        assert part.tolist() == [3 * rank, 3 * rank + 1, 3 * rank + 2]
        bits = np.empty(1, np.uint8)
        comm.all_reduce(np.array([1 << rank], np.uint8), bits, eccl.ReduceOp.BOR)
        assert bits.tolist() == [(1 << size) - 1]
        total = np.zeros(2, np.float32)
        comm.reduce(np.full(2, rank, np.float32), total if rank == 1 else None, root=1)
        assert total.tolist() == [sum(range(size)) if rank == 1 else 0] * 2
        collected = np.zeros(size, np.int32)
        comm.gather(np.array([rank], np.int32), collected if rank == 0 else None)
        assert collected.tolist() == (list(range(size)) if rank == 0 else [0] * size)
        mine = np.empty(1, np.int32)
        comm.scatter(collected + 5 if rank == 0 else None, mine)
        assert mine.tolist() == [rank + 5]
        word = np.frombuffer(b"root" if rank == 0 else b"....", np.uint8).copy()
        comm.broadcast(word)
        assert word.tobytes() == b"root"
        comm.barrier()
        if rank == 0:
            comm.send(np.array([7.5], np.float32), 1)
        elif rank == 1:
            one = np.empty(1, np.float32)
            comm.receive(one, 0)
            assert one[0] == 7.5


def regression(comm: eccl.Communicator, seed: int, compressor: eccl.Compressor | None) -> float:
    """Train a small network on a fixed noisy task, each rank on its share; the final test loss."""
    data = np.random.default_rng(42)
    truth = data.normal(size=(16, 8)) / 4
    inputs = data.normal(size=(3072, 16))
    targets = np.tanh(inputs @ truth) + 0.3 * data.normal(size=(3072, 8))
    test, expected, inputs, targets = inputs[:1024], targets[:1024], inputs[1024:], targets[1024:]
    draw = np.random.default_rng(seed)
    shapes = ((16, 32), (32, 8))
    weights = np.concatenate(
        [draw.normal(size=rows * columns) / np.sqrt(rows) for rows, columns in shapes]
    ).astype(np.float32)
    velocity = np.zeros_like(weights)

    def forward(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first = weights[: 16 * 32].reshape(16, 32)
        second = weights[16 * 32 :].reshape(32, 8)
        hidden = np.tanh(batch @ first)
        return second, hidden, hidden @ second

    for step in range(1000):
        chosen = draw.integers(0, len(inputs), 32 * comm.size)[comm.rank :: comm.size]
        second, hidden, output = forward(inputs[chosen])
        error = 2 * (output - targets[chosen]) / output.size
        into_hidden = (error @ second.T) * (1 - hidden**2)
        gradient = np.concatenate(
            [(inputs[chosen].T @ into_hidden).ravel(), (hidden.T @ error).ravel()]
        ).astype(np.float32)
        if compressor is None:
            comm.all_reduce(gradient, gradient, eccl.ReduceOp.AVG)
        else:
            comm.all_reduce_compressed(gradient, gradient, compressor)
        velocity = 0.5 * velocity + gradient
        weights -= np.float32(0.5 * (1 - step / 1000)) * velocity
    loss = float(((forward(test)[2] - expected) ** 2).mean())
    everyone = np.empty(comm.size, np.float64)
    comm.all_gather(np.array([loss]), everyone)
    assert (everyone == loss).all(), "all ranks have the same weights"
    return loss


def compression() -> None:
    """With each format the loss ends among those of exact gradients with three seeds."""
    import os

    rank, size = int(os.environ["HOROVOD_RANK"]), int(os.environ["HOROVOD_SIZE"])
    formats = {
        eccl.WireFormat.FLOAT16: {},
        eccl.WireFormat.BFLOAT16: {},
        eccl.WireFormat.INT8: {},
        eccl.WireFormat.TOP_K: {"topk_ratio": 0.1, "warmup_steps": 100},
        eccl.WireFormat.POWER_SGD: {"powersgd_rank": 2, "powersgd_rows": 24},
    }
    with eccl.Communicator(rank, size) as comm:
        exact = [regression(comm, seed, None) for seed in range(3)]
        assert max(exact) < 0.1, "the noise alone costs 0.09"
        for kind, options in formats.items():
            losses = []
            for seed in range(3):
                with eccl.Compressor(kind, inside_hosts=True, **options) as compressor:
                    losses.append(regression(comm, seed, compressor))
                    assert compressor.info().steps == 1000
                    assert 0 < compressor.info().sent_bytes < 768 * 4
            say(f"{kind.name}: {losses}, exact {exact}")
            assert min(exact) <= np.mean(losses) <= max(exact), kind


def operations() -> None:
    """Every operation of the package, against what it should give."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    assert hvd.is_initialized() and hvd.local_size() == size and hvd.local_rank() == rank
    assert hvd.cross_size() == 1 and hvd.cross_rank() == 0
    ranks = torch.arange(1, size + 1)
    for dtype in (
        torch.float32,
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.uint8,
    ):
        mine = torch.full((3, 5), rank + 1).to(dtype)
        assert (hvd.allreduce(mine, op=hvd.Sum) == int(ranks.sum())).all(), dtype
        assert (hvd.allreduce(mine, op=hvd.Max) == size).all()
        assert (hvd.allreduce(mine, op=hvd.Min) == 1).all()
        assert (hvd.allreduce(mine, op=hvd.Product) == int(ranks.prod())).all()
        assert (mine == rank + 1).all(), "the input is not touched"
    mine = torch.full((4,), float(rank))
    mean = (size - 1) / 2
    assert (hvd.allreduce(mine) == mean).all()
    assert (hvd.allreduce(mine, compression=hvd.Compression.bf16) == mean).all()
    assert hvd.allreduce(mine, compression=hvd.Compression.fp16).dtype == torch.float32
    assert (hvd.allreduce(mine, prescale_factor=2.0, postscale_factor=3.0) == 6 * mean).all()
    strided = torch.zeros(4, 6)[:, ::2]
    strided += rank
    assert hvd.allreduce_(strided, op=hvd.Sum) is strided
    assert (strided == size * mean).all()

    # In another order on each rank.
    names = [str(i) for i in range(8)]
    handles = {
        name: hvd.allreduce_async(torch.full((int(name) + 1,), float(rank)), name=name)
        for name in (names if rank % 2 == 0 else reversed(names))
    }
    for name in names:
        assert hvd.synchronize(handles[name]).tolist() == [mean] * (int(name) + 1)
    group = hvd.grouped_allreduce([torch.ones(2), torch.ones(3, dtype=torch.int32) * 4], op=hvd.Sum)
    assert group[0].tolist() == [size] * 2 and group[1].tolist() == [4 * size] * 3
    handle = hvd.allreduce_async_(mine, op=hvd.Sum)
    hvd.synchronize(handle)
    assert (mine == size * mean).all()

    rows = hvd.allgather(torch.full((rank, 2), rank, dtype=torch.bool))
    assert rows.shape == (sum(range(size)), 2)
    assert hvd.allgather(torch.tensor(rank)).tolist() == list(range(size))
    got = hvd.broadcast(torch.full((2, 2), rank, dtype=torch.int16), size - 1)
    assert (got == size - 1).all()
    turned = torch.full((3, 2), float(rank)).t()
    assert (hvd.broadcast_(turned, 1) == 1).all() and (turned == 1).all()
    assert hvd.broadcast_object({"rank": rank, "list": [1, "two"]}, 1) == {
        "rank": 1,
        "list": [1, "two"],
    }
    sent = torch.arange(size, dtype=torch.float64) + 10 * rank
    assert hvd.alltoall(sent).tolist() == [10.0 * r + rank for r in range(size)]
    data, counts = hvd.alltoall(torch.full((size * rank,), rank), [rank] * size)
    assert counts.tolist() == list(range(size))
    assert data.tolist() == [r for r in range(size) for _ in range(r)]
    part = hvd.reducescatter(torch.ones(2 * size + 1, 3), op=hvd.Sum)
    assert part.shape == (3 if rank == 0 else 2, 3) and (part == size).all()
    hvd.barrier()
    assert hvd.allreduce(torch.empty(0)).numel() == 0
    hvd.shutdown()
    assert not hvd.is_initialized()
    hvd.init()
    assert hvd.allreduce(torch.ones(1), op=hvd.Sum).item() == size
    hvd.shutdown()


def gradients() -> None:
    """Ranks with a share of the batch each end where one process with the whole batch does."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    for passes, options in (
        (1, {}),
        (2, {"backward_passes_per_step": 2}),
        (1, {"gradient_predivide_factor": 2.0}),
    ):
        whole = make_model()
        expected = train(whole, torch.optim.Adam(whole.parameters(), lr=0.01), 0, 1)
        model = make_model(seed=rank)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01 if rank == 0 else 0.5)
        hvd.broadcast_parameters(model.state_dict())
        hvd.broadcast_optimizer_state(optimizer)
        optimizer = hvd.DistributedOptimizer(optimizer, model.named_parameters(), **options)
        assert isinstance(optimizer, torch.optim.Adam)
        result = train(model, optimizer, rank, size, passes)
        for got, want in zip(result, expected, strict=True):
            assert torch.allclose(got, want, atol=2e-5), (got - want).abs().max()
        flat = torch.cat([part.reshape(-1) for part in result])
        everyone = hvd.allgather(flat[None])
        assert (everyone == everyone[0]).all(), "all ranks have the same bits"
    hvd.shutdown()


def clipping() -> None:
    """synchronize, clip, step; and what is refused between backward and step."""
    hvd.init()
    model = make_model()
    optimizer = hvd.DistributedOptimizer(
        torch.optim.SGD(model.parameters(), lr=0.1),
        model.named_parameters(),
        compression=hvd.Compression.fp16,
    )
    model(torch.ones(2, 10) * hvd.rank()).sum().backward()
    try:
        optimizer.zero_grad()
        raise SystemExit("zero_grad between backward and step was allowed")
    except AssertionError as error:
        assert "before optimizer.step()" in str(error)
    optimizer.synchronize()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    with warnings.catch_warnings(), optimizer.skip_synchronize():
        warnings.simplefilter("error")
        optimizer.step()
    weights = torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])
    everyone = hvd.allgather(weights[None])
    assert (everyone == everyone[0]).all()
    hvd.shutdown()


def overlap() -> None:
    """A deep, slow backward pass, recorded."""
    hvd.init()
    torch.manual_seed(0)
    layers = list(
        itertools.chain.from_iterable(
            (torch.nn.Linear(512, 512), torch.nn.ReLU()) for _ in range(12)
        )
    )
    model = torch.nn.Sequential(*layers)
    optimizer = hvd.DistributedOptimizer(
        torch.optim.SGD(model.parameters(), lr=0.01), model.named_parameters()
    )
    model(torch.randn(512, 512)).sum().backward()
    optimizer.step()
    hvd.shutdown()


def fusion() -> None:
    """Many small tensors, handed over at once, travel together; recorded."""
    hvd.init()
    hvd.barrier()
    handles = [hvd.allreduce_async(torch.ones(10), name=str(index)) for index in range(50)]
    for handle in handles:
        hvd.synchronize(handle)
    hvd.shutdown()


def mismatch() -> None:
    """Another shape on the last rank: an error on all."""
    hvd.init()
    shape = (3, 4) if hvd.rank() == hvd.size() - 1 else (4, 3)
    try:
        hvd.allreduce(torch.zeros(shape), name="weights")
        raise SystemExit("no error")
    except hvd.HorovodInternalError as error:
        say(str(error))
    # The job is not lost: the next tensor is fine.
    assert hvd.allreduce(torch.ones(1), op=hvd.Sum, name="next").item() == hvd.size()
    hvd.shutdown()


def forever() -> None:
    """Train until something happens."""
    hvd.init()
    model = make_model()
    optimizer = hvd.DistributedOptimizer(
        torch.optim.SGD(model.parameters(), lr=0.01), model.named_parameters()
    )
    for step in itertools.count():
        optimizer.zero_grad()
        model(torch.ones(4, 10)).sum().backward()
        try:
            optimizer.step()
        except hvd.HorovodInternalError as error:
            say(f"error {error}")
            raise SystemExit(3) from error
        if step == 2:
            say("ready")


def stall() -> None:
    """Rank 1 does not submit what the others do, until they give up."""
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    hvd.init()
    hvd.allreduce(torch.ones(1), name="lonely")  # known to all ranks from now on
    if hvd.rank() == 1:
        try:
            hvd.allreduce(torch.ones(1), name="another")
        except hvd.HorovodInternalError as error:
            say(f"error {error}")
        return
    try:
        hvd.allreduce(torch.ones(1), name="lonely")
    except hvd.HorovodInternalError as error:
        say(f"error {error}")
    hvd.shutdown()


def crowded() -> None:
    """With four collectives under way a fifth submission waits; then all come, or all fail."""
    hvd.init()
    rank = hvd.rank()
    handles: list[int] = []
    failures: list[Exception] = []

    def submit(word: str) -> None:
        try:
            for index in range(10):
                handles.append(hvd.allreduce_async(torch.ones(3), name=f"{word}.{index}"))
        except hvd.HorovodInternalError as error:
            failures.append(error)

    for word in ("done", "given up"):
        handles.clear()
        if rank == 0:
            thread = threading.Thread(target=submit, args=(word,))
            thread.start()
            deadline = time.monotonic() + 60
            while len(handles) < 4:
                assert time.monotonic() < deadline
        # Many cycles of the background threads, in which barriers pass what waits.
        for _ in range(50):
            hvd.barrier()
        assert len(handles) == (4 if rank == 0 else 0)
        if word == "given up":
            hvd.shutdown()
        elif rank == 1:
            submit(word)
        if rank == 0:
            thread.join(60)
            assert not thread.is_alive()
        if word == "done":
            assert len(handles) == 10
            assert all((hvd.synchronize(handle) == 1).all() for handle in handles)
    assert len(failures) == (1 if rank == 0 else 0)
    assert all("hvd.shutdown() was called" in str(error) for error in failures)


def leaves() -> None:
    """Rank 1 ends by an exception of its own program."""
    hvd.init()
    if hvd.rank() == 1:
        raise SystemExit(5)
    try:
        hvd.allreduce(torch.ones(1), name="lonely")
    except hvd.HorovodInternalError as error:
        say(f"error {error}")


def placement() -> None:
    hvd.init()
    say(json.dumps([hvd.rank(), hvd.size(), hvd.local_rank(), hvd.local_size()]))
    hvd.shutdown()


if __name__ == "__main__":
    (globals() | vars(workers_api))[sys.argv[1]]()
