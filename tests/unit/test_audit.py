"""The audit log on a real server: what is done leaves an entry, and every edit of one is found."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import RisklineError
from pipeline.warehouse.audit import audited, detail_of, verify
from pipeline.warehouse.publish import publish
from pipeline.warehouse.schema import ensure_schema
from pipeline.warehouse.server import Server
from tests.unit.test_publish import CONTRACTS, NIGHT, changed, night

ADD = "INSERT INTO risk.audit_log (event, subject, detail) VALUES (%s, %s, %s)"

SWAPPED = (
    "UPDATE risk.audit_log SET entry = CASE entry WHEN 3 THEN 14 ELSE 13 END WHERE entry IN (3, 4);"
    "UPDATE risk.audit_log SET entry = entry - 10 WHERE entry > 10"
)
PUT_IN = (
    "INSERT INTO risk.tier_override "
    "VALUES ('c', now(), 'eve', 'A', 'no reason at all', '2099-01-01')"
)


@pytest.fixture
def url(shared_server: Server) -> str:
    """The writer's, to a warehouse in which nothing has been done yet."""
    writer = shared_server.url("warehouse", "risk_pipeline")
    with psycopg.connect(writer) as connection:
        connection.execute("DROP SCHEMA IF EXISTS risk CASCADE")
        ensure_schema(connection, CONTRACTS)
    return writer


@pytest.fixture
def five(url: str) -> str:
    """The URL of a log with five entries, two of them of published nights."""
    for back in (1, 0):
        day = NIGHT - timedelta(days=back)
        publish(url, day, night(f"of {day}", day), CONTRACTS)
    for version in ("1", "2"):
        with audited(url, CONTRACTS, "promote", version, despite_gate=False):
            pass
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO risk.warning_feedback (warning_id, action) VALUES ('text 0000', 'release')"
        )
    return url


@pytest.fixture
def intruder(shared_server: Server) -> Iterator[psycopg.Connection]:
    """Somebody who got hold of the superuser, and switches the triggers off."""
    with closing(psycopg.connect(shared_server.url("warehouse", "postgres"))) as connection:
        connection.autocommit = True
        connection.execute("SET session_replication_role = replica")
        yield connection


def test_an_empty_log_holds(url: str) -> None:
    assert verify(url).entries == 0


def test_what_is_done_leaves_an_entry(five: str) -> None:
    chain = verify(five)
    assert chain.entries == 5
    with psycopg.connect(five) as connection:
        found = connection.execute(
            "SELECT event, subject, actor FROM risk.audit_log ORDER BY entry"
        ).fetchall()
        (last,) = connection.execute(
            "SELECT hash FROM risk.audit_log ORDER BY entry DESC LIMIT 1"
        ).fetchone() or ("",)
    assert found == [
        ("publish", f"of {NIGHT - timedelta(days=1)}", "risk_pipeline"),
        ("publish", f"of {NIGHT}", "risk_pipeline"),
        ("promote", "1", "risk_pipeline"),
        ("promote", "2", "risk_pipeline"),
        ("feedback", "text 0000", "risk_pipeline"),
    ]
    assert chain.last_hash == last
    assert verify(five, known_hash=last) == chain


def test_a_night_that_is_refused_leaves_none(url: str) -> None:
    with pytest.raises(RisklineError, match="nothing of it is visible"):
        publish(url, NIGHT, changed(night("x"), "warning_list", "reasons", ["no json"]), CONTRACTS)
    assert verify(url).entries == 0


def test_what_fails_leaves_none(url: str) -> None:
    with pytest.raises(KeyError), audited(url, CONTRACTS, "promote", "1"):
        raise KeyError
    assert verify(url).entries == 0


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("UPDATE risk.audit_log SET subject = 'x' WHERE entry = 1", "from entry 1 on"),
        ("UPDATE risk.audit_log SET at = at + interval '1 us' WHERE entry = 3", "from entry 3 on"),
        ("UPDATE risk.audit_log SET actor = 'nobody' WHERE entry = 4", "from entry 4 on"),
        ("UPDATE risk.audit_log SET detail = '{}' WHERE entry = 2", "from entry 2 on"),
        ("UPDATE risk.audit_log SET event = 'replay' WHERE entry = 5", "from entry 5 on"),
        ("UPDATE risk.audit_log SET at = 'infinity' WHERE entry = 4", "from entry 4 on"),
        ("UPDATE risk.audit_log SET hash = '' WHERE entry = 5", "from entry 5 on"),
        ("DELETE FROM risk.audit_log WHERE entry = 1", "from entry 1 on"),
        ("DELETE FROM risk.audit_log WHERE entry = 3", "from entry 3 on"),
        (
            SWAPPED,
            "from entry 3 on",
        ),
        ("DELETE FROM risk.audit_log", "the run of 2024-05-3"),
        ("DELETE FROM risk.audit_log WHERE entry = 5", "warning_feedback is not as"),
        ("UPDATE risk.warning_feedback SET action = 'acknowledge'", "warning_feedback is not as"),
        ("DELETE FROM risk.warning_feedback", "warning_feedback is not as"),
        ("UPDATE risk.runs SET output_hash = 'x'", "the run of 2024-05-3"),
        (
            PUT_IN,
            "tier_override is not as",
        ),
    ],
)
def test_every_edit_is_found(five: str, intruder: psycopg.Connection, edit: str, says: str) -> None:
    verify(five)
    intruder.execute(edit.encode())
    with pytest.raises(RisklineError, match=says) as caught:
        verify(five)
    assert "\n" not in str(caught.value)


