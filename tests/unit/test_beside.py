"""Work that goes on beside what is computed next."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from pipeline.features.beside import one_behind


def test_what_comes_of_the_items_keeps_their_order() -> None:
    assert list(one_behind(lambda item: item * 10, range(7))) == [0, 10, 20, 30, 40, 50, 60]
    assert list(one_behind(str, [])) == []


def test_the_next_item_is_computed_meanwhile() -> None:
    is_next_there = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        is_next_there.set()
        yield 2

    # The first is only done when the second has been asked for.
    assert list(one_behind(lambda item: is_next_there.wait(30), items())) == [True, True]


class Rows:
    """What takes room."""


def six(computed: list[int]) -> Iterator[int]:
    """Six items, each noted when it is computed."""
    for item in range(6):
        computed.append(item)
        yield item


def test_an_item_is_let_go_of_when_it_is_done() -> None:
    held: list[weakref.ref[Rows]] = []
    is_held: list[bool] = []

    def items() -> Iterator[Rows]:
        for _ in range(3):
            rows = Rows()
            held.append(weakref.ref(rows))
            yield rows
            del rows
            # What is worked on is done by then, or soon.
            for _ in range(50):
                gc.collect()
                if held[-1]() is None:
                    break
                time.sleep(0.01)
            is_held.append(held[-1]() is not None)

    assert list(one_behind(lambda rows: None, items())) == [None] * 3
    assert is_held == [False] * 3


def test_no_more_than_one_item_waits() -> None:
    computed: list[int] = []
    ahead: list[int] = []

    def slowly(item: int) -> int:
        time.sleep(0.05)
        ahead.append(len(computed) - item)
        return item

    assert list(one_behind(slowly, six(computed))) == list(range(6))
    # The item itself, and the one that is computed meanwhile.
    assert max(ahead) <= 2


def test_what_goes_wrong_is_told_before_a_third_item_is_computed() -> None:
    computed: list[int] = []

    def fails(item: int) -> int:
        raise MemoryError(f"no room for item {item}")

    with pytest.raises(MemoryError, match="no room for item 0"):
        list(one_behind(fails, six(computed)))
    assert computed == [0, 1]


def test_what_goes_wrong_with_an_item_itself_waits_for_no_more_than_the_one_before() -> None:
    worked: list[int] = []

    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(one_behind(worked.append, items()))
    assert worked == [1, 2]
