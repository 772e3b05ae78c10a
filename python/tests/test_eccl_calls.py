"""regatta.eccl beyond plain calls: requests, groups, communicators of communicators, call sites."""

import concurrent.futures
import json
import pathlib
import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
from conftest import Start
from regatta import eccl

T = TypeVar("T")


def run_ranks(size: int, body: Callable[[eccl.Communicator], T]) -> list[T]:
    """Run ``body`` in one thread a rank; what it returned, by rank."""
    unique_id = eccl.get_unique_id()

    def one(rank: int) -> T:
        with eccl.Communicator(rank, size, unique_id, timeout_ms=60_000) as comm:
            return body(comm)

    with concurrent.futures.ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))


def test_submitted_calls_between_processes(start: Start) -> None:
    for rank, one in enumerate(start("submitted", 3).wait()):
        assert one.code == 0, f"rank {rank}:\n{one.output}"


def test_a_request_is_over_when_the_peers_have_come() -> None:
    seen = threading.Event()

    def body(comm: eccl.Communicator) -> None:
        data = np.ones(100_000, np.float32)
        if comm.rank == 1:
            assert seen.wait(60)
        request = comm.submit.all_reduce(data, data)
        if comm.rank == 0:
            assert not request.done()
            with pytest.raises(TimeoutError, match=r"ecclAllReduce was not over within 0\.01 s"):
                request.wait(0.01)
            seen.set()
        request.wait()
        assert request.done() and request.exception() is None
        assert (data == 2).all()

    run_ranks(2, body)


def test_arrays_of_a_request_that_nobody_holds_live_until_it_is_over() -> None:
    def body(comm: eccl.Communicator) -> float:
        for _ in range(20):
            comm.submit.all_reduce(np.ones(200_000), np.empty(200_000))
        last = np.ones(1)
        comm.all_reduce(last, last)
        return float(last[0])

    assert run_ranks(2, body) == [2, 2]


def test_a_failed_request_says_so_in_wait_and_exception() -> None:
    def body(comm: eccl.Communicator) -> None:
        request = comm.submit.all_reduce(*2 * (np.zeros(10 + comm.rank, np.int32),))
        error = request.exception()
        assert error is not None and "allreduce #1" in str(error)
        with pytest.raises(eccl.EcclError) as caught:
            request.wait()
        assert caught.value is error
        assert request.done()
        failure = comm.error()
        assert failure is not None and failure.result in (
            eccl.Result.MISMATCH,
            eccl.Result.REMOTE_ERROR,
        )

    run_ranks(2, body)


def test_abort_ends_requests() -> None:
    unique_id = eccl.get_unique_id()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        comms = list(pool.map(lambda rank: eccl.Communicator(rank, 2, unique_id), range(2)))
    requests = [comms[0].submit.barrier() for _ in range(3)]
    comms[0].abort()
    for request in requests:
        error = request.exception(60)
        assert error is not None and error.result is eccl.Result.ABORTED
    comms[1].abort()


def test_many_threads_may_wait_for_one_request() -> None:
    def body(comm: eccl.Communicator) -> None:
        request = comm.submit.barrier()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            waits = [pool.submit(request.wait) for _ in range(8)]
            tests = [pool.submit(request.done) for _ in range(8)]
        assert [one.result() for one in waits] == [None] * 8
        assert all(isinstance(one.result(), bool) for one in tests)

    run_ranks(2, body)


def test_a_group_sends_to_all_before_it_receives() -> None:
    def body(comm: eccl.Communicator) -> None:
        others = [rank for rank in range(comm.size) if rank != comm.rank]
        received = {rank: np.empty(400_000, np.int32) for rank in others}
        total = np.array([comm.rank])
        with eccl.Group():
            comm.all_reduce(total, total)
            for rank in others:
                comm.send(np.full(400_000, comm.rank, np.int32), rank)
            for rank in others:
                comm.receive(received[rank], rank)
        assert total[0] == sum(range(comm.size))
        assert all((received[rank] == rank).all() for rank in others)

    run_ranks(3, body)


def test_nothing_of_a_group_runs_when_its_block_raises() -> None:
    with eccl.Communicator(0, 1) as comm:
        data = np.ones(1)
        with pytest.raises(ZeroDivisionError), eccl.Group():
            comm.barrier()
            data /= 1 // 0
        assert comm.last_op().sequence == 0
        with pytest.raises(eccl.EcclError, match="root is 5"), eccl.Group():
            comm.broadcast(data, root=5)
        comm.barrier()
        assert comm.last_op().sequence == 1


def test_a_call_says_which_algorithm_and_why() -> None:
    def body(comm: eccl.Communicator) -> None:
        data = np.ones(20_000, np.float32)
        comm.all_reduce(data, data)
        last = comm.last_op()
        assert last.algorithm in ("ring", "direct")
        assert last.reason == "size"

    run_ranks(2, body)
    with eccl.Communicator(0, 1, exact=True) as comm:
        comm.all_reduce(np.ones(1), np.empty(1))
        assert comm.last_op().reason == "only one"


def test_split_shrink_and_grow() -> None:
    ids: list[eccl.UniqueId] = []
    made = threading.Event()

    def body(comm: eccl.Communicator) -> None:
        half = comm.split(comm.rank % 2 if comm.rank < 3 else None, key=-comm.rank)
        assert (half is None) == (comm.rank == 3)
        if half is not None:
            with half:
                assert half.size == (2, 1)[comm.rank % 2]
                assert half.rank == {0: 1, 1: 0, 2: 0}[comm.rank]
        if comm.rank != 1:
            with comm.shrink([1], timeout_ms=50_000) as rest:
                assert (rest.rank, rest.size) == ((0, -1, 1, 2)[comm.rank], 3)
                rest.set_timeout(40_000)
                rest.barrier()
        assert comm.lost_ranks() == []
        assert comm.error() is None
        if comm.rank == 0:
            ids.append(comm.unique_id())
            made.set()
        with comm.grow(5, ids[0] if comm.rank == 0 else None) as more:
            total = np.array([more.rank])
            more.all_reduce(total, total)
            assert total[0] == 10

    def new() -> None:
        assert made.wait(60)
        with eccl.Communicator(4, 5, ids[0]) as more:
            total = np.array([4])
            more.all_reduce(total, total)
            assert total[0] == 10

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        joining = pool.submit(new)
        run_ranks(4, body)
        joining.result()


def test_calls_show_where_they_were_made(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECCL_FLIGHT_RECORDS", str(tmp_path))
    here = pathlib.Path(__file__).name

    def body(comm: eccl.Communicator) -> list[int]:
        comm.barrier()
        comm.submit.barrier().wait()
        eccl.set_call_site("by hand")
        comm.barrier()
        eccl.set_call_site(None)
        unequal = np.zeros(10 + comm.rank)
        with pytest.raises(eccl.EcclError):
            comm.all_reduce(unequal, unequal)
        first = body.__code__.co_firstlineno
        return [first + 1, first + 2, first + 8]

    lines = run_ranks(2, body)[0]
    records = [json.loads(path.read_text()) for path in tmp_path.iterdir()]
    assert len(records) == 2
    for record in records:
        sites = [call["site"] for call in reversed(record["record"]["calls"])]
        assert [site.rpartition("/")[2] for site in sites] == [
            f"{here}:{lines[0]}",
            f"{here}:{lines[1]}",
            "by hand",
            f"{here}:{lines[2]}",
        ]
