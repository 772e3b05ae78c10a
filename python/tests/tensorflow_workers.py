"""What the ranks of test_hvd_tensorflow.py do: ``python tensorflow_workers.py NAME``."""

import sys
import tempfile
from typing import Any

import keras
import numpy as np
import regatta.hvd.tensorflow as hvd
import regatta.hvd.tensorflow.keras as hvd_keras
import tensorflow as tf
from sklearn.datasets import load_digits


def say(text: str) -> None:
    print(text, flush=True)


def values(tensor: Any) -> Any:
    return tf.cast(tensor, tf.float64).numpy().tolist()


def operations() -> None:
    """Every operation of the package, at once and in a graph, against what it should give."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    assert hvd.is_initialized() and hvd.local_size() == size and hvd.local_rank() == rank
    for wrap in (lambda function: function, tf.function):
        for dtype in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8"):
            _reductions(wrap, dtype)
        for dtype in ("bool", "int16", "complex64", "bfloat16", "float32"):
            _moves(wrap, dtype)
        sent = tf.range(size, dtype=tf.float64) + 10.0 * rank
        assert values(wrap(hvd.alltoall)(sent)) == [10.0 * r + rank for r in range(size)]
        data, counts = wrap(lambda x: hvd.alltoall(x, [rank] * size))(tf.fill([size * rank], rank))
        assert values(counts) == list(range(size))
        assert values(data) == [r for r in range(size) for _ in range(r)]
        known = wrap(
            lambda: (
                hvd.rank_op(),
                hvd.size_op(),
                hvd.local_rank_op(),
                hvd.local_size_op(),
                hvd.process_set_included_op(),
            )
        )()
        assert [int(one) for one in known] == [rank, size, rank, size, 1]
        slices = tf.IndexedSlices(
            tf.fill([2, 3], float(rank)), tf.constant([rank, 0]), tf.constant([size, 3])
        )
        dense = wrap(lambda s: tf.convert_to_tensor(hvd.allreduce(s, op=hvd.Sum)))(slices)
        expected = np.diag(np.arange(size))[:, :1] * 0.0 + np.arange(size)[:, None]
        expected[0] += sum(range(size))
        assert values(dense) == np.repeat(expected, 3, axis=1).tolist(), dense
    whole = tf.IndexedSlices(tf.fill([1, 2], 6), tf.constant([rank]), tf.constant([size, 2]))
    mean = hvd.allreduce(whole, op=hvd.Average)
    assert np.allclose(mean.values, 6 / size), "a mean of integers is no integer"
    halves = hvd.allreduce(whole, op=hvd.Sum, prescale_factor=0.5)
    assert halves.dtype == tf.int32 and values(halves.values) == [[3, 3]] * size
    for kind in ("uint16", "uint32", "uint64"):
        assert values(hvd.allgather(tf.constant([rank], kind))) == list(range(size))
    mine = tf.fill([4], float(rank))
    for compression in (hvd.Compression.fp16, hvd.Compression.bf16):
        got = hvd.allreduce(mine, compression=compression, name=compression.__name__)
        assert got.dtype == tf.float32 and values(got) == [(size - 1) / 2] * 4
    assert values(hvd.allgather(tf.constant(rank))) == list(range(size))
    assert values(hvd.allreduce(tf.constant(float(rank)), op=hvd.Sum)) == sum(range(size))
    assert hvd.broadcast_object({"rank": rank}, 1)["rank"] == 1
    assert hvd.broadcast_object_fn(1)(rank) == 1
    assert hvd.allgather_object(rank) == list(range(size))
    variables = [tf.Variable(float(rank)), tf.Variable([rank, rank])]
    hvd.broadcast_variables(variables, 1)
    assert values(variables[0]) == 1 and values(variables[1]) == [1, 1]
    hvd.barrier()
    most = hvd.add_process_set(range(size - 1))
    if most.included():
        total = float(sum(range(size - 1)))
        assert values(hvd.allreduce(mine, op=hvd.Sum, process_set=most)) == [total] * 4
    assert int(hvd.process_set_included_op(most.process_set_id)) == int(rank < size - 1)
    assert int(hvd.size_op(most.process_set_id)) == size - 1
    # Ranks with less data than others join.
    for _ in range(rank):
        assert values(hvd.allreduce(tf.ones([1]), op=hvd.Sum))[0] >= 1
    assert hvd.join() == size - 1
    assert hvd_keras.allreduce(float(rank)) == (size - 1) / 2
    assert hvd_keras.broadcast(rank, 1) == 1
    assert hvd_keras.allgather([rank]).tolist() == list(range(size))
    assert hvd_keras.reducescatter(np.ones(size, np.float32), op=hvd.Sum).tolist() == [size]
    hvd.shutdown()
    assert not hvd.is_initialized()


def _reductions(wrap: Any, dtype: str) -> None:
    rank, size = hvd.rank(), hvd.size()
    total, product = size * (size + 1) // 2, int(np.prod(range(1, size + 1)))
    mine = tf.cast(tf.fill([3, 5], rank + 1), dtype)
    for op, expected in (
        (hvd.Sum, total),
        (hvd.Max, size),
        (hvd.Min, 1),
        (hvd.Product, product),
    ):
        got = wrap(lambda x, op=op: hvd.allreduce(x, op=op))(mine)
        assert got.dtype == mine.dtype and values(got) == [[expected] * 5] * 3, (dtype, op)
    scaled = wrap(
        lambda x: hvd.allreduce(x, op=hvd.Sum, prescale_factor=2.0, postscale_factor=3.0)
    )(mine)
    assert values(scaled) == [[6 * total] * 5] * 3, dtype
    part = wrap(lambda x: hvd.reducescatter(x, op=hvd.Sum))(
        tf.cast(tf.ones([2 * size + 1, 3]), dtype)
    )
    assert values(part) == [[size] * 3] * (3 if rank == 0 else 2), dtype
    fused = wrap(lambda *x: hvd.grouped_allreduce(list(x), op=hvd.Sum))(
        mine, tf.ones([2], tf.int32), mine[0]
    )
    assert values(fused[0]) == [[total] * 5] * 3 and values(fused[1]) == [size] * 2
    assert values(fused[2]) == [total] * 5 and fused[2].dtype == mine.dtype


def _moves(wrap: Any, dtype: str) -> None:
    rank, size = hvd.rank(), hvd.size()
    gathered = wrap(hvd.allgather)(tf.cast(tf.fill([rank, 2], rank), dtype))
    assert gathered.dtype == tf.as_dtype(dtype) and gathered.shape == [sum(range(size)), 2]
    ranks = [r for r in range(size) for _ in range(r)]
    assert np.array_equal(
        gathered.numpy().astype(np.complex64)[:, 0],
        np.array([bool(r) if dtype == "bool" else r for r in ranks], np.complex64),
    )
    got = wrap(lambda x: hvd.broadcast(x, size - 1))(tf.cast(tf.fill([2, 2], rank), dtype))
    assert got.dtype == tf.as_dtype(dtype)
    assert (got.numpy().astype(np.complex64) == (1 if dtype == "bool" else size - 1)).all()


def derivatives() -> None:
    """Gradients of collectives, at once and in a graph."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()

    def slope(function: Any, source: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(source)
            loss = tf.reduce_sum(function(source) * float(rank + 1))
        return tape.gradient(loss, source)

    mean = (size + 1) / 2
    for wrap in (lambda function: function, tf.function):
        found = wrap(lambda x: slope(lambda y: hvd.allreduce(y, op=hvd.Sum), x))(tf.ones([3]))
        assert values(found) == [mean * size] * 3
        found = wrap(lambda x: slope(hvd.allgather, x))(tf.ones([rank + 1, 2]))
        assert values(found) == [[mean] * 2] * (rank + 1)
        found = wrap(lambda x: slope(lambda y: hvd.broadcast(y, 1), x))(tf.ones([2]))
        assert values(found) == [mean if rank == 1 else 0.0] * 2
        found = wrap(lambda x: slope(hvd.alltoall, x))(tf.ones([size]))
        assert values(found) == [float(r + 1) for r in range(size)]
        found = wrap(lambda x: slope(hvd.reducescatter, x))(tf.ones([size]))
        assert values(found) == [float(r + 1) for r in range(size)]
    hvd.shutdown()


def _model(seed: int) -> Any:
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input([64]),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def _digits() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    return (digits.data[:600] / 16).astype(np.float32), digits.target[:600].astype(np.int32)


_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _same_everywhere(model: Any) -> None:
    everyones = hvd.allgather_object([one.numpy().tobytes() for one in model.variables])
    assert all(one == everyones[0] for one in everyones)


def _close(model: Any, other: Any) -> None:
    for one, two in zip(model.variables, other.variables, strict=True):
        assert np.allclose(one.numpy(), two.numpy(), rtol=1e-4, atol=1e-5), one.path


def tape() -> None:
    """Training with a tape on parts of a batch gives what one process gives with all of it."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    data, labels = _digits()
    for wrap in (lambda function: function, tf.function):
        for options in ({}, {"gradient_predivide_factor": 2.0}):
            model, alone = _model(rank), _model(0)
            hvd.broadcast_variables([one.value for one in model.variables], 0)
            _close(model, alone)
            ours, theirs = (keras.optimizers.SGD(0.2, momentum=0.9) for _ in range(2))

            @wrap
            def step(x: Any, y: Any, model: Any = model, ours: Any = ours, opts: Any = options):
                with tf.GradientTape() as recorded:
                    loss = _LOSS(y, model(x))
                distributed = hvd.DistributedGradientTape(recorded, **opts)
                gradients = distributed.gradient(loss, model.trainable_variables)
                ours.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

            for begin in range(0, 600, 60):
                batch = slice(begin, begin + 60)
                step(data[batch][rank::size], labels[batch][rank::size])
                with tf.GradientTape() as whole:
                    loss = _LOSS(labels[batch], alone(data[batch]))
                theirs.apply_gradients(
                    zip(
                        whole.gradient(loss, alone.trainable_variables),
                        alone.trainable_variables,
                        strict=True,
                    )
                )
            _same_everywhere(model)
            _close(model, alone)
    # One layer is left to each rank.
    local = model.layers[0]
    with tf.GradientTape(persistent=True) as recorded:
        loss = _LOSS(labels[rank::size], model(data[rank::size]))
    plain = recorded.gradient(loss, model.trainable_variables)
    partial = hvd.PartialDistributedGradientTape(recorded, local_layers=local)
    mixed = partial.gradient(loss, model.trainable_variables)
    assert np.allclose(mixed[0], plain[0] / size)
    assert np.allclose(mixed[2], hvd.allreduce(plain[2]))
    # Gradients of an embedding.
    table = tf.Variable(tf.ones([4, 2]))
    for dense in (False, True):
        with tf.GradientTape() as recorded:
            loss = tf.reduce_sum(tf.gather(table, [rank, 3]))
        found = hvd.DistributedGradientTape(recorded, sparse_as_dense=dense).gradient(loss, table)
        assert isinstance(found, tf.IndexedSlices) is not dense
        rows = values(tf.convert_to_tensor(found))
        expected = np.zeros([4, 2])
        expected[:size] += 1 / size
        expected[3] += 1
        assert np.allclose(rows, expected), rows
    hvd.shutdown()


def compressed() -> None:
    """With a tape and with ``fit``, compression costs at most two points of a hundred."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    data, labels = _digits()
    mine = np.arange(600)[rank::size]

    def right(model: Any) -> float:
        return float((model(data).numpy().argmax(1) == labels).mean())

    scores = []
    for compression in (
        hvd.Compression.none,
        hvd.Compression.topk(ratio=0.1, minimum_elements=0),
        hvd.Compression.powersgd(rank=2, minimum_elements=0),
        hvd.Compression.int8(inside_hosts=True, minimum_elements=0),
    ):
        model, fitted = _model(0), _model(0)
        ours = keras.optimizers.SGD(0.1, momentum=0.9)

        @tf.function
        def step(x: Any, y: Any, model: Any = model, ours: Any = ours, kind: Any = compression):
            with tf.GradientTape() as recorded:
                loss = _LOSS(y, model(x))
            distributed = hvd.DistributedGradientTape(recorded, compression=kind)
            gradients = distributed.gradient(loss, model.trainable_variables)
            ours.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        for _ in range(15):
            for begin in range(0, len(mine), 30):
                batch = mine[begin : begin + 30]
                step(data[batch], labels[batch])
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        fitted.compile(hvd_keras.DistributedOptimizer(optimizer, compression=compression), _LOSS)
        fitted.fit(data[mine], labels[mine], batch_size=30, epochs=15, shuffle=False, verbose=0)
        _same_everywhere(model)
        _same_everywhere(fitted)
        assert abs(right(model) - right(fitted)) < 0.02, "a tape and fit learn alike"
        scores.append(right(model))
    print(scores, flush=True)
    assert scores[0] > 0.95 and min(scores) >= scores[0] - 0.02
    # Twice the same variables: what waits is kept from tape to tape, also when not in a graph.
    weights = tf.Variable(tf.zeros([4096]))
    slope = tf.constant(np.arange(4096) + 1.0, tf.float32)
    total = tf.zeros([4096])
    for turn in range(4):
        with tf.GradientTape() as recorded:
            loss = tf.reduce_sum(weights * (slope if turn == 0 else 0.0))
        few = hvd.Compression.topk(ratio=0.25)
        part = hvd.DistributedGradientTape(recorded, compression=few).gradient(loss, [weights])
        total += part[0]
        assert turn or np.count_nonzero(total) == 1024
    assert (total.numpy() == slope.numpy()).all()
    heavy = keras.optimizers.SGD(0.1, momentum=0.9)
    for call in (
        lambda: hvd.allreduce(weights, compression=hvd.Compression.int8),
        lambda: hvd.reducescatter(weights, compression=hvd.Compression.int8),
        lambda: hvd.DistributedOptimizer(heavy, compression=hvd.Compression.dgc()),
    ):
        try:
            call()
        except ValueError:
            continue
        raise AssertionError("that cannot be compressed")
    hvd.shutdown()


def fit() -> None:
    """``model.fit`` on parts of the batches, with all callbacks, and with passes that add up."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    data, labels = _digits()
    mine = np.concatenate([np.arange(b, b + 60)[rank::size] for b in range(0, 600, 60)])
    model, alone = _model(0), _model(0)
    for one, optimizer in (
        (model, hvd_keras.DistributedOptimizer(keras.optimizers.Adam(0.01))),
        (alone, keras.optimizers.Adam(0.01)),
    ):
        one.compile(optimizer, _LOSS, metrics=["accuracy"])
    history = model.fit(
        data[mine],
        labels[mine],
        batch_size=60 // size,
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[
            hvd_keras.callbacks.BroadcastGlobalVariablesCallback(0),
            hvd_keras.callbacks.MetricAverageCallback(),
        ],
    )
    reference = alone.fit(data, labels, batch_size=60, epochs=3, shuffle=False, verbose=0)
    _same_everywhere(model)
    _close(model, alone)
    for name in ("loss", "accuracy"):
        assert np.allclose(history.history[name], reference.history[name], rtol=1e-3), name
    _saved(model, data, labels)

    # Ranks that begin with other weights are the same after the first batch.
    other = _model(rank)
    optimizer = hvd_keras.DistributedOptimizer(keras.optimizers.SGD(0.4, momentum=0.5))
    other.compile(optimizer, _LOSS)
    kept = other.fit(
        data[mine],
        labels[mine],
        batch_size=60 // size,
        epochs=3,
        verbose=0,
        callbacks=[
            hvd_keras.callbacks.BroadcastGlobalVariablesCallback(0),
            hvd_keras.callbacks.LearningRateWarmupCallback(0.4, 2),
            hvd_keras.callbacks.LearningRateScheduleCallback(0.4, 0.1, start_epoch=2),
        ],
    )
    _same_everywhere(other)
    assert np.allclose(kept.history["lr"], [0.4 * (size + 1) / 2 / size, 0.4, 0.04]), kept.history

    # Two passes of half a batch are one of a whole one.
    twice = _model(0)
    optimizer = hvd_keras.DistributedOptimizer(
        keras.optimizers.SGD(0.1), backward_passes_per_step=2, average_aggregated_gradients=True
    )
    twice.compile(optimizer, _LOSS)
    twice.fit(data[mine], labels[mine], batch_size=30 // size, shuffle=False, verbose=0)
    once = _model(0)
    once.compile(keras.optimizers.SGD(0.1), _LOSS)
    once.fit(data, labels, batch_size=60, shuffle=False, verbose=0)
    _same_everywhere(twice)
    _close(twice, once)
    hvd.shutdown()


def _saved(model: Any, data: np.ndarray, labels: np.ndarray) -> None:
    """A model goes on where it was saved; without this package, too."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.keras"
        model.save(path)
        again, plain = hvd_keras.load_model(path), keras.models.load_model(path)
    assert type(plain.optimizer) is keras.optimizers.Adam
    assert int(again.optimizer.iterations) == 30
    for one in (again, plain):
        one.fit(data, labels, batch_size=60, shuffle=False, verbose=0)
    _same_everywhere(again)
    _close(again, plain)


def batch_norm() -> None:
    """Parts of a batch are normalized as the whole of it."""
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    whole = np.random.default_rng(0).normal(3, 2, [5 * size, 4, 3]).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=whole.shape).astype(np.float32)
    begin = 0 if rank == 0 else 5 * rank - 2
    part = slice(begin, 5 * size if rank == size - 1 else 5 * rank + 3)
    for wrap in (lambda function: function, tf.function):
        ours, theirs = hvd.SyncBatchNormalization(), keras.layers.BatchNormalization()
        ours.build(whole.shape)
        theirs.build(whole.shape)

        def both(layer: Any, x: Any, w: Any) -> Any:
            with tf.GradientTape() as recorded:
                recorded.watch(x)
                result = layer(x, training=True)
                loss = tf.reduce_sum(result * w)
            return result, recorded.gradient(loss, x)

        results = []
        for layer, x, w in ((ours, whole[part], weights[part]), (theirs, whole, weights)):
            call = wrap(lambda x, w, layer=layer: both(layer, x, w))
            results.append(call(tf.constant(x), tf.constant(w)))
        for mine, everything in zip(*results, strict=True):
            assert np.allclose(mine, everything[part], rtol=1e-4, atol=1e-5)
        for one, two in zip(
            ours.non_trainable_variables, theirs.non_trainable_variables, strict=True
        ):
            assert np.allclose(one.numpy(), two.numpy(), rtol=1e-4)
    hvd.shutdown()


