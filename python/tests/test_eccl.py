"""regatta.eccl and regatta.log_metric."""

import json
import pathlib
import threading

import numpy as np
import pytest
import regatta
from conftest import Start
from regatta import eccl


def test_collectives_on_numpy_arrays_between_processes(start: Start) -> None:
    for rank, one in enumerate(start("arrays", 3).wait()):
        assert one.code == 0, f"rank {rank}:\n{one.output}"


def test_compressed_all_reduces_converge_as_exact_ones_do(start: Start) -> None:
    for rank, one in enumerate(start("compression", 3).wait()):
        assert one.code == 0, f"rank {rank}:\n{one.output}"


def test_a_compressor_says_what_is_wrong_and_keeps_its_state() -> None:
    with pytest.raises(eccl.EcclError, match="int8_group is 100; it may be a power of two"):
        eccl.Compressor(eccl.WireFormat.INT8, int8_group=100)
    options = {"topk_ratio": 0.25, "momentum": 0.9}
    with (
        eccl.Communicator(0, 1) as comm,
        eccl.Compressor(eccl.WireFormat.TOP_K, **options) as first,
        eccl.Compressor(eccl.WireFormat.TOP_K, **options) as second,
    ):
        gradient = np.arange(8, dtype=np.float32)
        results = [np.zeros(8, np.float32) for _ in range(2)]
        comm.all_reduce_compressed(gradient, results[0], first)
        assert results[0].tolist() == [0] * 6 + [6, 7]
        assert first.info().steps == 1 and first.info().count == 8
        second.restore(first.state())
        for compressor, result in zip((first, second), results, strict=True):
            comm.all_reduce_compressed(gradient, result, compressor)
        assert results[0].tolist() == results[1].tolist()
        second.reset()
        assert second.info().steps == 0 and second.info().residual_norm == 0
        with pytest.raises(eccl.EcclError, match="op is max"):
            comm.all_reduce_compressed(gradient, results[0], first, eccl.ReduceOp.MAX)
        with pytest.raises(eccl.EcclError, match="datatype is int32"):
            comm.all_reduce_compressed(np.zeros(8, np.int32), np.zeros(8, np.int32), first)
    first.close()
    with pytest.raises(eccl.EcclError, match="no compressor"):
        first.reset()


def test_errors_carry_code_and_text() -> None:
    with eccl.Communicator(0, 1) as comm:
        with pytest.raises(eccl.EcclError, match="root is 3") as caught:
            comm.broadcast(np.zeros(1), root=3)
        assert caught.value.result is eccl.Result.INVALID_ARGUMENT
        with pytest.raises(ValueError, match="contiguous"):
            comm.broadcast(np.zeros((4, 4))[:, 1])
        with pytest.raises(TypeError, match="no type for <U1"):
            comm.broadcast(np.array(["a"]))
        with pytest.raises(TypeError, match="send has type FLOAT64, receive has FLOAT32"):
            comm.all_reduce(np.zeros(1), np.zeros(1, np.float32))
    with pytest.raises(eccl.EcclError, match="no communicator"):
        comm.barrier()


def test_a_call_releases_the_interpreter() -> None:
    """Two ranks as threads can only meet when a waiting call lets the other run."""
    unique_id = eccl.get_unique_id()
    sums = [np.zeros(1), np.zeros(1)]

    def run(rank: int) -> None:
        with eccl.Communicator(rank, 2, unique_id, timeout_ms=20_000) as comm:
            comm.all_reduce(np.ones(1), sums[rank])

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one[0] for one in sums] == [2, 2]


def test_metrics_are_lines_of_json(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics"
    monkeypatch.delenv("REGATTA_METRICS_FILE", raising=False)
    regatta.log_metric("loss", 1.0, 1)
    assert not path.exists()
    monkeypatch.setenv("REGATTA_METRICS_FILE", str(path))
    regatta.log_metric("loss", 0.5, step=3)
    regatta.log_metric("loss", float("nan"))
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert 1_600_000_000 < first.pop("time") < 1e12  # seconds
    assert first == {"name": "loss", "value": 0.5, "step": 3}
    assert second["value"] is None and "step" not in second
