"""What the ranks of the jobs of test_hvd_paddle.py do: ``python paddle_workers.py <function>``."""

import sys
from typing import Any

import numpy as np
import paddle
import regatta.hvd.paddle as hvd
from regatta import eccl
from sklearn.datasets import load_digits


def say(text: str) -> None:
    print(text, flush=True)


def values(tensor: paddle.Tensor) -> list[Any]:
    return tensor.astype("float64").tolist()


def operations() -> None:
    """Every operation of the package, against what it should give."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    assert hvd.is_initialized() and hvd.local_size() == size and hvd.local_rank() == rank
    total, product = size * (size + 1) // 2, int(np.prod(range(1, size + 1)))
    for dtype in ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "int8"]:
        mine = paddle.full([3, 5], rank + 1, dtype)
        for op, expected in (
            (hvd.Sum, total),
            (hvd.Max, size),
            (hvd.Min, 1),
            (hvd.Product, product),
        ):
            got = hvd.allreduce(mine, op=op)
            assert got.dtype == mine.dtype and values(got) == [[expected] * 5] * 3, (dtype, op)
        scaled = hvd.allreduce(mine, op=hvd.Sum, prescale_factor=2.0, postscale_factor=3.0)
        assert values(scaled) == [[6 * total] * 5] * 3, dtype
        assert values(mine) == [[rank + 1] * 5] * 3, "the input is not touched"
        part = hvd.reducescatter(paddle.ones([2 * size + 1, 3], dtype), op=hvd.Sum)
        assert values(part) == [[size] * 3] * (3 if rank == 0 else 2), dtype
        fused = hvd.grouped_allreduce([mine, paddle.ones([2], "int32"), mine[0]], op=hvd.Sum)
        assert values(fused[0]) == [[total] * 5] * 3 and values(fused[1]) == [size] * 2
        assert values(fused[2]) == [total] * 5 and fused[2].dtype == mine.dtype
    for dtype in ["bool", "int16", "complex64", "bfloat16", "float32"]:
        rows = hvd.allgather(paddle.full([rank, 2], rank, dtype))
        assert rows.dtype == getattr(paddle, dtype) and rows.shape == [sum(range(size)), 2]
        expected = [[float(bool(r) if dtype == "bool" else r)] * 2 for r in range(size)]
        whole = [row for r, row in enumerate(expected) for _ in range(r)]
        if dtype != "complex64":
            assert values(rows) == whole, dtype
        got = hvd.broadcast(paddle.full([2, 2], rank, dtype), size - 1)
        assert got.dtype == getattr(paddle, dtype)
        assert bool((got.astype("complex64") == (1 if dtype == "bool" else size - 1)).all())
    # Rounded to nearest even, as one addition in float32 is.
    odd = paddle.to_tensor([1.0, 256.0 + rank], dtype="bfloat16")
    assert values(hvd.allreduce(odd)) == values(
        (odd.astype("float32") * 0 + hvd.allreduce(odd.astype("float32"))).astype("bfloat16")
    )
    mine = paddle.full([4], float(rank))
    mean = (size - 1) / 2
    assert values(hvd.allreduce(mine)) == [mean] * 4
    for compression in (hvd.Compression.fp16, hvd.Compression.bf16):
        got = hvd.allreduce(mine, compression=compression)
        assert got.dtype == paddle.float32 and values(got) == [mean] * 4
    whole = paddle.zeros([4, 6])
    strided = whole[:, ::2]
    paddle.assign(paddle.full([4, 3], float(rank)), strided)
    assert not strided.is_contiguous()
    assert hvd.allreduce_(strided, op=hvd.Sum) is strided
    assert values(whole) == [[size * mean, 0.0] * 3] * 4

    # In another order on each rank.
    names = [str(i) for i in range(8)]
    handles = {
        name: hvd.allreduce_async(paddle.full([int(name) + 1], float(rank)), name=name)
        for name in (names if rank % 2 == 0 else reversed(names))
    }
    for name in names:
        assert values(hvd.synchronize(handles[name])) == [mean] * (int(name) + 1)
    handle = hvd.allreduce_async_(mine, op=hvd.Sum)
    hvd.synchronize(handle)
    assert values(mine) == [size * mean] * 4
    assert hvd.allgather(paddle.to_tensor(rank)).tolist() == list(range(size))
    turned = paddle.full([3, 2], float(rank)).t()
    assert values(hvd.broadcast_(turned, 1)) == [[1.0] * 3] * 2
    assert hvd.broadcast_object({"rank": rank, "list": [1, "two"]}, 1)["rank"] == 1
    assert hvd.allgather_object({"rank": rank}) == [{"rank": one} for one in range(size)]
    sent = paddle.arange(size).astype("float64") + 10 * rank
    assert values(hvd.alltoall(sent)) == [10.0 * r + rank for r in range(size)]
    data, counts = hvd.alltoall(paddle.full([size * rank], rank), [rank] * size)
    assert counts.tolist() == list(range(size))
    assert data.tolist() == [r for r in range(size) for _ in range(r)]
    hvd.barrier()
    assert hvd.allreduce(paddle.empty([0])).shape == [0]
    indices, entries = [[0, rank], [1, rank]], [1.0, 2.0]
    sparse = paddle.sparse.sparse_coo_tensor(indices, entries, [size, size])
    dense = hvd.sparse_allreduce_async(sparse, "sparse", hvd.Sum)().coalesce().to_dense()
    assert float(dense.sum()) == 3 * size and float(dense[0, 1]) == size
    hvd.shutdown()
    assert not hvd.is_initialized()
    hvd.init()
    assert values(hvd.allreduce(paddle.ones([1]), op=hvd.Sum)) == [size]
    hvd.shutdown()


def raw() -> None:
    """Tensors of Paddle in regatta.eccl itself."""
    import os

    rank, size = int(os.environ["HOROVOD_RANK"]), int(os.environ["HOROVOD_SIZE"])
    with eccl.Communicator(rank, size) as comm:
        for dtype in ("float32", "bfloat16", "int64"):
            mine = paddle.full([7], rank + 1, dtype)
            comm.all_reduce(mine, mine)
            assert values(mine) == [size * (size + 1) / 2] * 7


def sets() -> None:
    """Two sets of ranks work beside each other; ranks join."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    even = hvd.add_process_set(range(0, size, 2))
    odd = hvd.add_process_set(hvd.ProcessSet(range(1, size, 2)))
    mine, other = (even, odd) if rank % 2 == 0 else (odd, even)
    for step in range(3):
        tensor = paddle.full([3], float(rank + step))
        got = hvd.allreduce(tensor, op=hvd.Sum, name="t", process_set=mine)
        assert values(got) == [sum(mine.ranks) + step * mine.size()] * 3
    assert hvd.allgather(paddle.to_tensor([rank]), process_set=mine).tolist() == mine.ranks
    try:
        hvd.allreduce(paddle.ones([1]), process_set=other)
        raise SystemExit("no error")
    except ValueError as error:
        assert "is not part of" in str(error)
    assert hvd.remove_process_set(even) and hvd.remove_process_set(odd)
    # The last rank has more data than the others.
    for step in range(2 if rank < size - 1 else 4):
        got = hvd.allreduce(paddle.ones([2], "bfloat16"), op=hvd.Sum, name=f"step.{step}")
        assert values(got) == [size if step < 2 else 1] * 2
    assert hvd.join() == size - 1
    hvd.shutdown()


