"""What a pull leaves in the lake: the same files, however and how often the rows came."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from pipeline.contracts.contract import Column, Contract
from pipeline.contracts.judged import (
    TableCounts,
    quarantine_table,
    quarantined_keys,
    valid_rows,
)
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.errors import RisklineError, UnreachableError
from pipeline.lake import UNDATED, Lake
from pipeline.simulator.load import load
from pipeline.sources.files import FolderSource
from pipeline.sources.pull import pull_table
from pipeline.sources.source import Source, open_source

REPOSITORY = Path(__file__).parents[2]
CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
CONTRACT = CONTRACTS["repayments"]
FIRST, LAST = date(2024, 3, 1), date(2024, 3, 20)
MARCH_10 = date(2024, 3, 10)


def instalments(days: int = 20, a_day: int = 4) -> pa.Table:
    """Rows known on each day from FIRST on, some of them paid, in no order."""
    numbers = [n * 7 % (days * a_day) for n in range(days * a_day)]
    known = [
        datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=n % days, minutes=n * 17 % 1440)
        for n in numbers
    ]
    return pa.table(
        {
            "loan_id": [f"L{n:04}" for n in numbers],
            "instalment_no": [1 + n % 3 for n in numbers],
            "due_date": [FIRST + timedelta(days=n % 300) for n in numbers],
            "due_amount": [0.1 * n for n in numbers],
            "paid_date": [FIRST + timedelta(days=n) if n % 3 else None for n in numbers],
            "paid_amount": [n / 7 if n % 3 else None for n in numbers],
            "known_at": known,
            "is_deleted": [n % 11 == 0 for n in numbers],
        }
    ).cast(CONTRACT.arrow_schema)


def as_parquet(rows: pa.Table, folder: Path, name: str = "repayments") -> str:
    folder.mkdir(exist_ok=True)
    pq.write_table(rows, folder / f"{name}.parquet")
    return str(folder)


def as_csv(rows: pa.Table, folder: Path, ending: str = ".csv") -> str:
    folder.mkdir(exist_ok=True)
    file = folder / f"repayments{ending}"
    packing = "gzip" if ending == ".csv.gz" else None
    with pa.output_stream(file, compression=packing) as stream:
        csv.write_csv(rows, stream)
    return str(folder)


def in_lake(root: Path, as_of: date, url: str, zone: str = "UTC", lookback_days: int = 3) -> Lake:
    """A lake after a pull."""
    lake = Lake(root)
    source = open_source(url, None)
    pull_table(source, CONTRACT, lake, DuckDBEngine(1), as_of, ZoneInfo(zone), lookback_days)
    return lake


def judged(lake: Lake, as_of: date) -> TableCounts:
    return quarantine_table(CONTRACT, CONTRACTS, lake, DuckDBEngine(1), as_of, ZoneInfo("UTC"), 3)


def partitions(lake: Lake) -> Iterator[Path]:
    return lake.root.glob("landed/repayments/*.parquet")


def files(lake: Lake) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(partitions(lake))}


def rows_by_day(lake: Lake) -> dict[str, int]:
    return {file.stem: pq.read_metadata(file).num_rows for file in partitions(lake)}


def test_every_kind_of_source_gives_the_same_bytes(tmp_path: Path, bank_url: str) -> None:
    rows = instalments()
    load({"repayments": rows}, bank_url)
    urls = [
        as_parquet(rows, tmp_path / "parquet"),
        as_csv(rows, tmp_path / "csv"),
        as_csv(rows, tmp_path / "packed", ".csv.gz"),
        as_parquet(rows.take(pa.array(range(len(rows))[::-1])), tmp_path / "reversed"),
        bank_url,
    ]
    lakes = [in_lake(tmp_path / f"lake_{i}", LAST, url) for i, url in enumerate(urls)]
    assert len(files(lakes[0])) == 20
    assert sum(rows_by_day(lakes[0]).values()) == len(rows)
    for lake in lakes[1:]:
        assert files(lake) == files(lakes[0])


def test_pulling_again_touches_no_file(tmp_path: Path) -> None:
    url = as_parquet(instalments(), tmp_path / "source")
    lake = in_lake(tmp_path / "lake", LAST, url)
    before = files(lake), [file.stat().st_mtime_ns for file in sorted(partitions(lake))]
    for as_of in (LAST, LAST, FIRST):
        in_lake(lake.root, as_of, url)
    after = files(lake), [file.stat().st_mtime_ns for file in sorted(partitions(lake))]
    assert after == before


def test_night_after_night_equals_one_pull_of_the_last(tmp_path: Path) -> None:
    url = as_parquet(instalments(), tmp_path / "source")
    at_once = in_lake(tmp_path / "at_once", LAST, url)
    nightly = Lake(tmp_path / "nightly")
    for day in range(20):
        in_lake(nightly.root, FIRST + timedelta(days=day), url, lookback_days=0)
        assert sum(rows_by_day(nightly).values()) == 4 * (day + 1)
    assert files(nightly) == files(at_once)


@pytest.mark.parametrize("order", list(permutations((5, 11, 19))))
def test_nights_in_any_order_end_alike(order: tuple[int, ...], tmp_path: Path) -> None:
    url = as_parquet(instalments(), tmp_path / "source")
    lake = Lake(tmp_path / "lake")
    for day in order:
        in_lake(lake.root, FIRST + timedelta(days=day), url)
    assert files(lake) == files(in_lake(tmp_path / "at_once", LAST, url))


PULL = """
import sys
from datetime import date
from pathlib import Path
from tests.unit.test_pull import in_lake
in_lake(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), sys.argv[3])
"""


def pull_elsewhere(root: Path, as_of: date, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PULL, str(root), as_of.isoformat(), url]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE)


def test_nights_side_by_side_end_alike(tmp_path: Path) -> None:
    url = as_parquet(instalments(), tmp_path / "source")
    lake = Lake(tmp_path / "lake")
    running = [pull_elsewhere(lake.root, FIRST + timedelta(days=d), url) for d in (19, 12, 19, 16)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, b"")
    assert files(lake) == files(in_lake(tmp_path / "at_once", LAST, url))


def test_a_killed_pull_leaves_nothing_half(tmp_path: Path) -> None:
    url = as_parquet(instalments(days=300), tmp_path / "source")
    as_of = FIRST + timedelta(days=299)
    wanted = files(in_lake(tmp_path / "at_once", as_of, url))
    lake = Lake(tmp_path / "lake")
    folder = lake.root / "landed" / "repayments"
    seen = []
    # While it writes beside the live files; while it moves them: the first, and most of them.
    moments: list[Callable[[], bool]] = [
        lambda: any(folder.glob(".new_*/2024-09-*")),
        lambda: any(folder.glob("*.parquet")),
        lambda: (folder / "2024-11-01.parquet").exists(),
    ]
    for has_come in moments:
        process = pull_elsewhere(lake.root, as_of, url)
        deadline = time.monotonic() + 60
        while not has_come() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(process.returncode)
        there = files(lake)
        assert there.items() <= wanted.items()
    assert -signal.SIGKILL in seen
    assert files(in_lake(lake.root, as_of, url)) == wanted


def late(rows: pa.Table, known_at: datetime, loan_id: str = "LATE") -> pa.Table:
    changed = rows.slice(0, 1).to_pylist()[0] | {"loan_id": loan_id, "known_at": known_at}
    return pa.concat_tables([rows, pa.Table.from_pylist([changed], schema=rows.schema)])


@pytest.mark.parametrize(("days_late", "arrives"), [(0, True), (3, True), (4, False)])
def test_a_late_row_arrives_within_the_look_back(
    days_late: int, arrives: bool, tmp_path: Path
) -> None:
    rows = instalments()
    url = as_parquet(rows, tmp_path / "source")
    lake = in_lake(tmp_path / "lake", MARCH_10, url)
    # The night after pulls its own day, 11 March, and the three days before.
    known_at = datetime(2024, 3, 11, 12, tzinfo=UTC) - timedelta(days=days_late)
    as_parquet(late(rows, known_at), tmp_path / "source")
    in_lake(lake.root, MARCH_10 + timedelta(days=1), url)
    counts = rows_by_day(lake)
    assert counts[known_at.date().isoformat()] == (5 if arrives else 4)
    assert sum(counts.values()) == 44 + arrives


def test_an_old_night_again_sees_what_came_late(tmp_path: Path) -> None:
    rows = instalments()
    url = as_parquet(rows, tmp_path / "source")
    lake = in_lake(tmp_path / "lake", LAST, url)
    as_parquet(late(rows, datetime(2024, 3, 8, 12, tzinfo=UTC)), tmp_path / "source")
    in_lake(lake.root, MARCH_10, url)
    assert rows_by_day(lake)["2024-03-08"] == 5


def test_a_row_gone_from_the_source_goes_from_the_lake(tmp_path: Path) -> None:
    rows = instalments()
    url = as_parquet(rows, tmp_path / "source")
    lake = in_lake(tmp_path / "lake", MARCH_10, url)
    days = [known_at.date() for known_at in rows["known_at"].to_pylist()]
    gone = {date(2024, 3, 9), date(2024, 3, 2)}
    keep = pa.array([day not in gone for day in days])
    as_parquet(rows.filter(keep), tmp_path / "source")
    in_lake(lake.root, MARCH_10, url)
    counts = rows_by_day(lake)
    assert counts["2024-03-09"] == 0
    assert counts["2024-03-08"] == 4
    assert counts["2024-03-02"] == 4  # before the look-back nothing is read again


@pytest.mark.parametrize(
    ("zone", "known_at", "day"),
    [
        ("UTC", "2024-03-09T23:59:59.999999+00:00", "2024-03-09"),
        ("Africa/Lagos", "2024-03-09T22:59:59+00:00", "2024-03-09"),
        ("Africa/Lagos", "2024-03-09T23:00:00+00:00", "2024-03-10"),
        ("Asia/Shanghai", "2024-03-09T15:59:59+00:00", "2024-03-09"),
        ("Asia/Shanghai", "2024-03-09T16:00:00+00:00", "2024-03-10"),
        # Clocks in New York leap ahead on 10 March 2024, a day of 23 hours.
        ("America/New_York", "2024-03-10T04:59:59+00:00", "2024-03-09"),
        ("America/New_York", "2024-03-10T05:00:00+00:00", "2024-03-10"),
        ("America/New_York", "2024-03-11T03:59:59+00:00", "2024-03-10"),
        ("America/New_York", "2024-03-11T04:00:00+00:00", "2024-03-11"),
    ],
)
def test_a_row_lies_on_the_banks_own_day(
    zone: str, known_at: str, day: str, tmp_path: Path
) -> None:
    instant = datetime.fromisoformat(known_at)
    row = instalments().slice(0, 1).drop_columns(["known_at"])
    row = row.append_column("known_at", pa.array([instant], pa.timestamp("us", "UTC")))
    url = as_parquet(row, tmp_path / "source")
    as_of = date.fromisoformat(day)

    lake = in_lake(tmp_path / "lake", as_of, url, zone)
    again = in_lake(tmp_path / "again", as_of + timedelta(days=1), url, zone)

    assert rows_by_day(lake) == rows_by_day(again) == {day: 1}
    with pytest.raises(RisklineError, match="no row known by"):
        in_lake(tmp_path / "before", as_of - timedelta(days=1), url, zone)


def test_a_row_never_known_reaches_quarantine(tmp_path: Path, bank_url: str) -> None:
    load({"repayments": instalments()}, bank_url)
    with psycopg.connect(bank_url) as connection:
        for loan_id, known_at in (
            ("NEVER", None),
            ("ALWAYS", "-infinity"),
            ("OLD", "0044-03-15 BC"),
        ):
            connection.execute(
                "INSERT INTO repayments (loan_id, instalment_no, due_date, due_amount, known_at, "
                "is_deleted) VALUES (%s, 1, '2024-03-01', 1, %s, false)",
                [loan_id, known_at],
            )
    lake = in_lake(tmp_path / "lake", MARCH_10, bank_url)
    assert lake.read("landed", "repayments", UNDATED).num_rows == 3

    engine = DuckDBEngine(1)
    counts = judged(lake, MARCH_10)
    found = quarantined_keys(CONTRACT, lake, engine, MARCH_10).to_pylist()

    assert (counts.landed, counts.valid, counts.quarantined, counts.undated) == (40, 40, 0, 3)
    assert len(engine.to_arrow(valid_rows(CONTRACT, lake, engine, MARCH_10))) == 40
    range_words = "known_at must be at least 1000-01-01 and at most 9999-12-31"
    assert {row["loan_id"]: row["reasons"] for row in found} == {
        "NEVER": ["known_at must have a value"],
        "ALWAYS": [range_words],
        "OLD": [range_words],
    }
    with psycopg.connect(bank_url) as connection:
        connection.execute("DELETE FROM repayments WHERE loan_id = 'NEVER'")
    in_lake(lake.root, MARCH_10, bank_url)
    assert lake.read("landed", "repayments", UNDATED).num_rows == 2


def test_shape_and_width_of_the_source_do_not_matter(tmp_path: Path, bank_url: str) -> None:
    # Halves fit in the narrow float.
    halves = pa.array([n / 2 for n in range(80)])
    rows = instalments()
    rows = rows.set_column(3, "due_amount", halves).set_column(5, "paid_amount", halves)
    narrow = {
        "instalment_no": pa.int8(),
        "due_date": pa.timestamp("ms"),
        "due_amount": pa.float32(),
        "paid_amount": pa.decimal128(9, 2),
        "known_at": pa.timestamp("us"),
        "loan_id": pa.large_string(),
    }
    other = pa.table(
        {
            "note": ["not in the contract"] * len(rows),
            **{
                name: rows[name].cast(narrow.get(name, rows[name].type))
                for name in reversed(rows.column_names)
            },
        }
    )
    load({"repayments": rows}, bank_url)
    with psycopg.connect(bank_url) as connection:
        connection.execute(
            "ALTER TABLE repayments ALTER instalment_no TYPE smallint, "
            "ALTER due_amount TYPE numeric(12, 2), ALTER paid_amount TYPE real, "
            "ALTER known_at TYPE timestamp USING known_at AT TIME ZONE 'UTC', "
            "ALTER loan_id TYPE varchar(20), ADD note jsonb"
        )
    wanted = files(in_lake(tmp_path / "lake", LAST, as_parquet(rows, tmp_path / "plain")))
    for number, url in enumerate((as_parquet(other, tmp_path / "other"), bank_url)):
        assert files(in_lake(tmp_path / f"lake_{number}", LAST, url)) == wanted


def test_an_instant_without_a_zone_is_utc_whatever_the_server_thinks(
    tmp_path: Path, bank_url: str
) -> None:
    load({"repayments": instalments()}, bank_url)
    wanted = files(in_lake(tmp_path / "lake", MARCH_10, bank_url))
    with psycopg.connect(bank_url, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE repayments ALTER known_at TYPE timestamp USING known_at AT TIME ZONE 'UTC'"
        )
        connection.execute("ALTER ROLE bank SET timezone = 'Asia/Shanghai'")
        try:
            assert files(in_lake(tmp_path / "again", MARCH_10, bank_url)) == wanted
        finally:
            connection.execute("ALTER ROLE bank RESET timezone")


def test_decimals_become_the_nearest_float(tmp_path: Path, bank_url: str) -> None:
    cents = [n * 982_451_653 % 10**12 for n in range(1, 81)]
    amounts = [f"{n // 100}.{n % 100:02}" for n in cents]
    rows = instalments()
    exact = rows.set_column(3, "due_amount", pa.array(amounts).cast(pa.decimal128(15, 2)))
    floats = rows.set_column(3, "due_amount", pa.array([float(amount) for amount in amounts]))
    load({"repayments": floats}, bank_url)
    with psycopg.connect(bank_url) as connection:
        connection.execute(
            "ALTER TABLE repayments ALTER due_amount TYPE numeric USING round(due_amount::text::"
            "numeric, 2)"
        )
    wanted = files(in_lake(tmp_path / "lake", LAST, as_parquet(floats, tmp_path / "floats")))
    assert files(in_lake(tmp_path / "one", LAST, as_parquet(exact, tmp_path / "exact"))) == wanted
    assert files(in_lake(tmp_path / "two", LAST, bank_url)) == wanted


def test_a_csv_keeps_what_only_looks_like_a_number(tmp_path: Path) -> None:
    (tmp_path / "repayments.csv").write_text(
        "loan_id,instalment_no,due_date,due_amount,paid_date,paid_amount,known_at,is_deleted\n"
        + "".join(
            f"{loan_id},1,2024-03-01,10,{paid},,2024-03-01 10:00:00,false\n"
            for loan_id, paid in [
                ("0012", ""),
                ("12345678901234567890123", ""),
                ("1e5", ""),
                *((f"{n}", "") for n in range(30_000)),
                ("true", "2024-03-01"),
            ]
        )
    )
    lake = in_lake(tmp_path / "lake", MARCH_10, str(tmp_path))
    landed = lake.read("landed", "repayments", FIRST)
    ids = landed["loan_id"].to_pylist()
    assert {"0012", "12345678901234567890123", "1e5", "true", "29999"} <= set(ids)
    assert landed["paid_date"].null_count == len(landed) - 1
    assert landed["paid_amount"].null_count == len(landed)


def test_a_csv_with_a_header_only_has_no_rows(tmp_path: Path) -> None:
    url = as_csv(instalments().slice(0, 0), tmp_path / "source")
    with pytest.raises(RisklineError, match="table repayments has no row known by 2024-03-10"):
        in_lake(tmp_path / "lake", MARCH_10, url)
    optional = replace(CONTRACT, is_optional=True)
    source, lake = open_source(url, None), Lake(tmp_path / "lake")
    assert pull_table(source, optional, lake, DuckDBEngine(1), MARCH_10, ZoneInfo("UTC"), 3) == 0


def test_a_table_that_is_missing(tmp_path: Path, bank_url: str) -> None:
    optional = replace(CONTRACT, is_optional=True)
    for url in (str(tmp_path), bank_url):
        source, lake = open_source(url, None), Lake(tmp_path / "lake")
        assert (
            pull_table(source, optional, lake, DuckDBEngine(1), MARCH_10, ZoneInfo("UTC"), 3)
            is None
        )
        with pytest.raises(RisklineError, match=r"table repayments.*query file repayments\.sql"):
            pull_table(source, CONTRACT, lake, DuckDBEngine(1), MARCH_10, ZoneInfo("UTC"), 3)
    assert list(lake.marks("landed", "repayments")) == []


def test_a_contract_without_versions_cannot_be_pulled(tmp_path: Path) -> None:
    url = as_parquet(instalments(), tmp_path / "source")
    unversioned: list[Contract] = [
        replace(CONTRACT, columns=CONTRACT.columns[:-1]),
        replace(CONTRACT, key=CONTRACT.entity_key),
        replace(
            CONTRACT,
            columns=(*CONTRACT.columns[:-2], _dated("known_at"), CONTRACT.columns[-1]),
        ),
    ]
    for contract in unversioned:
        with pytest.raises(RisklineError, match=r"contract of table repayments: .*known_at"):
            pull_table(
                open_source(url, None),
                contract,
                Lake(tmp_path),
                DuckDBEngine(1),
                LAST,
                ZoneInfo("UTC"),
                3,
            )


def _dated(name: str) -> Column:
    return Column(name, "date", "", is_required=True, is_personal=False)


QUERY = """
SELECT id AS loan_id, 1 AS instalment_no, due AS due_date, amount AS due_amount,
       CAST(NULL AS date) AS paid_date, CAST(NULL AS double precision) AS paid_amount,
       known_at, FALSE AS is_deleted
