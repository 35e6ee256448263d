"""A partition a night, and what becomes of nights that are too old to be kept."""

import threading
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pipeline.errors import RisklineError
from pipeline.warehouse.audit import verify
from pipeline.warehouse.history import past_of, stale_nights
from pipeline.warehouse.partitions import partitioned
from pipeline.warehouse.publish import publish
from pipeline.warehouse.retention import _drop_empty, retire
from pipeline.warehouse.server import Server
from tests.unit.test_publish import CLOSE, CONTRACTS, NIGHT, changed, night

TABLES = partitioned(CONTRACTS)
DAYS = [NIGHT - timedelta(days=back) for back in (4, 3, 2, 1, 0)]
PARTITIONS = (
    "SELECT count(*) FROM pg_class WHERE relnamespace = 'risk_partitions'::regnamespace "
    "AND relkind = 'r'"
)


@pytest.fixture
def url(shared_server: Server) -> str:
    """The writer's, to a warehouse with five nights, each on the one before."""
    writer = shared_server.url("warehouse", "risk_pipeline")
    with psycopg.connect(writer) as connection:
        connection.execute("DROP SCHEMA IF EXISTS risk CASCADE")
    before = None
    for day in DAYS:
        tables = night(f"of {day}", day, rows=20)
        tables = changed(tables, "runs", "previous_run_id", [before])
        publish(writer, day, changed(tables, "runs", "status", ["published"]), CONTRACTS)
        before = f"of {day}"
    return writer


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_question_about_one_night_touches_no_other(url: str) -> None:
    assert ask(url, PARTITIONS) == [(len(TABLES) * len(DAYS),)]
    for table in TABLES:
        plan = ask(url, f"EXPLAIN SELECT * FROM risk.{table} WHERE as_of_date = '{DAYS[2]}'")
        text = "\n".join(line for (line,) in plan)
        assert f"{table}_{DAYS[2]:%Y%m%d}" in text
        assert f"{table}_{DAYS[3]:%Y%m%d}" not in text


def test_nights_beyond_those_kept_are_gone_and_their_runs_stay(url: str) -> None:
    assert retire(url, TABLES, keep_nights=3) == DAYS[:2]
    for table in TABLES:
        assert ask(url, f"SELECT DISTINCT as_of_date FROM risk.{table} ORDER BY 1") == [
            (day,) for day in DAYS[2:]
        ]
    assert ask(url, "SELECT status, count(*) FROM risk.runs GROUP BY 1 ORDER BY 1") == [
        ("published", 3),
        ("retired", 2),
    ]
    assert ask(url, PARTITIONS) == [(len(TABLES) * 3,)]
    # What rests on a night that is gone is not stale by that; and the log still holds.
    assert stale_nights(url) == []
    verify(url)
    said = "SELECT subject, detail FROM risk.audit_log WHERE event = 'retire' ORDER BY entry"
    assert ask(url, said) == [(f"of {day}", f'{{"as_of_date": "{day}"}}') for day in DAYS[:2]]
    assert retire(url, TABLES, keep_nights=3) == []


def test_nothing_goes_on_from_a_night_that_is_gone(url: str) -> None:
    retire(url, TABLES, keep_nights=3)
    with pytest.raises(RisklineError, match=f"no longer keeps the rows of {DAYS[1]}"):
        past_of(url, DAYS[2], CLOSE, CONTRACTS)
    run, _ = past_of(url, DAYS[3], CLOSE, CONTRACTS)
    assert run is not None
    assert run.as_of_date == DAYS[2]


def test_what_rests_on_a_night_that_is_gone_is_never_stale(url: str) -> None:
    publish(url, DAYS[1], night("another", DAYS[1]), CONTRACTS)
    assert stale_nights(url) == DAYS[1:]
    retire(url, TABLES, keep_nights=3)
    # Its rows are as they were decided: nobody can decide them again from what is left.
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE risk.runs SET status = 'retired' WHERE run_id = 'another'")
    assert stale_nights(url) == []


def test_who_reads_an_old_night_is_not_disturbed(url: str, shared_server: Server) -> None:
    reader_url = shared_server.url("warehouse", "risk_reader")
    query = f"SELECT count(*) FROM risk.risk_scores WHERE as_of_date = '{DAYS[0]}'"
    with closing(psycopg.connect(reader_url)) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert reader.execute(query.encode()).fetchone() == (20,)
        assert retire(url, TABLES, keep_nights=3) == DAYS[:2]
        assert reader.execute(query.encode()).fetchone() == (20,)
        reader.commit()
        assert reader.execute(query.encode()).fetchone() == (0,)


def test_a_night_may_come_back(url: str) -> None:
    retire(url, TABLES, keep_nights=3)
    publish(url, DAYS[1], night("again", DAYS[1], rows=7), CONTRACTS)
    query = f"SELECT count(*) FROM risk.risk_scores WHERE as_of_date = '{DAYS[1]}'"
    assert ask(url, query) == [(7,)]


def test_a_night_that_came_back_meanwhile_stays(url: str) -> None:
    retire(url, TABLES, keep_nights=3)
    publish(url, DAYS[1], night("again", DAYS[1]), CONTRACTS)
    # As where it is published again after it was found too old, and before its partitions go.
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE risk.runs SET status = 'retired' WHERE run_id = 'again'")
    _drop_empty(url, TABLES)
    assert ask(url, PARTITIONS) == [(len(TABLES) * 4,)]
    assert ask(url, f"SELECT count(*) FROM risk.risk_tiers WHERE as_of_date = '{DAYS[1]}'") == [
        (3,)
    ]


def test_partitions_that_were_read_go_the_next_time(url: str, shared_server: Server) -> None:
    with closing(psycopg.connect(shared_server.url("warehouse", "risk_reader"))) as reader:
        one = f"SELECT count(*) FROM risk.risk_scores WHERE as_of_date = '{DAYS[0]}'"
        assert reader.execute(one.encode()).fetchone() == (20,)
        read = threading.Timer(0.2, lambda: reader.execute("SELECT count(*) FROM risk.risk_tiers"))
        read.start()
        assert retire(url, TABLES, keep_nights=3) == DAYS[:2]
        read.join()
        # What the reader asks for in the same transaction is answered, whoever waits for whom.
        assert reader.execute(one.encode()).fetchone() == (0,)
    ((left,),) = ask(url, PARTITIONS)
    assert left > len(TABLES) * 3
    assert retire(url, TABLES, keep_nights=3) == []
    assert ask(url, PARTITIONS) == [(len(TABLES) * 3,)]
