"""What the engine reads, where it lets rows wait, and what it says where there is no room."""

import gc
import re
import stat
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.engines.base import EngineError
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.errors import RisklineError

ROWS = pa.table({"amount": [3, 1, 2]})


@pytest.mark.parametrize("name", ["amount=7", "a*b", "a?b", "a[X]b", "a[b", "a b's"])
def test_a_folders_name_is_neither_column_nor_pattern(name: str, tmp_path: Path) -> None:
    for folder, rows in ((name, ROWS), ("aXb", pa.table({"amount": [9]}))):
        (tmp_path / folder).mkdir()
        pq.write_table(rows, tmp_path / folder / "rows.parquet")
    file = tmp_path / name / "rows.parquet"
    engine = DuckDBEngine(1)
    assert engine.to_arrow(engine.read_parquet([file, file], ROWS.schema)).num_rows == 6
    assert engine.to_arrow(engine.read_parquet([file], ROWS.schema)).equals(ROWS)
    batches = engine.sorted_batches(file, ["amount"], tmp_path / name)
    assert pa.Table.from_batches(batches)["amount"].to_pylist() == [1, 2, 3]


def test_an_engine_leaves_the_process_able_to_start_another(tmp_path: Path) -> None:
    # Linux starts no other program from a process with more room set aside than there is memory.
    def set_aside() -> int:
        found = re.search(r"VmSize:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert found is not None
        return int(found[1]) << 10

    before = set_aside()
    engines = [DuckDBEngine(1, spill=tmp_path) for _ in range(3)]
    assert set_aside() - before < len(engines) << 30


def many(rows: int) -> ibis.expr.types.Table:
    """Rows of which a sort needs to see all."""
    numbers = ibis.range(rows).unnest().name("n").as_table()
    return numbers.mutate(mixed=numbers.n.hash()).order_by("mixed")


def with_memory(engine: DuckDBEngine, limit: str, disk: str | None = None) -> DuckDBEngine:
    engine._connection.raw_sql(f"SET memory_limit = '{limit}'")
    if disk is not None:
        engine._connection.raw_sql(f"SET max_temp_directory_size = '{disk}'")
    return engine


def test_what_waits_lies_in_the_spill_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, spill = tmp_path / "here", tmp_path / "home*" / "spill"
    here.mkdir()
    monkeypatch.chdir(here)
    engine = with_memory(DuckDBEngine(1, spill=spill), "60MB")
    assert stat.S_IMODE(spill.stat().st_mode) == 0o700
    kept = engine.cached(many(5_000_000))
    waiting = sum(file.stat().st_size for file in spill.iterdir())
    assert waiting > 10_000_000
    assert engine.to_arrow(kept.count().as_table())[0].to_pylist() == [5_000_000]
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("machine_gb", "engine_gb"), [(2.0, 1.0), (5.0, 2.5), (64.0, 3.0)])
def test_it_takes_half_of_a_small_machine_and_no_more_than_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine_gb: float, engine_gb: float
) -> None:
    monkeypatch.setattr("pipeline.engines.session.machine_gb", lambda: machine_gb)
    engine = DuckDBEngine(1, spill=tmp_path)
    (value,) = engine._connection.con.sql("SELECT current_setting('memory_limit')").fetchall()
    number, unit = str(value[0]).split()
    taken = float(number) * float(1024 ** ["bytes", "KiB", "MiB", "GiB"].index(unit))
    assert taken == pytest.approx(engine_gb * 1e9, rel=0.04)


