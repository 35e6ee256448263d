"""Computes the features of all customers as of a day: each frame once, and one pass over it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import partial

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.as_of import Known
from pipeline.engines.base import Engine
from pipeline.features.beside import one_behind
from pipeline.features.declaration import Feature, Frame, History, Recent, Values
from pipeline.features.registry import FEATURES

CUSTOMER_ID = "customer_id"
SEGMENT = "segment"

Source = str | Recent | History


def features_schema(features: Iterable[str] = FEATURES) -> pa.Schema:
    """customer_id, segment and a nullable number a feature."""
    return pa.schema(
        [
            pa.field(CUSTOMER_ID, pa.string()),
            pa.field(SEGMENT, pa.string()),
            *(pa.field(name, pa.float64()) for name in features),
        ]
    )


def build_features(
    known: Known,
    engine: Engine,
    features: Mapping[str, Feature] = FEATURES,
    frames: "Frames | None" = None,
) -> pa.Table:
    """One row a known customer, in the order of customer_id.

    Args:
        known: the tables as of the day.
        engine: where they live.
        features: which ones, all unless said otherwise.
        frames: of the day and of these features, where more is to be made of them.

    Returns:
        Columns of ``features_schema``; a feature is null where there is nothing to compute it
        from, and never infinite or not a number.
    """
    frames = frames or Frames(known, engine, features.values())
    ordered = frames.rows("customers").select(CUSTOMER_ID, SEGMENT).order_by(CUSTOMER_ID)
    customers = engine.to_arrow(ordered)
    columns: dict[str, pa.ChunkedArray] = {}
    rows_of_frames = (
        engine.to_arrow(frames.aggregated(frame))
        for frame in dict.fromkeys(feature.frame for feature in features.values())
        if frame.tables <= known.present
    )
    # Rows are put in order on one thread, while the engine computes those of the next frame.
    place = partial(_in_order, customers[CUSTOMER_ID], features)
    for placed in one_behind(place, rows_of_frames):
        columns |= placed
    for name, feature in features.items():
        if name not in columns:
            columns[name] = pa.nulls(len(customers), pa.float64())
        elif feature.of_nothing is not None:
            columns[name] = pc.fill_null(columns[name], feature.of_nothing)
    arrays = [*customers.columns, *(columns[name] for name in features)]
    return pa.table(arrays, schema=features_schema(features)).combine_chunks()


def _in_order(
    customers: pa.ChunkedArray, features: Collection[str], rows: pa.Table
) -> dict[str, pa.ChunkedArray]:
    """The columns that are asked for, with a value or null for each customer in turn."""
    # Joined here and not by the engine: it would sort a hundred columns, not one.
    place = pc.index_in(customers, value_set=rows[CUSTOMER_ID])
    asked = (name for name in rows.column_names if name in features)
    return {name: rows[name].take(place) for name in asked}


class Frames:
    """The frames of a day, each built when it is first asked for.

    What more than one reads is computed once and kept by the engine, and so is what is joined: the
    engine would have to hold the join and what is made of it at the same time. The rest is computed
    on the way, and takes no room.
    """

    def __init__(
        self,
        known: Known,
        engine: Engine,
        features: Iterable[Feature] = (),
        often: Iterable[Frame] = (),
    ) -> None:
        """Plan the frames that some features need.

        Args:
            known: the tables as of the day.
            engine: where they live.
            features: those that will be asked for.
            often: frames whose rows will be asked for more than once, beside that.
        """
        self.known, self._engine = known, engine
        self._features = _with_those_read(features)
        self._readers = _readers([f.frame for f in self._features])
        self._readers.update(dict.fromkeys(often, 2))
        self._read_as_values = {read.frame for f in self._features for read in f.frame.values_read}
        self._built: dict[Source | Frame, ir.Table] = {}
        self._aggregated: dict[Frame, ir.Table] = {}

    def rows(self, read: Source | Frame) -> ir.Table:
        """The rows of a frame or of a source table."""
        if read not in self._built:
            rows = self._build(read)
            is_kept = self._readers[read] > 1 or (isinstance(read, Frame) and len(read.reads) > 1)
            self._built[read] = self._engine.cached(rows) if is_kept else rows
        return self._built[read]

    def values(self, features: tuple[Feature, ...]) -> ir.Table:
        """Features in the order given beside customer_id, one row a known customer."""
        result = self.rows("customers").select(CUSTOMER_ID)
        for frame in dict.fromkeys(feature.frame for feature in features):
            if frame.tables <= self.known.present:
                result = result.left_join(self.aggregated(frame), CUSTOMER_ID, rname="_{name}")
        return result.select(CUSTOMER_ID, **{f.name: self._column(f, result) for f in features})

    def aggregated(self, frame: Frame) -> ir.Table:
        """The features over a frame, a row for each customer of whom the frame has one."""
        if frame not in self._aggregated:
            rows = self.rows(frame)
            values = {
                feature.name: feature.expression(rows).cast("float64")
                for feature in self._features
                if feature.frame is frame
            }
            if frame.is_per_customer:
                result = rows.select(CUSTOMER_ID, **values)
            else:
                result = rows.group_by(CUSTOMER_ID).aggregate(**values)
            is_shared = frame in self._read_as_values
            self._aggregated[frame] = self._engine.cached(result) if is_shared else result
        return self._aggregated[frame]

    def _column(self, feature: Feature, rows: ir.Table) -> ir.Value:
        if not feature.frame.tables <= self.known.present:
            return ibis.null("float64")
        column = rows[feature.name]
        return column if feature.of_nothing is None else column.fill_null(feature.of_nothing)

    def _build(self, read: Source | Frame) -> ir.Table:
        if isinstance(read, Recent):
            return self.known.since(read.table, read.moment, read.days)
        if isinstance(read, History):
            return self.known.history(read.table)
        if isinstance(read, str):
            return self.known[read]
        parts = (
            self.values(part.features) if isinstance(part, Values) else self.rows(part)
            for part in read.reads
        )
        return read.build(self.known.at, *parts)


def _with_those_read(features: Iterable[Feature]) -> list[Feature]:
    """Some features and those that their frames read, each once."""
    found: dict[Feature, None] = {}
    waiting = list(features)
    while waiting:
        feature = waiting.pop()
        if feature not in found:
            found[feature] = None
            waiting += feature.frame.values_read
    return list(found)


def _readers(frames: Iterable[Frame]) -> Counter[Source | Frame]:
    """How often a frame's rows or a source table's are read, by aggregation or another frame."""
    count: Counter[Source | Frame] = Counter({"customers": 2})
    waiting = list(dict.fromkeys(frames))
    seen = set(waiting)
    count.update(waiting)
    while waiting:
        for read in waiting.pop().reads:
            if isinstance(read, Values):
                continue
            count[read] += 1
            if isinstance(read, Frame) and read not in seen:
                seen.add(read)
                waiting.append(read)
    return count