def derivatives() -> None:
    """Gradients go through the collectives."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()

    def leaf(shape: list[int], value: float) -> paddle.Tensor:
        made = paddle.full(shape, value)
        made.stop_gradient = False
        return made

    x = leaf([2, size], rank + 1.0)
    hvd.allreduce(x, op=hvd.Sum).sum().backward()
    assert values(x.grad) == [[size] * size] * 2
    rows = leaf([rank + 1, 2], float(rank))
    weights = paddle.arange(size * (size + 1)).astype("float32").reshape([-1, 2])
    (hvd.allgather(rows) * weights).sum().backward()
    begin = rank * (rank + 1) // 2
    assert values(rows.grad) == values(weights[begin : begin + rank + 1])
    x = leaf([2], 1.0)
    (hvd.broadcast(x, 1) * 3).sum().backward()
    assert values(x.grad) == [3 if rank == 1 else 0] * 2
    y = leaf([size, 2], float(rank))
    (hvd.alltoall(y) * (rank + 1)).sum().backward()
    assert values(y.grad[:, 0]) == list(range(1, size + 1))
    y = leaf([size, 2], float(rank))
    (hvd.reducescatter(y, op=hvd.Average) * (rank + 1)).sum().backward()
    assert values(y.grad[:, 0]) == list(range(1, size + 1))
    group = hvd.grouped_allreduce([leaf([1], 1.0), paddle.ones([2], "int64")], op=hvd.Sum)
    group[0].backward()
    hvd.shutdown()


def make_model(seed: int = 0) -> paddle.nn.Layer:
    paddle.seed(seed)
    return paddle.nn.Sequential(
        paddle.nn.Linear(64, 32), paddle.nn.Tanh(), paddle.nn.Linear(32, 10)
    )


def train(
    model: paddle.nn.Layer, optimizer: Any, rank: int, size: int, passes: int = 1
) -> tuple[list[float], list[np.ndarray]]:
    """Ten steps on this rank's share of each batch of digits; losses and weights."""
    digits = load_digits()
    order = np.random.default_rng(1).permutation(len(digits.target))
    losses = []
    for step in range(10):
        chosen = order[48 * step : 48 * (step + 1)][rank::size]
        optimizer.clear_grad()
        loss = 0.0
        for part in np.split(chosen, passes):
            inputs = paddle.to_tensor(digits.data[part].astype(np.float32) / 16)
            labels = paddle.to_tensor(digits.target[part].astype(np.int64))
            one = paddle.nn.functional.cross_entropy(model(inputs), labels) / passes
            one.backward()
            loss += float(one)
        optimizer.step()
        losses.append(loss)
    return losses, [parameter.numpy() for parameter in model.parameters()]


