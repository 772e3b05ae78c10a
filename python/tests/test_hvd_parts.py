"""The parts of regatta.hvd that decide, without processes."""

import math

import pytest
from regatta.hvd.autotune import Search
from regatta.hvd.cache import Cache
from regatta.hvd.environment import read_settings
from regatta.hvd.reductions import Op
from regatta.hvd.requests import Message, Request, decode, encode
from regatta.hvd.schedule import Limits, enqueue, take_slot
from regatta.hvd.table import Ready, Table


def reduction(name: str, count: int = 10, **fields: object) -> Request:
    base = {"kind": "allreduce", "shapes": ((count,),), "dtypes": ("float32",), "backend": "torch"}
    return Request(name, **(base | fields))  # type: ignore[arg-type]


def queue_of(*requests: Request) -> list[Ready]:
    return [Ready({0: request, 1: request}) for request in requests]


def names(queue: list[Ready], limits: Limits) -> list[list[str]]:
    slots = []
    while queue:
        slots.append([item.request.name for item in take_slot(queue, limits).items])
    return slots


def test_fusion_takes_what_fits_and_agrees() -> None:
    queue = queue_of(
        reduction("a"),
        reduction("wide", dtypes=("float64",)),
        reduction("b"),
        reduction("sum", op=Op.SUM),
        reduction("c", 1000),
        reduction("gathered", kind="allgather"),
        reduction("d"),
    )
    assert names(queue, Limits(fusion=120, partition=0)) == [
        ["a", "b", "d"],
        ["wide"],
        ["sum"],
        ["c"],
        ["gathered"],
    ]
    assert names(queue_of(reduction("a"), reduction("b")), Limits(0, 0)) == [["a"], ["b"]]


def test_first_layers_overtake_the_rest_of_a_large_tensor() -> None:
    queue: list[Ready] = []
    limits = Limits(fusion=1 << 20, partition=400)
    enqueue(queue, queue_of(reduction("last", 250, priority=1)))
    slot = take_slot(queue, limits)
    assert (slot.begin, slot.end, slot.last) == (0, 100, False)
    enqueue(queue, queue_of(reduction("second", priority=8), reduction("first", priority=9)))
    slot = take_slot(queue, limits)
    assert [item.request.name for item in slot.items] == ["first", "second"]
    slot = take_slot(queue, limits)
    assert (slot.begin, slot.end, slot.last) == (100, 200, False)
    slot = take_slot(queue, limits)
    assert (slot.begin, slot.end, slot.last) == (200, 250, True)
    assert not queue


def test_groups_travel_alone_when_told_so() -> None:
    pair = reduction("pair", shapes=((2,), (3,)), dtypes=("float32", "float32"))
    assert names(queue_of(reduction("a"), pair), Limits(1000, 0)) == [["a", "pair"]]
    assert names(queue_of(pair, reduction("a"), reduction("b")), Limits(1000, 0, False)) == [
        ["pair"],
        ["a", "b"],
    ]


def test_the_least_recently_used_answer_is_given_up() -> None:
    cache = Cache(2)
    a, b, c = (reduction(name) for name in "abc")
    assert cache.insert({0: a}) is None and cache.insert({0: b}) is None
    slot_a, slot_b = cache.find(a), cache.find(b)
    assert cache.use(slot_a).request == a
    assert cache.insert({0: c}) == slot_b
    assert cache.find(b) is None and cache.find(c) == slot_b and cache.width == 2
    cache.drop(slot_a)
    assert cache.requests(slot_a) is None and len(cache) == 1


def test_messages_survive_the_way() -> None:
    request = reduction("weights", shapes=((3, 4), ()), dtypes=("float32", "int64"), splits=(1, 2))
    message = Message(((request, 0.5),), True, "stalled", (1024, 0.002))
    assert decode(encode(message)) == message
    assert encode(Message()) == b"" and decode(b"") == Message()


def test_ranks_that_come_late_learn_of_a_mismatch() -> None:
    table = Table(3, lambda number: (0, 1, 2) if number == 0 else None)
    table.add(0, reduction("x", 10))
    table.add(2, reduction("x", 11))
    (item,) = table.take_ready()
    assert "rank 0 submitted" in item.error and "rank 2 submitted" in item.error
    assert sorted(item.requests) == [0, 2]
    table.add(1, reduction("x", 10))
    (late,) = table.take_ready()
    assert list(late.requests) == [1] and late.error == item.error
    table.add(1, reduction("x", process_set=4))
    (gone,) = table.take_ready()
    assert "process set 4 was removed" in gone.error


def test_missing_ranks_are_named_once() -> None:
    table = Table(3, lambda _: (0, 1, 2))
    table.add(1, reduction("x"), age=5.0)
    table.add(0, Request("join", "join"))
    assert table.missing(6.0) == []
    assert table.missing(4.0) == [("x", [2], True)]
    assert table.missing(4.0) == [("x", [2], False)]


def test_the_search_finds_the_top_of_a_noisy_hill() -> None:
    search = Search((0.1, 0.9), noise=0.05, free=(True, True))
    for number in range(25):
        x, y = search.next_point()
        wobble = 0.02 * math.sin(17.0 * number)
        search.add((x, y), 100 * (1 - (x - 0.7) ** 2 - (y - 0.3) ** 2 + wobble))
    x, y = search.best()
    assert abs(x - 0.7) < 0.2 and abs(y - 0.3) < 0.2
    fixed = Search((0.1, 0.9), noise=0.05, free=(True, False))
    for _ in range(6):
        point = fixed.next_point()
        assert point[1] == 0.9
        fixed.add(point, point[0])


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("HOROVOD_CYCLE_TIME", "soon", "HOROVOD_CYCLE_TIME='soon' is not a number"),
        ("HOROVOD_FUSION_THRESHOLD", "-1", "it is at least 0"),
        ("HOROVOD_THREAD_AFFINITY", "0;1", "not a list of cores"),
    ],
)
def test_settings_that_make_no_sense_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=text):
        read_settings()
