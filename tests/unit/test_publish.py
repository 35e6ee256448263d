"""Publishing on a real server: a night is visible whole or not at all, whatever happens to it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.contract import Contract
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.schema import conform
from pipeline.decisions.warnings import CARRIED
from pipeline.errors import RisklineError, UnreachableError
from pipeline.settings import REPOSITORY
from pipeline.warehouse.connection import connect
from pipeline.warehouse.history import CUSTOMER_COLUMNS, past_of
from pipeline.warehouse.partitions import RUN_ID
from pipeline.warehouse.publish import (
    PERFORMANCE,
    content_hash,
    publish,
    publish_performance,
)
from pipeline.warehouse.query import read_only
from pipeline.warehouse.schema import VIEWS
from pipeline.warehouse.server import Server, ensure_running

NIGHT = date(2024, 5, 31)
CLOSE = datetime(2024, 6, 1, tzinfo=UTC)
CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "outputs")
NIGHTLY = {name: each for name, each in CONTRACTS.items() if RUN_ID in each.column_names}
RUN_IDS = " UNION ALL ".join(f"SELECT run_id FROM risk.{name}" for name in NIGHTLY)
VALUES: dict[pa.DataType, Callable[[int], Any]] = {
    pa.string(): lambda i: f"text {i:04}",  # in order as text, too
    pa.float64(): lambda i: i / 7,
    pa.int64(): lambda i: i,
    pa.bool_(): lambda i: i % 2 == 0,
    pa.date32(): lambda i: NIGHT - timedelta(days=i),
    pa.timestamp("us", tz="UTC"): lambda i: datetime(2024, 6, 1, 2, 0, i % 60, i, UTC),
}
Night = dict[str, pa.Table]


def night(run_id: str, as_of: date = NIGHT, rows: int = 3) -> Night:
    """A night's tables: one row of runs, so many of each other, in the contracts' types."""

    def value(field: pa.Field, i: int) -> Any:
        fixed = {"run_id": run_id, "as_of_date": as_of, "reasons": f'["reason {i}"]'}
        return fixed.get(field.name, VALUES[field.type](i))

    def table(contract: Contract) -> pa.Table:
        fields = contract.arrow_schema
        records = [
            {field.name: value(field, i) for field in fields}
            for i in range(1 if contract.table == "runs" else rows)
        ]
        return conform(pa.Table.from_pylist(records, schema=fields), contract)

    return {name: table(contract) for name, contract in NIGHTLY.items()}


def changed(tables: Night, name: str, column: str, values: list[Any]) -> Night:
    """The night with other values in a column's first rows."""
    rows = tables[name].to_pylist()
    for row, value in zip(rows, values, strict=False):
        row[column] = value
    return {**tables, name: pa.Table.from_pylist(rows, schema=tables[name].schema)}


@pytest.fixture(scope="module")
def server(module_home: Path) -> Server:
    return ensure_running(module_home)


@pytest.fixture
def url(server: Server) -> str:
    """The writer's, to a warehouse in which there is nothing yet."""
    writer = server.url("warehouse", "risk_pipeline")
    with psycopg.connect(writer) as connection:
        connection.execute("DROP SCHEMA IF EXISTS risk CASCADE")
    return writer


@pytest.fixture
def reader(server: Server, url: str) -> Iterator[psycopg.Connection]:
    """The reader's connection; a night is published."""
    publish(url, NIGHT, night("first"), CONTRACTS)
    publish_performance(url, "1", figures("1", 3), CONTRACTS)
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO risk.warning_feedback (warning_id, action) VALUES ('text 0000', 'release')"
        )
        connection.execute(
            "INSERT INTO risk.tier_override (customer_id, tier, reason, expires_on) "
            "VALUES ('text 0000', 'E', 'a lawsuit is pending', '2099-01-01')"
        )
    reader_url = server.url("warehouse", "risk_reader")
    with closing(psycopg.connect(reader_url, autocommit=True)) as connection:
        yield connection


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def published(url: str, as_of: date = NIGHT) -> Night:
    """A night as it is read back, in the contracts' types and order."""
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        found = {}
        for name, contract in NIGHTLY.items():
            columns = ", ".join(
                f'"{field.name}"::text' if field.type == pa.string() else f'"{field.name}"'
                for field in contract.arrow_schema
            )
            key = ", ".join(f'"{column}"' for column in contract.key)
            cursor.execute(
                f"SELECT {columns} FROM risk.{name} WHERE as_of_date = '{as_of}' ORDER BY {key}"
            )
            found[name] = conform(cursor.fetch_arrow_table(), contract)
        return found


