"""Gradients that travel compressed, with error feedback: regatta.hvd.torch with real processes."""

import pytest
from conftest import Start

_SCRIPT = "compression_workers.py"


def expect_success(start: Start, function: str, size: int) -> list[str]:
    done = start(function, size, script=_SCRIPT).wait()
    for rank, one in enumerate(done):
        assert one.code == 0, f"rank {rank}:\n{one.output}"
    return [one.output for one in done]


@pytest.mark.parametrize("size", [2, 3])
def test_what_is_not_sent_comes_later(start: Start, size: int) -> None:
    expect_success(start, "feedback", size)


def test_digits_are_learnt_as_well_as_with_exact_gradients(start: Start) -> None:
    expect_success(start, "digits", 2)


def test_ranks_that_compress_differently_are_told(start: Start) -> None:
    for output in expect_success(start, "different", 2):
        assert "top_k topk_ratio=0.5" in output and "top_k topk_ratio=0.25" in output