FROM instalments -- the bank's own words
"""


def test_a_query_file_builds_the_table(tmp_path: Path, bank_url: str) -> None:
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "repayments.sql").write_text(QUERY)
    own = pa.table(
        {
            "id": ["A", "B"],
            "due": pa.array([FIRST, FIRST]),
            "amount": [1.0, 2.0],
            "known_at": pa.array([datetime(2024, 3, 2, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        }
    )
    load({"instalments": own}, bank_url)
    (tmp_path / "csv").mkdir()
    csv.write_csv(own, tmp_path / "csv" / "instalments.csv")
    urls = [bank_url, as_parquet(own, tmp_path / "own", "instalments"), str(tmp_path / "csv")]
    lakes = [Lake(tmp_path / f"lake_{number}") for number in range(3)]
    for url, lake in zip(urls, lakes, strict=True):
        source = open_source(url, queries)
        assert pull_table(source, CONTRACT, lake, DuckDBEngine(1), LAST, ZoneInfo("UTC"), 3) == 2
    with psycopg.connect(bank_url) as connection:
        connection.execute("DROP TABLE instalments")
    assert files(lakes[0]) == files(lakes[1]) == files(lakes[2])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://bank:hunter2@localhost/bank", "a source of kind mysql:// is not known"),
        ("/no/such/folder", "source folder /no/such/folder does not exist; set RISK_SOURCE_URL"),
        ("bank:hunter2@localhost/bank", "neither a folder nor starts with postgresql://"),
        ("postgresql:/bank:hunter2@localhost/bank", "neither a folder nor starts with"),
    ],
)
def test_what_is_no_source_is_refused(url: str, words: str) -> None:
    with pytest.raises(RisklineError, match=words) as refused:
        open_source(url, None)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bank:hunter2@127.0.0.1:1/bank",
        "postgresql://bank:hunter2@no-such-host.invalid/bank",
        "postgresql://bank:hunter2@127.0.0.1:port/bank",
    ],
)
def test_a_database_that_does_not_answer_is_named_by_its_setting(url: str) -> None:
    source = open_source(url, None)
    assert "hunter2" not in repr(source)
    with pytest.raises(UnreachableError, match="check RISK_SOURCE_URL") as refused:
        source.has("repayments")
    assert "hunter2" not in str(refused.value)


def test_rows_of_two_queries_do_not_meet(tmp_path: Path) -> None:
    url, queries = as_parquet(instalments(), tmp_path / "source"), tmp_path / "queries"
    queries.mkdir()
    query, lake = queries / "repayments.sql", Lake(tmp_path / "lake")

    def pull(text: str, as_of: date) -> int | None:
        query.write_text(text)
        source = open_source(url, queries)
        return pull_table(source, CONTRACT, lake, DuckDBEngine(1), as_of, ZoneInfo("UTC"), 3)

    one = "SELECT * FROM repayments"
    assert pull(one, MARCH_10) == 40
    other = "SELECT * REPLACE (due_amount * 100 AS due_amount) FROM repayments"
    with pytest.raises(RisklineError, match=r"query file has changed .*; move .* away"):
        pull(other, LAST)
    assert pull(f"{one};", LAST) == 52
    lake.folder("landed", "repayments").rename(tmp_path / "away")
    assert pull(other, LAST) == 80


def test_a_sort_without_room_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = as_parquet(instalments(days=300, a_day=400), tmp_path / "source")
    monkeypatch.setattr("pipeline.engines.duckdb.SORT_MEMORY", "1MB")
    with pytest.raises(RisklineError, match=r"table repayments: its rows cannot be put in order: "):
        in_lake(tmp_path / "lake", FIRST + timedelta(days=299), url)
    assert list(tmp_path.glob("lake/landed/repayments/*")) == []


def test_the_type_money_is_not_taken_for_hundredths(tmp_path: Path, bank_url: str) -> None:
    load({"repayments": instalments()}, bank_url)
    with psycopg.connect(bank_url) as connection:
        connection.execute(
            "ALTER TABLE repayments ALTER due_amount TYPE money USING due_amount::numeric::money"
        )
    with pytest.raises(RisklineError, match=r"column due_amount: the type money .* cast it to"):
        in_lake(tmp_path / "lake", MARCH_10, bank_url)


def test_a_value_that_does_not_fit_is_not_shown(tmp_path: Path) -> None:
    rows = instalments()
    halves = pa.array([918273.5] * len(rows))
    url = as_parquet(rows.set_column(1, "instalment_no", halves), tmp_path / "source")
    with pytest.raises(RisklineError, match="a value does not fit int64") as refused:
        in_lake(tmp_path / "lake", LAST, url)
    assert "918273" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_slow_pull_does_not_take_away_what_a_quick_one_brought(tmp_path: Path) -> None:
    rows, folder = instalments(), tmp_path / "source"
    url, lake = as_parquet(rows, folder), Lake(tmp_path / "lake")
    in_lake(lake.root, MARCH_10, url)
    has_read, may_go_on = threading.Event(), threading.Event()

    class Slow(FolderSource):
        def read(
            self, contract: Contract, since: datetime | None, until: datetime
        ) -> Generator[pa.RecordBatch]:
            batches = list(super().read(contract, since, until))
            has_read.set()
            assert may_go_on.wait(30)
            yield from batches

    def pull(source: Source) -> None:
        pull_table(source, CONTRACT, lake, DuckDBEngine(1), MARCH_10, ZoneInfo("UTC"), 3)

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(pull, Slow(folder, None))
        assert has_read.wait(30)
        as_parquet(late(rows, datetime(2024, 3, 9, 12, tzinfo=UTC)), folder)
        quick = pool.submit(pull, open_source(url, None))
        time.sleep(0.5)
        assert not quick.done()
        may_go_on.set()
        slow.result()
        quick.result()
    assert rows_by_day(lake)["2024-03-09"] == 5


def test_an_optional_table_that_has_gone_is_not_taken_for_one_that_never_was(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "source"
    source = open_source(as_parquet(instalments(), folder), None)
    lake, optional = Lake(tmp_path / "lake"), replace(CONTRACT, is_optional=True)
    pull_table(source, optional, lake, DuckDBEngine(1), MARCH_10, ZoneInfo("UTC"), 3)
    (folder / "repayments.parquet").unlink()
    with pytest.raises(RisklineError, match=r"was pulled before and is not in the source any more"):
        pull_table(source, optional, lake, DuckDBEngine(1), LAST, ZoneInfo("UTC"), 3)
    assert sum(rows_by_day(lake).values()) == 40


def test_the_lake_keeps_to_its_own_folders(tmp_path: Path) -> None:
    places: list[tuple[str, str, date | str]] = [
        ("..", "repayments", FIRST),
        ("landed", "../repayments", FIRST),
        ("landed", "Repayments", FIRST),
        ("landed", "repayments", "../../etc"),
    ]
    for layer, table, day in places:
        with pytest.raises(ValueError, match=r"is no name|is no partition"):
            Lake(tmp_path).write(layer, table, day, instalments())
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_lake_lies_in_any_folder(tmp_path: Path) -> None:
    root = tmp_path / "it's [a] lake * of 100 %"
    lake = in_lake(root, LAST, as_parquet(instalments(), tmp_path / "s[1]*"))
    counts = judged(lake, LAST)
    assert (counts.landed, counts.valid) == (80, 80)