def elastic() -> None:
    """A state goes back to its last commit, and all ranks to that of rank 0."""
    hvd.init()
    rank = hvd.rank()
    data, labels = _digits()
    model = _model(rank)
    model.compile(hvd_keras.DistributedOptimizer(keras.optimizers.Adam(0.01)), _LOSS)
    state = hvd_keras.elastic.KerasState(model, step=rank)
    calls: list[Any] = []

    @hvd.elastic.run
    def body(state: Any) -> None:
        _same_everywhere(model)
        assert hvd.allgather_object(state.step) == [state.step] * hvd.size()
        calls.append(state.step)
        model.fit(data, labels, batch_size=200, verbose=0)
        if len(calls) == 1:
            state.step = 5
            state.commit()
            calls.append([one.numpy() for one in model.variables])
            state.step = 9
            model.fit(data, labels, batch_size=200, verbose=0)
            raise hvd.HorovodInternalError("lost")

    def restored() -> None:
        for one, kept in zip(model.variables, calls[1], strict=True):
            assert (one.numpy() == kept).all()

    state.register_reset_callbacks([restored])
    body(state)
    assert calls[0] == 0 and calls[2] == 5, calls
    hvd.shutdown()


def forever() -> None:
    """Rank 1 is killed meanwhile."""
    hvd.init()
    step = tf.function(lambda x: hvd.allreduce(x, op=hvd.Sum, name="step"))
    try:
        while True:
            step(tf.ones([1000]))
            print("step", flush=True)
    except tf.errors.UnknownError as error:
        print(f"error {error}", flush=True)


def mismatch() -> None:
    """Another shape on the last rank: an error on all, in a graph too, and the job goes on."""
    hvd.init()
    last = hvd.rank() == hvd.size() - 1
    for wrap, kind in (
        (lambda function: function, hvd.HorovodInternalError),
        (tf.function, tf.errors.UnknownError),
    ):
        try:
            wrap(lambda x: hvd.allreduce(x, name="weights"))(tf.zeros([3, 4] if last else [4, 3]))
            raise SystemExit("no error")
        except kind as error:
            say(str(error))
    assert values(hvd.allreduce(tf.ones([1]), op=hvd.Sum, name="next")) == [hvd.size()]
    hvd.shutdown()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