def runs_of(url: str) -> set[str]:
    """The runs of which anything is visible, in whichever table."""
    return {row[0] for row in ask(url, RUN_IDS)}


# --- What is written is what is read ------------------------------------------------------------


def test_a_night_is_read_back_as_it_was_written(url: str) -> None:
    tables = night("first", rows=100)
    publish(url, NIGHT, tables, CONTRACTS)
    assert published(url) == tables
    assert content_hash(published(url)) == content_hash(tables)


def figures(version: str, rows: int) -> pa.Table:
    contract = CONTRACTS[PERFORMANCE]
    records = [
        {
            field.name: version if field.name == "model_version" else VALUES[field.type](i)
            for field in contract.arrow_schema
        }
        for i in range(rows)
    ]
    return conform(pa.Table.from_pylist(records, schema=contract.arrow_schema), contract)


def test_a_versions_figures_are_replaced_and_nothing_else_is(url: str) -> None:
    publish(url, NIGHT, night("first"), CONTRACTS)
    publish_performance(url, "1", figures("1", 5), CONTRACTS)
    publish_performance(url, "2", figures("2", 3), CONTRACTS)
    publish_performance(url, "1", figures("1", 4), CONTRACTS)
    found = ask(url, "SELECT model_version, count(*) FROM risk.model_performance GROUP BY 1")
    assert sorted(found) == [("1", 4), ("2", 3)]
    publish(url, NIGHT, night("again"), CONTRACTS)
    assert len(ask(url, "SELECT 1 FROM risk.model_performance")) == 7
    with pytest.raises(RisklineError, match="publishing the figures of version 2 failed"):
        publish_performance(url, "2", figures("1", 9), CONTRACTS)
    assert sorted(ask(url, "SELECT model_version FROM risk.model_performance"))[-1] == ("2",)


def test_publishing_again_leaves_the_same_rows(url: str) -> None:
    for other in (NIGHT - timedelta(days=1), NIGHT + timedelta(days=1)):
        publish(url, other, night(f"of {other}", other), CONTRACTS)
    publish(url, NIGHT, night("first", rows=9), CONTRACTS)
    publish(url, NIGHT, night("second", rows=5), CONTRACTS)
    once = published(url)
    publish(url, NIGHT, night("second", rows=5), CONTRACTS)
    assert published(url) == once == night("second", rows=5)
    assert len(runs_of(url)) == 3  # the nights beside are untouched


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False)


@settings(max_examples=25)
@given(st.lists(st.tuples(TEXTS, NUMBERS, st.none() | TEXTS), max_size=5))
def test_any_text_and_number_survives(
    server: Server, values: list[tuple[str, float, str | None]]
) -> None:
    tables = night("any", rows=len(values))
    tables = changed(tables, "risk_scores", "segment", [text for text, _, _ in values])
    tables = changed(tables, "risk_scores", "exposure", [number for _, number, _ in values])
    tables = changed(tables, "risk_tiers", "previous_tier", [text for _, _, text in values])
    reasons = [json.dumps([text], ensure_ascii=False) for text, _, _ in values]
    tables = changed(tables, "warning_list", "reasons", reasons)
    writer = server.url("warehouse", "risk_pipeline")
    publish(writer, NIGHT, tables, CONTRACTS)
    assert content_hash(published(writer)) == content_hash(tables)


def test_the_hash_sees_every_value_and_no_chunks() -> None:
    tables = night("first")
    chunked = {
        name: pa.concat_tables([rows.slice(0, 1), rows.slice(1)]) for name, rows in tables.items()
    }
    assert content_hash(chunked) == content_hash(tables)
    hashes = {
        content_hash(changed(tables, "risk_tiers", "previous_tier", [value]))
        for value in (None, "", "NULL", "A", "A,B", '"A"')
    }
    hashes |= {
        content_hash(changed(tables, "risk_scores", "pd", [value])) for value in (0.1, 0.1 + 2e-17)
    }
    assert len(hashes) == 8


