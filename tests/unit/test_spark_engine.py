"""What is asked of every engine, on DuckDB and on Spark; and what Spark says when it cannot run."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.as_of import AsOf
from pipeline.engines.base import Engine, EngineError
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.errors import RisklineError
from pipeline.features.exact import mean, money, quotient, spread

# In Shanghai, where the day is over at 16:00 of Greenwich.
AT = AsOf(date(2024, 3, 31), ZoneInfo("Asia/Shanghai"))
INSTANT, DAY = timedelta(microseconds=1), timedelta(days=1)
ROWS = pa.table(
    {
        "who": ["a", "a", "b", "b", "é"],
        "amount": [0.1, None, 1e9 + 0.01, 1e9 + 0.02, -2.5],
        "days": pa.array([3, None, 4, 5, -7], pa.int64()),
        "is_paid": [True, None, False, True, False],
        "day": [date(2024, 2, 29), None, date(2023, 2, 28), date(1960, 1, 1), date(2024, 4, 1)],
        "at": pa.array(
            [AT.close - INSTANT, AT.close - DAY, AT.close - DAY - INSTANT, AT.close, None],
            pa.timestamp("us", tz="UTC"),
        ),
    }
)
THIRD = pa.table({"who": ["a"] * 3, "amount": [0.0, 0.0, 1.0]})


@pytest.fixture(scope="module", params=["duckdb", "spark"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "spark":
        spark: Engine = request.getfixturevalue("spark_engine")
        return spark
    return DuckDBEngine(threads=1)


def of_each(rows: ir.Table, value: ir.Value) -> ir.Table:
    return rows.group_by("who").aggregate(it=value)


def window(rows: ir.Table, order: ir.Column) -> ir.Table:
    return ibis.window(group_by="who", order_by=order)


def nulls_as_nan(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda t: money(t.amount).sum(), [0.1, 2e9 + 0.03, -2.5]),
        (lambda t: t.days.sum(), [3, 9, -7]),
        (lambda t: t.days.mean(), [3, 4.5, -7]),
        (lambda t: t.is_paid.mean(), [1, 0.5, 0]),
        (lambda t: mean(money(t.amount), t.days > 0), [0.1, 1e9 + 0.015, None]),
        (lambda t: spread(t.days, t.days.notnull()), [None, 0.5**0.5, None]),
        # Two amounts of a thousand millions, a hundredth apart: floats would lose it all.
        (lambda t: spread(money(t.amount), t.days.notnull()), [None, 0.01 * 0.5**0.5, None]),
        (lambda t: quotient(t.days.sum(), t.days.min() + 7), [0.3, 9 / 11, None]),
        (lambda t: t.is_paid.sum(), [1, 1, 0]),
        (lambda t: t.is_paid.any(), [1, 1, 0]),
        (lambda t: t.count(where=t.days > 3), [0, 2, 0]),
        (lambda t: t.days.nunique(where=t.is_paid), [1, 1, 0]),
        (lambda t: t.days.argmax(t.day), [3, 4, -7]),
        (lambda t: t.days.argmin(t.day), [3, 5, -7]),
        (lambda t: t.days.argmax(t.day, where=~t.is_paid), [None, 4, -7]),
    ],
)
def test_aggregates(
    engine: Engine, value: Callable[[ir.Table], ir.Value], expected: list[float | None]
) -> None:
    rows = engine.table(ROWS)
    found = engine.to_arrow(of_each(rows, value(rows).cast("float64")).order_by("who"))
    # In the order of the bytes: é comes after every plain letter.
    assert found["who"].to_pylist() == ["a", "b", "é"]
    assert nulls_as_nan(found["it"].to_pylist()) == pytest.approx(
        nulls_as_nan(expected), rel=1e-15, nan_ok=True
    )


def test_means_and_quotients_of_decimals_are_not_rounded_to_decimals(engine: Engine) -> None:
    rows = engine.table(THIRD)
    amount = money(rows.amount)
    for value in (mean(amount, amount.notnull()), amount.sum() / ibis.literal(3, "decimal(18, 4)")):
        found = engine.to_arrow(of_each(rows, value.cast("float64")))
        assert found["it"].to_pylist() == [1 / 3]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda t: AT.days_since(t.day), [31, None, 397, 23466, -1]),
        (lambda t: AT.days_since_instant(t["at"]), [0, 0, 1, -1, None]),
        (lambda t: (t["at"] < AT.close).cast("int64"), [1, 1, 1, 0, None]),
        (lambda t: t.day.year() * 12 + t.day.month(), [24290, None, 24278, 23521, 24292]),
        (lambda t: AT.days_since(t.day + ibis.interval(days=1)), [30, None, 396, 23465, -2]),
        (lambda t: t.days / 365.25, [3 / 365.25, None, 4 / 365.25, 5 / 365.25, -7 / 365.25]),
        (lambda t: quotient(t.days, t.days - 3), [None, None, 4, 2.5, 0.7]),
        (lambda t: ibis.greatest(t.amount, 0.0), [0.1, 0, 1e9 + 0.01, 1e9 + 0.02, 0]),
        (lambda t: ibis.row_number().over(window(t, t.days)), [0, 1, 0, 1, 0]),
        (lambda t: ibis.row_number().over(window(t, t.days.desc())), [0, 1, 1, 0, 0]),
        (lambda t: t.days.lag().over(window(t, t["at"])), [None, None, None, 4, None]),
        (lambda t: t.days.max().over(ibis.window(group_by="who")), [3, 3, 5, 5, -7]),
    ],
)
def test_columns(
    engine: Engine, value: Callable[[ir.Table], ir.Value], expected: list[float | None]
) -> None:
    rows = engine.table(ROWS.append_column("n", pa.array(range(5))))
    found = engine.to_arrow(rows.select("n", it=value(rows).cast("float64")).order_by("n"))
    assert found["it"].to_pylist() == expected


def test_rows_come_back_as_they_went_in(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    rows = engine.read_parquet([tmp_path / "rows.parquet"], ROWS.schema)
    for table in (engine.table(ROWS), rows, engine.cached(rows)):
        assert engine.to_arrow(table).sort_by("amount").equals(ROWS.sort_by("amount"))
    nothing = engine.read_parquet([], ROWS.schema)
    assert engine.to_arrow(nothing).equals(ROWS.schema.empty_table())


@pytest.mark.parametrize("name", ["amount=7", "a*b", "a?b", "a[X]b", "a{X,b}", "a b's%20#", ".a"])
def test_a_folders_name_is_neither_column_nor_pattern(
    spark_engine: Engine, name: str, tmp_path: Path
) -> None:
    rows = ROWS.select(["days"])
    for folder, held in ((name, rows), ("aXb", rows.slice(0, 1))):
        (tmp_path / folder).mkdir()
        pq.write_table(held, tmp_path / folder / "rows.parquet")
    file = tmp_path / name / "rows.parquet"
    read = spark_engine.to_arrow(spark_engine.read_parquet([file], rows.schema))
    assert read.equals(rows)
    batches = spark_engine.sorted_batches(file, ["days"], tmp_path / name)
    assert pa.Table.from_batches(batches)["days"].to_pylist() == [None, -7, 3, 4, 5]


def test_sorted_batches(engine: Engine, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    many = pa.concat_tables([ROWS] * 50).append_column("n", pa.array(range(250)))
    pq.write_table(many, tmp_path / "rows.parquet")
    batches = engine.sorted_batches(tmp_path / "rows.parquet", ["who", "days", "n"], scratch)
    found = pa.Table.from_batches(batches)
    wanted = sorted(many.to_pylist(), key=lambda row: (row["who"], row["days"] or -99, row["n"]))
    assert found.to_pylist() == wanted
    assert found.schema.field("at").type == ROWS.schema.field("at").type
    assert list(scratch.iterdir()) == []


def test_a_file_that_is_none_is_an_engine_error(spark_engine: Engine, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    pq.write_table(ROWS, rows)
    whole = rows.read_bytes()
    for broken in (whole[:-20], bytes(len(whole) // 2) + whole[len(whole) // 2 :]):
        rows.write_bytes(broken)
        with pytest.raises(EngineError):
            list(spark_engine.sorted_batches(rows, ["who"], tmp_path))


def test_rows_that_are_held_are_let_go_of(spark_engine: Engine) -> None:
    with spark_engine.holding(ROWS) as held:
        assert len(spark_engine.to_arrow(held.filter(held.days < 5))) == 3
    with pytest.raises(Exception, match="cannot be found"):
        spark_engine.to_arrow(held)


def test_what_does_not_fit_is_an_error_and_no_null(spark_engine: Engine) -> None:
    rows = spark_engine.table(pa.table({"number": [10**15], "word": ["Out of luck"]}))
    for value in (rows.number.cast("decimal(18, 4)"), rows.word.cast("int64"), rows.number / 0):
        with pytest.raises(Exception, match=r"OVERFLOW|OUT_OF_RANGE|CAST|DIVIDE") as raised:
            spark_engine.to_arrow(rows.select(it=value))
        assert not isinstance(raised.value, RisklineError | EngineError)


def test_a_process_has_one_spark_but_each_engine_its_tables(
    spark_engine: Engine, tmp_path: Path
) -> None:
    from pipeline.engines.spark import SparkEngine

    other = SparkEngine(tmp_path, "local[1]")
    kept = spark_engine.cached(spark_engine.table(ROWS))
    with pytest.raises(Exception, match="cannot be found"):
        other.to_arrow(kept)
    with pytest.raises(RisklineError, match=r"Spark runs on local\[1\] already; .* for spark://a"):
        SparkEngine(tmp_path, "spark://a:7077")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[[str, dict[str, str]], str]]:
    """A process of its own, in an empty folder, that says why it cannot start an engine."""
    here = tmp_path / "here"
    here.mkdir()
    program = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.errors import RisklineError\n"
        "try:\n    from pipeline.engines.spark import SparkEngine\n"
        "    SparkEngine(Path(sys.argv[1]), sys.argv[2])\n"
        "except RisklineError as error:\n    print(error)\n"
    )

    def run(master: str, environment: dict[str, str]) -> str:
        found = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "spark"), master],
            capture_output=True, text=True, check=True, cwd=here, env=os.environ | environment,
        )  # fmt: skip
        assert found.stderr == ""
        return found.stdout

    yield run
    assert list(here.iterdir()) == []


def java_that_says(words: str, folder: Path) -> dict[str, str]:
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{words}' >&2\n")
    java.chmod(0o755)
    return {"JAVA_HOME": str(folder)}


def test_without_java_one_line_says_so(
    elsewhere: Callable[[str, dict[str, str]], str], tmp_path: Path
) -> None:
    said = elsewhere("local[1]", {"JAVA_HOME": str(tmp_path)})
    assert said.startswith("the Spark engine needs Java 17 or later, and finds none; install")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('openjdk version "11.0.22" 2024-01-16', "finds Java 11; install"),
        ('java version "1.8.0_392"', "finds Java 8; install"),
        ("no", "does not tell its version; set JAVA_HOME"),
    ],
)
def test_a_java_too_old_is_named(
    elsewhere: Callable[[str, dict[str, str]], str], tmp_path: Path, words: str, said: str
) -> None:
    assert said in elsewhere("local[1]", java_that_says(words, tmp_path))


def test_spark_starts_without_a_word_and_leaves_nothing_behind(
    spark_engine: Engine, elsewhere: Callable[[str, dict[str, str]], str], tmp_path: Path
) -> None:
    assert elsewhere("local[1]", {}) == ""
    kept = {"spark.log", "log4j2.properties"}
    # Java ends after Python, and tidies up as it does.
    until = time.monotonic() + 60
    while {file.name for file in (tmp_path / "spark").iterdir()} != kept:
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_master_that_is_none_ends_in_one_line(
    spark_engine: Engine, elsewhere: Callable[[str, dict[str, str]], str]
) -> None:
    said = elsewhere("nonsense", {})
    assert said.startswith("Spark does not start on nonsense; ")
    assert said.endswith("spark.log says why, so see there and run again\n")
