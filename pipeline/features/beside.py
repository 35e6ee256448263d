"""Work on what was computed last, on a thread of its own, while the next is computed."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def one_behind(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Apply a function to each item, in turn, while the item after it is computed.

    No more than one is worked on, while no more than one waits. What goes wrong with one is raised
    when the next is there, before any other is asked for; where computing the next goes wrong, that
    is raised.

    Args:
        work: what is done on the thread beside.
        items: computed on the caller's thread, one when the one before is handed on.

    Yields:
        What came of each item, in their order.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        running: Future[Result] | None = None
        for item in items:
            if running is not None:
                yield running.result()
            running = beside.submit(work, item)
            del item  # Or it would be held until the next is there.
        if running is not None:
            yield running.result()