# --- All or nothing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("data_quality", "threshold", [None]),
        ("risk_scores", "customer_id", ["twice", "twice"]),
        ("runs", "status", [None]),
        ("warning_list", "reasons", ["no json"]),
        ("warning_list", "playbook", ["ends \0 here"]),
    ],
)
def test_a_row_that_is_refused_leaves_the_earlier_night(
    url: str, table: str, column: str, values: list[Any]
) -> None:
    publish(url, NIGHT, night("first"), CONTRACTS)
    with pytest.raises(RisklineError, match="nothing of it is visible") as caught:
        publish(url, NIGHT, changed(night("second", rows=7), table, column, values), CONTRACTS)
    assert "\n" not in str(caught.value)
    # A retry gives the same: it must not look like an outage.
    assert not isinstance(caught.value, UnreachableError)
    assert published(url) == night("first")


def test_a_table_too_few_is_refused(url: str) -> None:
    tables = night("first")
    del tables["warning_list"]
    with pytest.raises(ValueError, match="warning_list"):
        publish(url, NIGHT, tables, CONTRACTS)


def test_a_reader_sees_one_night_whole_all_the_while(url: str, server: Server) -> None:
    whole = {"odd": 301, "even": 201}  # rows by run, to tell half a night
    nights = {run_id: night(run_id, rows=rows) for run_id, rows in whole.items()}
    publish(url, NIGHT, nights["odd"], CONTRACTS)
    seen: set[str] = set()
    torn: list[Any] = []
    is_over = threading.Event()
    counts = " UNION ALL ".join(
        f"SELECT '{name}', run_id, count(*) FROM risk.{name} GROUP BY run_id" for name in NIGHTLY
    )

    def look(found: list[tuple[Any, ...]]) -> None:
        runs = {run_id for _, run_id, _ in found}
        seen.update(runs)
        rows = {(1 if name == "runs" else whole[run_id]) - n for name, run_id, n in found}
        if len(runs) != 1 or rows != {0} or len(found) != len(NIGHTLY):
            torn.append(found)

    def watch_by_statement(connection: psycopg.Connection) -> None:
        look(connection.execute(counts.encode()).fetchall())

    def watch_by_transaction(connection: psycopg.Connection) -> None:
        with connection.transaction():
            look(
                [
                    (name, *row)
                    for name in NIGHTLY
                    for row in connection.execute(
                        f"SELECT run_id, count(*) FROM risk.{name} GROUP BY run_id".encode()
                    )
                ]
            )

    def watch_the_view(connection: psycopg.Connection) -> None:
        found = connection.execute("SELECT run_id, count(*) FROM risk.current_risk GROUP BY run_id")
        rows = found.fetchall()
        if len(rows) != 1 or whole[rows[0][0]] != rows[0][1]:
            torn.append(rows)

    def watch(how: Callable[[psycopg.Connection], None]) -> int:
        looks = 0
        reader_url = server.url("warehouse", "risk_reader")
        with closing(psycopg.connect(reader_url, autocommit=True)) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not is_over.is_set():
                how(connection)
                looks += 1
        return looks

    watchers = (watch_by_statement, watch_by_transaction, watch_the_view)
    with ThreadPoolExecutor(len(watchers)) as pool:
        looks = [pool.submit(watch, how) for how in watchers]
        try:
            for turn in range(30):
                run_id = ("even", "odd")[turn % 2]
                publish(url, NIGHT, nights[run_id], CONTRACTS)
        finally:
            is_over.set()
        assert min(look.result() for look in looks) > 10
    assert not torn
    assert seen == whole.keys()


def held_back(url: str) -> psycopg.Connection:
    """A connection because of which a publish stops before its last table."""
    connection = psycopg.connect(url)
    last = list(NIGHTLY)[-1]
    connection.execute(f"LOCK TABLE risk.{last} IN SHARE MODE".encode())
    return connection