def gradients() -> None:
    """Ranks with a share of the batch each end where one process with the whole batch does."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    whole = make_model()
    adam = paddle.optimizer.Adam(0.01, parameters=whole.parameters())
    expected, expected_weights = train(whole, adam, 0, 1)
    assert expected[-1] < 0.8 * expected[0], "it learns"
    for passes, options in (
        (1, {}),
        (2, {"backward_passes_per_step": 2}),
        (1, {"gradient_predivide_factor": 2.0}),
        (1, {"groups": 2}),
    ):
        if rank == 1:
            make_model()  # Paddle's names of parameters count layers
        model = make_model(seed=rank)
        optimizer = paddle.optimizer.Adam(0.01 if rank == 0 else 0.5, parameters=model.parameters())
        hvd.broadcast_parameters(model.state_dict())
        hvd.broadcast_optimizer_state(optimizer)
        optimizer = hvd.DistributedOptimizer(optimizer, model.named_parameters(), **options)
        assert isinstance(optimizer, paddle.optimizer.Adam)
        losses, weights = train(model, optimizer, rank, size, passes)
        mean = values(hvd.allreduce(paddle.to_tensor(losses, dtype="float64")))
        assert np.allclose(mean, expected, atol=1e-5), (mean, expected)
        for got, want in zip(weights, expected_weights, strict=True):
            assert np.allclose(got, want, atol=3e-5), np.abs(got - want).max()
        flat = paddle.to_tensor(np.concatenate([one.ravel() for one in weights]))
        everyone = hvd.allgather(flat.unsqueeze(0))
        assert bool((everyone == everyone[0]).all()), "all ranks have the same bits"
    hvd.shutdown()


def compressed() -> None:
    """With compressed gradients digits are learnt as fast, and all ranks have the same weights."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    last = []
    for compression in (
        hvd.Compression.none,
        hvd.Compression.int8(inside_hosts=True, minimum_elements=0),
        hvd.Compression.topk(ratio=0.2, minimum_elements=0),
        hvd.Compression.powersgd(rank=4, minimum_elements=0),
    ):
        model = make_model()
        optimizer = hvd.DistributedOptimizer(
            paddle.optimizer.Momentum(0.2, 0.9, parameters=model.parameters()),
            model.named_parameters(prefix=str(len(last))),
            compression=compression,
        )
        losses, weights = train(model, optimizer, rank, size)
        last.append(float(hvd.allreduce(paddle.to_tensor([losses[-1]]))[0]))
        flat = paddle.to_tensor(np.concatenate([one.ravel() for one in weights]))
        everyone = hvd.allgather(flat.unsqueeze(0))
        assert bool((everyone == everyone[0]).all()), "all ranks have the same bits"
    assert last[0] < 1.5 and max(last) < 1.2 * last[0], last
    assert len(set(last)) == len(last), "each is another approximation"
    heavy = paddle.optimizer.Momentum(0.2, 0.9, parameters=model.parameters())
    large = paddle.ones([64, 64])
    for call in (
        lambda: hvd.allreduce(large, compression=hvd.Compression.int8),
        lambda: hvd.reducescatter(large, compression=hvd.Compression.int8),
        lambda: hvd.DistributedOptimizer(heavy, compression=hvd.Compression.dgc()),
    ):
        try:
            call()
        except ValueError:
            continue
        raise AssertionError("that cannot be compressed")
    large.stop_gradient = False
    summed = hvd.allreduce(large, name="x", compression=hvd.Compression.int8)
    summed.sum().backward()
    assert bool((large.grad == 1).all())
    hvd.shutdown()