def test_without_a_spill_folder_nothing_waits_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = with_memory(DuckDBEngine(1), "60MB")
    with pytest.raises(RisklineError, match=r"not enough memory free for the rows .*run again$"):
        engine.to_arrow(many(5_000_000))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_in_one_line(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    engine = with_memory(DuckDBEngine(1, spill=spill), "60MB", disk="10MB")
    for compute in (engine.cached, engine.to_arrow):
        with pytest.raises(RisklineError, match="not enough memory free, or room on") as refused:
            compute(many(5_000_000))
        assert str(spill) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_spill_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(RisklineError, match=r"home/spill; put that right and run again"):
        DuckDBEngine(1, spill=tmp_path / "home" / "spill")


def test_other_errors_are_defects() -> None:
    engine = DuckDBEngine(1)
    broken = engine.table(pa.table({"text": ["Out of luck"]})).select(
        number=ibis._.text.cast("int64")
    )
    with pytest.raises(Exception, match="Could not convert") as raised:
        engine.to_arrow(broken)
    assert not isinstance(raised.value, RisklineError | EngineError)


def test_rows_that_are_held_are_let_go_of() -> None:
    engine = DuckDBEngine(1)

    def few() -> int:
        rows = pa.table({"number": range(1_000_000)})
        with engine.holding(rows) as held:
            return len(engine.to_arrow(held.filter(held.number < 5)))

    before = pa.total_allocated_bytes()
    assert [few() for _ in range(4)] == [5] * 4
    gc.collect()
    assert pa.total_allocated_bytes() - before < 8_000_000


GROUPED = pa.table(
    {
        "of": [1, 1, 1, 2, 2, 3],
        "value": [4, None, 1, 4, 4, 7],
        "counts": [True, True, False, True, True, None],
    }
)
AGGREGATES = [
    ("sum", [4, 8, None]),
    ("mean", [4.0, 4.0, None]),
    ("min", [4, 4, None]),
    ("max", [4, 4, None]),
    ("bit_or", [4, 4, None]),
    ("count", [1, 2, 0]),
    ("nunique", [1, 1, 0]),
    ("std", [None, 0.0, None]),
    ("first", [4, 4, None]),
    ("median", [4.0, 4.0, None]),
]
AS_NULL = {"sum", "mean", "min", "max", "bit_or", "count"}


@pytest.mark.parametrize(("aggregate", "expected"), AGGREGATES)
def test_an_aggregate_takes_the_rows_that_count(
    aggregate: str, expected: list[float | None]
) -> None:
    engine = DuckDBEngine(1)
    rows = engine.table(GROUPED)
    found = getattr(rows.value, aggregate)(where=rows.counts)
    # What passes over nulls has no clause of its own, all others do.
    compiled = str(engine._connection.compile(rows.aggregate(found=found)))
    assert ("FILTER" in compiled) == (aggregate not in AS_NULL)
    by_group = rows.group_by("of").aggregate(found=found).order_by("of")
    assert engine.to_arrow(by_group)["found"].to_pylist() == expected
    without = (
        rows.filter(rows.counts).group_by("of").aggregate(found=getattr(rows.value, aggregate)())
    )
    assert engine.to_arrow(without.order_by("of"))["found"].to_pylist() == expected[:2]


def test_rows_that_count_are_counted_and_nulls_among_them_kept() -> None:
    engine = DuckDBEngine(1)
    rows = engine.table(GROUPED)
    found = rows.group_by("of").aggregate(
        rows=rows.count(where=rows.counts),
        values=rows.value.collect(where=rows.counts, include_null=True, order_by=rows.value),
        yes=(rows.value > 3).sum(where=rows.counts),
        share=(rows.value > 3).mean(where=rows.counts),
        money=rows.value.cast("decimal(18, 4)").sum(where=rows.counts),
        largest=rows.value.cast("decimal(18, 4)").max(where=rows.counts),
    )
    assert engine.to_arrow(found.order_by("of")).drop_columns(["of"]).to_pylist() == [
        {"rows": 2, "values": [4, None], "yes": 1, "share": 1.0, "money": 4, "largest": 4},
        {"rows": 2, "values": [4, 4], "yes": 2, "share": 1.0, "money": 8, "largest": 4},
        {"rows": 0, "values": None, "yes": None, "share": None, "money": None, "largest": None},
    ]


@ibis.udf.agg.builtin(name="max", signature=(("int64", "int64"), ibis.dtype("array<int64>")))  # type: ignore[untyped-decorator] # Ibis has no types
def largest(values: object, count: object) -> object:
    """DuckDB's largest few."""


def test_an_aggregate_of_more_than_one_argument_keeps_them() -> None:
    engine = DuckDBEngine(1)
    rows = engine.table(GROUPED)
    found = rows.aggregate(found=largest(rows.value, 2, where=rows.counts))
    assert engine.to_arrow(found)["found"].to_pylist() == [[4, 4]]