def waiting_publisher(url: str) -> int:
    """The server process of the publish that is held back, once it is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = ask(
            url,
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND wait_event = 'relation' AND datname = current_database()",
        )
        if found:
            return int(found[0][0])
        time.sleep(0.02)
    raise AssertionError("no publish waits")


PUBLISH = """
import sys
from tests.unit.test_publish import CONTRACTS, NIGHT, night, publish
publish(sys.argv[1], NIGHT, night("killed", rows=7), CONTRACTS)
"""


def test_killed_before_its_end_it_leaves_the_earlier_night(url: str) -> None:
    publish(url, NIGHT, night("first"), CONTRACTS)
    with closing(held_back(url)) as holder:
        publisher = subprocess.Popen([sys.executable, "-c", PUBLISH, url], cwd=REPOSITORY)
        waiting_publisher(url)
        os.kill(publisher.pid, signal.SIGKILL)
        assert publisher.wait(30) == -signal.SIGKILL
        assert published(url) == night("first")
        holder.rollback()
    publish(url, NIGHT, night("next"), CONTRACTS)
    assert published(url) == night("next")


def test_cut_off_by_the_server_it_may_be_tried_again(url: str, server: Server) -> None:
    publish(url, NIGHT, night("first"), CONTRACTS)
    with closing(held_back(url)), ThreadPoolExecutor(1) as pool:
        attempt = pool.submit(publish, url, NIGHT, night("second"), CONTRACTS)
        pid = waiting_publisher(url)
        ask(server.url("warehouse", "postgres"), f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(UnreachableError, match="whole or not at all") as caught:
            attempt.result(30)
    assert "\n" not in str(caught.value)
    assert published(url) == night("first")


def test_two_runs_of_one_night_at_once_end_with_one_of_them_whole(url: str) -> None:
    nights = {run_id: night(run_id, rows=rows) for run_id, rows in (("a", 200), ("b", 300))}
    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            attempts = [
                pool.submit(publish, url, NIGHT, nights[run_id], CONTRACTS) for run_id in "abab"
            ]
            for attempt in attempts:
                attempt.result(60)
        (run_id,) = runs_of(url)
        assert published(url) == nights[run_id]


def test_the_first_nights_of_a_warehouse_may_come_all_at_once(url: str) -> None:
    days = [NIGHT - timedelta(days=back) for back in range(6)]
    with ThreadPoolExecutor(len(days)) as pool:
        list(pool.map(lambda day: publish(url, day, night(f"of {day}", day), CONTRACTS), days))
    assert runs_of(url) == {f"of {day}" for day in days}


def test_someone_reading_at_leisure_holds_nobody_up(url: str, reader: psycopg.Connection) -> None:
    with reader.transaction(), ThreadPoolExecutor(1) as pool:
        for name in (*CONTRACTS, *VIEWS):
            reader.execute(f"SELECT * FROM risk.{name}".encode())
        attempt = pool.submit(publish, url, NIGHT, night("second"), CONTRACTS)
        try:
            attempt.result(20)
        finally:
            # Or the attempt, and with it the pool, would wait for us for ever.
            reader.cancel()
            if not attempt.done():
                reader.close()
    assert runs_of(url) == {"second"}


# --- What the next night reads ------------------------------------------------------------------


def test_the_first_night_finds_nothing_before_it(url: str) -> None:
    run, past = past_of(url, NIGHT, CLOSE, CONTRACTS)
    assert run is None
    assert past.customers.empty
    assert list(past.customers) == list(CUSTOMER_COLUMNS)
    assert past.warnings.empty
    assert list(past.warnings) == list(CARRIED)
    assert not past.answers
    assert past.overrides.empty


def test_a_night_reads_the_last_one_published_before_it(url: str) -> None:
    for back in (1, 3, 8):
        day = NIGHT - timedelta(days=back)
        publish(url, day, night(f"{back} before", day, rows=back + 1), CONTRACTS)
    publish(url, NIGHT, night("itself"), CONTRACTS)
    for as_of, run_id, rows in (
        (NIGHT, "1 before", 2),
        (NIGHT - timedelta(days=1), "3 before", 4),
        (NIGHT - timedelta(days=2), "3 before", 4),
        (NIGHT - timedelta(days=3), "8 before", 9),
    ):
        found, past = past_of(url, as_of, CLOSE, CONTRACTS)
        assert found is not None
        assert found.run_id == run_id
        assert len(past.customers) == len(past.warnings) == rows


# --- Who may do what ----------------------------------------------------------------------------


def test_the_reader_reads_every_table_and_view(reader: psycopg.Connection) -> None:
    for name in (*CONTRACTS, *VIEWS):
        row = reader.execute(f"SELECT count(*) FROM risk.{name}".encode()).fetchone()
        assert row is not None
        assert row[0] >= 1, name


@pytest.mark.parametrize(
    "statement",
    [
        *(f"DELETE FROM risk.{name}" for name in NIGHTLY),
        *(f"UPDATE risk.{name} SET run_id = ''" for name in NIGHTLY),
        *(f"INSERT INTO risk.{name} SELECT * FROM risk.{name}" for name in NIGHTLY),
        *(f"TRUNCATE risk.{name}" for name in NIGHTLY),
        *(f"DELETE FROM risk.{name}" for name in VIEWS),
        "DROP TABLE risk.runs",
        "ALTER TABLE risk.runs ADD COLUMN mine int",
        "CREATE TABLE risk.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE VIEW risk.mine AS SELECT 1",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "COPY risk.runs TO '/tmp/runs'",
        "SELECT pg_read_file('/etc/passwd')",
        "SET ROLE risk_pipeline",
    ],
)
def test_the_reader_changes_nothing(reader: psycopg.Connection, statement: str) -> None:
    with pytest.raises(
        (
            psycopg.errors.InsufficientPrivilege,
            # A view that joins cannot be written by anybody.
            psycopg.errors.ObjectNotInPrerequisiteState,
        )
    ):
        reader.execute(statement.encode())


@pytest.mark.parametrize("database", ["bank", "airflow", "postgres"])
def test_the_reader_enters_no_other_database(server: Server, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(server.url(database, "risk_reader"))


def test_tables_and_columns_say_what_they_are(reader: psycopg.Connection) -> None:
    tables = reader.execute(
        "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class "
        "WHERE relnamespace = 'risk'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert dict(tables.fetchall()) == {
        name: contract.description for name, contract in CONTRACTS.items()
    }
    columns = reader.execute(
        "SELECT table_name || '.' || column_name, "
        "col_description(('risk.' || table_name)::regclass, ordinal_position) "
        "FROM information_schema.columns WHERE table_schema = 'risk' AND table_name = ANY(%s)",
        [list(CONTRACTS)],
    )
    assert dict(columns.fetchall()) == {
        f"{name}.{column.name}": column.description
        for name, contract in CONTRACTS.items()
        for column in contract.columns
    }


def test_reasons_are_json_to_the_database(reader: psycopg.Connection) -> None:
    found = reader.execute("SELECT reasons ->> 0 FROM risk.warning_list ORDER BY 1").fetchall()
    assert found == [("reason 0",), ("reason 1",), ("reason 2",)]


def test_views_show_the_last_night(url: str, reader: psycopg.Connection) -> None:
    publish(url, NIGHT - timedelta(days=1), night("older", NIGHT - timedelta(days=1)), CONTRACTS)
    for name in ("current_risk", "current_warnings"):
        found = reader.execute(f"SELECT DISTINCT run_id FROM risk.{name}".encode()).fetchall()
        assert found == [("first",)]


def test_a_role_that_may_not_create_the_schema_is_told_so(server: Server, url: str) -> None:
    with pytest.raises(RisklineError, match=r"^the warehouse refuses: permission denied") as caught:
        publish(server.url("warehouse", "risk_reader"), NIGHT, night("first"), CONTRACTS)
    assert "\n" not in str(caught.value)
    assert ask(url, "SELECT to_regnamespace('risk')") == [(None,)]


def test_a_schema_made_by_an_administrator_will_do(server: Server, url: str) -> None:
    administrator = server.url("warehouse", "postgres")
    with psycopg.connect(administrator) as connection:
        connection.execute("CREATE SCHEMA risk")
        connection.execute("GRANT USAGE, CREATE ON SCHEMA risk TO risk_pipeline")
        # Who owns a database may create schemas in it.
        connection.execute("ALTER DATABASE warehouse OWNER TO postgres")
        connection.execute("GRANT CONNECT ON DATABASE warehouse TO risk_pipeline")
    try:
        publish(url, NIGHT, night("first"), CONTRACTS)
        assert published(url) == night("first")
    finally:
        with psycopg.connect(administrator) as connection:
            connection.execute("ALTER DATABASE warehouse OWNER TO risk_pipeline")
            connection.execute("DROP SCHEMA risk CASCADE")


# --- Questions that change nothing --------------------------------------------------------------


def test_a_question_is_answered(url: str, reader: psycopg.Connection) -> None:
    names, rows = read_only(
        url,
        "SELECT customer_id, 100 % 7 AS rest FROM risk.risk_scores WHERE segment LIKE '%t 0001'",
    )
    assert names == ["customer_id", "rest"]
    assert rows == [("text 0001", 2)]


WRITES = [
    "DELETE FROM risk.runs",
    "COMMIT; DELETE FROM risk.runs",
    "ROLLBACK; DELETE FROM risk.runs",
    "SELECT 1; COMMIT; DELETE FROM risk.runs; BEGIN",
    "SELECT 1; DELETE FROM risk.runs",
    "END; BEGIN READ WRITE; DELETE FROM risk.runs; COMMIT",
    "WITH gone AS (DELETE FROM risk.runs RETURNING *) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM risk.runs",
    "SET TRANSACTION READ WRITE; DELETE FROM risk.runs; COMMIT",
    "DO $$ BEGIN SET TRANSACTION READ WRITE; DELETE FROM risk.runs; END $$",
    "DO $$ BEGIN COMMIT; DELETE FROM risk.runs; END $$",
    "COMMIT",
    "SELECT * INTO risk.mine FROM risk.runs",
    "CREATE TABLE risk.mine (id int)",
    "TRUNCATE risk.runs",
    "COPY risk.runs FROM STDIN",
    "SELECT nothing FROM risk.runs",
    "",
    "-- DELETE FROM risk.runs",
]


@pytest.mark.parametrize("query", WRITES)
def test_no_question_writes_even_for_a_role_that_may(
    url: str, reader: psycopg.Connection, query: str
) -> None:
    with pytest.raises(RisklineError) as caught:
        read_only(url, query)
    assert "\n" not in str(caught.value)
    assert published(url) == night("first")
    assert ask(url, "SELECT to_regclass('risk.mine')") == [(None,)]


# --- No warehouse -------------------------------------------------------------------------------


def attempts(url: str) -> Mapping[str, Callable[[], object]]:
    def just_connect() -> None:
        with connect(url):
            pass

    return {
        "connect": just_connect,
        "publish": lambda: publish(url, NIGHT, night("first"), CONTRACTS),
        "past_of": lambda: past_of(url, NIGHT, CLOSE, CONTRACTS),
        "read_only": lambda: read_only(url, "SELECT 1"),
    }


@pytest.mark.parametrize("attempt", attempts(""))
@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("postgresql://risk_pipeline:s3cret@127.0.0.1:9/warehouse", UnreachableError),
        ("postgresql://risk_pipeline:s3cret@127.0.0.1:{port}/warehouse", UnreachableError),
        ("postgresql://risk_pipeline:s3c@s3cret@127.0.0.1:{port}/warehouse", UnreachableError),
        ("postgresql+psycopg2://risk_pipeline:s3cret@127.0.0.1/warehouse", RisklineError),
        ("postgresql://risk_pipeline:s3cret@127.0.0.1/warehouse?s3cret=1", RisklineError),
    ],
)
def test_without_a_warehouse_it_says_so_in_one_line_and_tells_no_password(
    server: Server, attempt: str, wrong: str, kind: type[RisklineError]
) -> None:
    with pytest.raises(RisklineError) as caught:
        attempts(wrong.format(port=server.port))[attempt]()
    assert type(caught.value) is kind
    assert "RISK_WAREHOUSE_URL" in str(caught.value)
    assert "\n" not in str(caught.value)
    # The traceback is what a scheduler logs.
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