def state() -> None:
    """An optimizer's state goes to a rank that has none, and to one that has another."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    model = make_model()
    optimizer = paddle.optimizer.Adam(0.01, parameters=model.parameters())
    if rank != size - 1:
        for _ in range(rank + 1):
            model(paddle.ones([1, 64]) * (rank + 1)).sum().backward()
            optimizer.step()
            optimizer.clear_grad()
    hvd.broadcast_optimizer_state(optimizer, 0)
    hvd.broadcast_parameters(model.named_parameters(), 0)
    moments = hvd.allgather_object(
        sorted(float(one.sum()) for one in optimizer.state_dict().values())
    )
    assert moments[0] and all(one == moments[0] for one in moments), moments
    model(paddle.ones([1, 64])).sum().backward()
    optimizer.step()
    weights = hvd.allgather_object(model[0].weight.numpy().tobytes())
    assert all(one == weights[0] for one in weights)
    # A root without state makes that of the others void.
    fresh = paddle.optimizer.Adam(0.25, parameters=model.parameters())
    if rank > 0:
        fresh.step()
    hvd.broadcast_optimizer_state(fresh, 0)
    assert not fresh._accumulators and fresh.get_lr() == 0.25
    hvd.shutdown()


def restored() -> None:
    """An optimizer goes back to before its first step, and to a later one."""
    hvd.init()
    model = make_model()
    adam = paddle.optimizer.Adam(0.01, parameters=model.parameters())

    def steps() -> list[bytes]:
        weights = []
        for _ in range(3):
            model(paddle.ones([1, 64])).pow(2).sum().backward()
            adam.step()
            adam.clear_grad()
            weights.append(model[0].weight.numpy().tobytes())
        return weights

    state = hvd.elastic.PaddleState(model, adam)
    first = steps()
    state.restore()  # Paddle itself refuses to load a state without moments now
    assert steps() == first
    state.save()
    second = steps()
    model(paddle.ones([1, 64])).sum().backward()  # of a step that failed
    state.restore()
    assert steps() == second and second[0] != first[0]
    hvd.shutdown()


def half() -> None:
    """Single-precision state of half-precision weights travels, and goes back."""
    hvd.init()
    rank = hvd.rank()
    model = make_model()
    model.to(dtype="bfloat16")
    adam = paddle.optimizer.Adam(0.01, parameters=model.parameters(), multi_precision=True)
    kinds = ("moment1", "moment2")

    def make(value: float) -> None:
        """State as steps make it: on CPUs, Paddle has no kernel for the step itself."""
        block = paddle.static.default_main_program().global_block()
        adam._create_accumulators(block, model.parameters())
        for parameter in model.parameters():
            master = adam._master_weights[parameter.name]
            for one in (master, *(adam._get_accumulator_master(k, parameter) for k in kinds)):
                paddle.assign(paddle.full_like(one, value), one)

    def seen() -> list[float]:
        return [
            float(one.mean())
            for parameter in model.parameters()
            for one in (
                adam._master_weights[parameter.name],
                *(adam._get_accumulator_master(kind, parameter) for kind in kinds),
            )
        ]

    if rank != hvd.size() - 1:
        make(rank + 2.0)
    hvd.broadcast_optimizer_state(adam)
    assert seen() == [2.0] * 12, seen()
    state = hvd.elastic.PaddleState(model, adam)
    make(7.0)
    assert seen() == [7.0] * 12
    state.restore()
    assert seen() == [2.0] * 12, seen()
    hvd.shutdown()


def clipping() -> None:
    """synchronize, clip, step; and what is refused between backward and step."""
    hvd.init()
    model = make_model()
    optimizer = hvd.DistributedOptimizer(
        paddle.optimizer.SGD(0.1, parameters=model.parameters()),
        model.named_parameters(),
        compression=hvd.Compression.fp16,
    )
    model(paddle.ones([2, 64]) * hvd.rank()).sum().backward()
    try:
        optimizer.clear_grad()
        raise SystemExit("clear_grad between backward and step was allowed")
    except AssertionError as error:
        assert "before optimizer.step()" in str(error)
    optimizer.synchronize()
    paddle.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    with optimizer.skip_synchronize():
        optimizer.step()
    weights = hvd.allgather_object([one.numpy().tobytes() for one in model.parameters()])
    assert all(one == weights[0] for one in weights)
    hvd.shutdown()


def sparse() -> None:
    """Gradients of selected rows, kept and made dense, end where dense ones do; Adasum runs."""
    hvd.init()
    rank = hvd.rank()
    expected = None
    for kept, as_dense in ((False, False), (True, False), (True, True)):
        paddle.seed(0)
        table = paddle.nn.Embedding(10, 3, sparse=kept)
        optimizer = hvd.DistributedOptimizer(
            paddle.optimizer.SGD(1.0, parameters=table.parameters()),
            table.named_parameters(),
            sparse_as_dense=as_dense,
        )
        for step in range(3):
            table(paddle.to_tensor([rank, 4, step])).pow(2).sum().backward()
            optimizer.step()
            optimizer.clear_grad()
        got = table.weight.numpy()
        expected = got if expected is None else expected
        assert np.allclose(got, expected, atol=1e-6), (kept, as_dense)
    single = np.zeros(hvd.size(), np.float32)
    single[rank] = rank + 1.0
    for dtype in ("float32", "float64", "bfloat16"):
        total = hvd.allreduce(paddle.to_tensor(single).astype(dtype), op=hvd.Adasum)
        assert values(total) == [r + 1.0 for r in range(hvd.size())]  # orthogonal: added
        same = hvd.allreduce(paddle.arange(3).astype(dtype), op=hvd.Adasum)
        assert values(same) == [0, 1, 2]  # parallel: averaged
    model = make_model()
    optimizer = hvd.DistributedOptimizer(
        paddle.optimizer.SGD(0.1, parameters=model.parameters()), op=hvd.Adasum
    )
    train(model, optimizer, rank, hvd.size())
    weights = hvd.allgather_object([one.numpy().tobytes() for one in model.parameters()])
    assert all(one == weights[0] for one in weights)
    hvd.shutdown()


def batch_norm() -> None:
    """Statistics and gradients are those of the whole batch."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    paddle.set_default_dtype("float64")
    draw = np.random.default_rng(1)
    for form in ("NCL", "NLC"):
        shape = [3 * size, 4, 5] if form == "NCL" else [3 * size, 5, 4]
        whole = draw.normal(size=shape) * 3 + 1
        weights = draw.normal(size=shape)
        ours = hvd.SyncBatchNorm(4, momentum=0.7, data_format=form)
        theirs = paddle.nn.BatchNorm1D(4, momentum=0.7, data_format=form)
        # Shares of different length.
        begin, end = (0, 2) if rank == 0 else (3 * rank - 1, 3 * rank + 2)
        end = 3 * size if rank == size - 1 else end
        share = paddle.to_tensor(whole[begin:end], stop_gradient=False)
        everything = paddle.to_tensor(whole, stop_gradient=False)
        got, want = ours(share), theirs(everything)
        assert np.allclose(got.numpy(), want.numpy()[begin:end])
        (got * paddle.to_tensor(weights[begin:end])).sum().backward()
        (want * paddle.to_tensor(weights)).sum().backward()
        assert np.allclose(share.grad.numpy(), everything.grad.numpy()[begin:end])
        assert np.allclose(ours._mean.numpy(), theirs._mean.numpy())
        assert np.allclose(ours._variance.numpy(), theirs._variance.numpy())
        summed = hvd.allreduce(ours.weight.grad, op=hvd.Sum)
        assert np.allclose(summed.numpy(), theirs.weight.grad.numpy())
        ours.eval()
        theirs.eval()
        assert np.allclose(ours(share).numpy(), theirs(everything).numpy()[begin:end])
    hvd.shutdown()


