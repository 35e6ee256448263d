"""Where the time goes when all features are built: what each table and each frame takes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.engines.base import Engine
from pipeline.features.build import Frames, Source
from pipeline.features.declaration import Frame, History, Recent, Values
from pipeline.features.registry import FEATURES
from tests.benchmarks.features_timed import known

Step = tuple[str, float]


def seconds_by_step(bank: Path, engine: Engine) -> Iterator[Step]:
    """Build all features of a simulated bank frame by frame, up to the join to the customers.

    What only one frame reads is computed on the way: its time is that of its reader.

    Yields:
        What was done, and the seconds it took.
    """
    frames = Frames(known(bank, engine), engine, FEATURES.values())
    done: set[Source | Frame] = set()
    given: set[Frame] = set()

    def rows_of(read: Source | Frame) -> Iterator[Step]:
        if read in done:
            return
        done.add(read)
        for part in read.reads if isinstance(read, Frame) else ():
            if isinstance(part, Values):
                for feature in part.features:
                    yield from features_over(feature.frame)
            else:
                yield from rows_of(part)
        yield _timed(_name(read), lambda: frames.rows(read))

    def features_over(frame: Frame) -> Iterator[Step]:
        if frame in given:
            return
        given.add(frame)
        yield from rows_of(frame)
        yield _timed(
            f"features over {frame.name}", lambda: engine.to_arrow(frames.aggregated(frame))
        )

    yield from rows_of("customers")
    for frame in dict.fromkeys(feature.frame for feature in FEATURES.values()):
        yield from features_over(frame)


def _timed(name: str, work: Callable[[], object]) -> Step:
    started = time.perf_counter()
    work()
    return name, time.perf_counter() - started


def _name(read: Source | Frame) -> str:
    match read:
        case Frame():
            return f"rows of {read.name}"
        case Recent():
            return f"{read.table} as known, of {read.days} days"
        case History():
            return f"{read.table} in all versions"
        case _:
            return f"{read} as known"