def test_a_run_that_was_replaced_does_not_come_back_unseen(
    url: str, intruder: psycopg.Connection
) -> None:
    publish(url, NIGHT, night("wrong"), CONTRACTS)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM risk.runs")
        connection.commit()
        publish(url, NIGHT, night("right"), CONTRACTS)
        verify(url)
        connection.execute("DELETE FROM risk.runs; INSERT INTO risk.runs SELECT * FROM kept")
    with pytest.raises(RisklineError, match="the run wrong is not as the audit log has it"):
        verify(url)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/St_Johns"])
def test_what_is_said_in_one_time_zone_holds_in_another(
    five: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", zone)
    with psycopg.connect(five) as connection:
        connection.execute(
            "INSERT INTO risk.tier_override (customer_id, tier, reason, expires_on) "
            "VALUES ('text 0000', 'E', 'a lawsuit is pending', '2099-01-01')"
        )
    assert verify(five).entries == 6
    monkeypatch.delenv("PGTZ")
    assert verify(five).entries == 6


@pytest.mark.parametrize("detail", ["no JSON", "[1]", '"word"', ""])
def test_what_nobody_could_read_is_not_written(url: str, detail: str) -> None:
    with psycopg.connect(url) as connection, pytest.raises(psycopg.Error, match="json"):
        connection.execute(ADD, ["publish", "x", detail])
    assert verify(url).entries == 0


def test_an_end_that_was_cut_off_is_found_by_a_hash_that_was_known(
    url: str, intruder: psycopg.Connection
) -> None:
    for version in ("1", "2"):
        with audited(url, CONTRACTS, "promote", version):
            pass
    known = verify(url).last_hash
    intruder.execute("DELETE FROM risk.audit_log WHERE entry = 2")
    assert verify(url).entries == 1
    with pytest.raises(RisklineError, match="its end was cut off"):
        verify(url, known_hash=known)


def test_an_end_that_was_written_anew_is_found_by_a_hash_that_was_known(
    url: str, intruder: psycopg.Connection
) -> None:
    with audited(url, CONTRACTS, "promote", "1"):
        pass
    known = verify(url).last_hash
    intruder.execute("DELETE FROM risk.audit_log")
    with audited(url, CONTRACTS, "promote", "2"):
        pass
    assert verify(url).entries == 1
    with pytest.raises(RisklineError, match="written anew"):
        verify(url, known_hash=known)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE risk.audit_log SET subject = 'x'",
        "DELETE FROM risk.audit_log",
        "TRUNCATE risk.audit_log",
        "UPDATE risk.warning_feedback SET note = 'x'",
        "DELETE FROM risk.warning_feedback",
    ],
)
def test_even_its_owner_only_adds(five: str, statement: str) -> None:
    with (
        psycopg.connect(five) as connection,
        pytest.raises(psycopg.Error, match="only ever added to"),
    ):
        connection.execute(statement.encode())


def test_many_at_once_make_one_chain(url: str) -> None:
    def add(number: int) -> None:
        with audited(url, CONTRACTS, "promote", str(number)):
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert verify(url).entries == 40


def test_number_time_actor_and_seal_are_not_for_the_writer_to_say(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO risk.audit_log "
            "VALUES (7, '2000-01-01', 'eve', 'promote', 's', '{}', 'p', 'h')"
        )
        row = connection.execute("SELECT entry, actor, at > '2024-01-01' FROM risk.audit_log")
        assert row.fetchall() == [(1, "risk_pipeline", True)]
    assert verify(url).entries == 1


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_whatever_is_written_holds(url: str, words: list[tuple[str, str]]) -> None:
    with psycopg.connect(url) as connection:
        for subject, said in words:
            connection.execute(ADD, ["promote", subject, detail_of(said=said)])
    assert verify(url).entries >= len(words)


@pytest.mark.parametrize("role", ["risk_reader", "risk_officer"])
def test_others_read_it_and_cannot_write(five: str, shared_server: Server, role: str) -> None:
    theirs = shared_server.url("warehouse", role)
    assert verify(theirs).entries == 5
    with closing(psycopg.connect(theirs, autocommit=True)) as connection:
        attempts: list[Callable[[], Any]] = [
            lambda: connection.execute(ADD, ["publish", "x", "{}"]),
            lambda: connection.execute("DELETE FROM risk.audit_log"),
            lambda: connection.execute("ALTER TABLE risk.audit_log DISABLE TRIGGER ALL"),
            lambda: connection.execute("SET session_replication_role = replica"),
            lambda: connection.execute("DROP FUNCTION risk.seal_audit CASCADE"),
        ]
        for attempt in attempts:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                attempt()


def test_details_are_json_in_one_order() -> None:
    assert detail_of(b="ü", a=NIGHT) == '{"a": "2024-05-31", "b": "ü"}'
    assert json.loads(detail_of(b="ü", a=NIGHT)) == {"a": "2024-05-31", "b": "ü"}


def test_a_reader_does_not_blind_the_auditor(five: str, shared_server: Server) -> None:
    reader = shared_server.url("warehouse", "risk_reader")
    with closing(psycopg.connect(reader, autocommit=True)) as connection:
        for setting in ("datestyle = 'German'", "timezone = 'Asia/Tokyo'", "bytea_output = escape"):
            connection.execute(f"ALTER ROLE CURRENT_USER SET {setting}".encode())
        try:
            assert verify(reader) == verify(five)
        finally:
            connection.execute("ALTER ROLE CURRENT_USER RESET ALL")