def elastic() -> None:
    """A state goes back to its last commit, and all ranks to that of rank 0."""
    hvd.init()
    rank = hvd.rank()
    model = make_model(seed=rank)
    optimizer = hvd.DistributedOptimizer(
        paddle.optimizer.Adam(0.01, parameters=model.parameters()), model.named_parameters()
    )
    state = hvd.elastic.PaddleState(model, optimizer, step=rank)
    calls = []

    @hvd.elastic.run
    def body(state: Any) -> None:
        everyones = hvd.allgather_object((model[0].weight.numpy().tobytes(), state.step))
        assert all(one == everyones[0] for one in everyones)
        calls.append(state.step)
        train(model, optimizer, hvd.rank(), hvd.size())
        if len(calls) == 1:
            state.step = 5
            state.commit()
            kept = [one.numpy() for one in model.parameters()]
            state.step = 9
            train(model, optimizer, hvd.rank(), hvd.size())
            calls.append(kept)
            raise hvd.HorovodInternalError("lost")

    def restored() -> None:
        for one, kept in zip(model.parameters(), calls[1], strict=True):
            assert (one.numpy() == kept).all()
        optimizer.clear_grad()

    state.register_reset_callbacks([restored])
    body(state)
    assert calls[0] == 0 and calls[2] == 5, calls
    hvd.shutdown()


def mismatch() -> None:
    """Another shape or type on the last rank: an error on all, and the job goes on."""
    hvd.init()
    last = hvd.rank() == hvd.size() - 1
    for name, shape, dtype in (
        ("weights", [3, 4] if last else [4, 3], "float32"),
        ("types", [2], "bfloat16" if last else "float16"),
    ):
        try:
            hvd.allreduce(paddle.zeros(shape, dtype), name=name)
            raise SystemExit("no error")
        except hvd.HorovodInternalError as error:
            say(str(error))
    assert values(hvd.allreduce(paddle.ones([1]), op=hvd.Sum, name="next")) == [hvd.size()]
    hvd.shutdown()


if __name__ == "__main__":
    paddle.set_device("cpu")
    globals()[sys.argv[1]]()
