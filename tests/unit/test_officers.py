"""What officers may say and what is made of it, on a real server, by persons of their own."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pipeline.business_day import close_of
from pipeline.decisions.night import Past
from pipeline.decisions.warning_life import Answer
from pipeline.settings import load_settings
from pipeline.warehouse.history import past_of
from pipeline.warehouse.publish import publish
from pipeline.warehouse.server import Server
from tests.unit.test_publish import CONTRACTS, night

# A night that closes after all that is said here, though midnight may pass while the tests run.
TONIGHT = datetime.now(UTC).date() + timedelta(days=1)
BEFORE = TONIGHT - timedelta(days=1)
WARNING, CUSTOMER = "text 0001", "text 0002"
SAY = "INSERT INTO risk.warning_feedback (warning_id, action) VALUES (%s, %s)"
NOTE = "INSERT INTO risk.warning_feedback (warning_id, action, note) VALUES (%s, 'release', %s)"
ASK = (
    "INSERT INTO risk.tier_override (customer_id, tier, reason, expires_on) "
    "VALUES (%s, %s, %s, %s) RETURNING at"
)
APPROVE = "SELECT risk.approve_override(%s, %s)"
REASON = "A lawsuit against the owner is pending."


@pytest.fixture(scope="module")
def persons(shared_server: Server) -> dict[str, str]:
    """The URLs of two officers and of the reader, in a warehouse with last night's tables."""
    with psycopg.connect(shared_server.url("warehouse", "postgres"), autocommit=True) as root:
        for person in ("alice", "bob"):
            known = root.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [person]).fetchone()
            if known is None:
                root.execute(
                    f"CREATE ROLE {person} LOGIN PASSWORD '{person}' IN ROLE risk_officer".encode()
                )
        root.execute("DROP SCHEMA IF EXISTS risk CASCADE")
    writer = shared_server.url("warehouse", "risk_pipeline")
    publish(writer, BEFORE, night("last", BEFORE), CONTRACTS)
    found = {
        person: f"postgresql://{person}:{person}@127.0.0.1:{shared_server.port}/warehouse"
        for person in ("alice", "bob")
    }
    return found | {
        "reader": shared_server.url("warehouse", "risk_reader"),
        "writer": writer,
        "root": shared_server.url("warehouse", "postgres"),
    }


@pytest.fixture(autouse=True)
def nothing_said(persons: dict[str, str]) -> None:
    with psycopg.connect(persons["root"]) as connection:
        # What is only ever added to can be emptied by a superuser who switches off its triggers.
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE risk.warning_feedback, risk.tier_override, risk.audit_log")


@pytest.fixture
def alice(persons: dict[str, str]) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(persons["alice"], autocommit=True)) as connection:
        yield connection


@pytest.fixture
def bob(persons: dict[str, str]) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(persons["bob"], autocommit=True)) as connection:
        yield connection


def past(persons: dict[str, str], as_of: date = TONIGHT, close: datetime | None = None) -> Past:
    """What a night goes on from; it closes at the end of its day unless said otherwise."""
    moment = close or close_of(as_of, load_settings().timezone)
    return past_of(persons["writer"], as_of, moment, CONTRACTS)[1]


def ask(officer: psycopg.Connection, expires_on: date = TONIGHT, tier: str = "E") -> Any:
    row = officer.execute(ASK, [CUSTOMER, tier, REASON, expires_on]).fetchone()
    assert row is not None
    return row[0]


def test_an_answer_bears_its_officer_and_time_and_the_night_heeds_it(
    persons: dict[str, str], alice: psycopg.Connection, bob: psycopg.Connection
) -> None:
    alice.execute(SAY, [WARNING, "acknowledge"])
    bob.execute(SAY, [WARNING, "release"])
    said = alice.execute(
        "SELECT officer, action, at <= now() AND at > now() - interval '1 minute' "
        "FROM risk.warning_feedback ORDER BY at"
    ).fetchall()
    assert said == [("alice", "acknowledge", True), ("bob", "release", True)]
    assert past(persons).answers == {WARNING: {Answer.ACKNOWLEDGE, Answer.RELEASE}}


def test_what_is_being_said_is_waited_for(persons: dict[str, str]) -> None:
    with closing(psycopg.connect(persons["alice"])) as officer:
        officer.execute(SAY, [WARNING, "release"])
        # It bears its time already, and nobody can see it yet.
        committed = threading.Timer(0.5, officer.commit)
        committed.start()
        assert past(persons).answers == {WARNING: {Answer.RELEASE}}
        committed.join()


def test_what_is_said_is_told_alike_in_every_time_zone(
    persons: dict[str, str], alice: psycopg.Connection, bob: psycopg.Connection
) -> None:
    bob.execute(APPROVE, [CUSTOMER, ask(alice)])
    said = past(persons).said_by_officers
    assert len(said) == 1
    with psycopg.connect(persons["root"], autocommit=True) as root:
        try:
            for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'German'"):
                root.execute(f"ALTER ROLE risk_pipeline SET {setting}".encode())
                assert past(persons).said_by_officers == said
        finally:
            root.execute("ALTER ROLE risk_pipeline RESET ALL")


def test_what_is_said_after_the_close_of_a_night_is_not_heeded_on_it(
    persons: dict[str, str], alice: psycopg.Connection
) -> None:
    alice.execute(SAY, [WARNING, "acknowledge"])
    row = alice.execute("SELECT at FROM risk.warning_feedback").fetchone()
    assert row is not None
    assert past(persons, close=row[0]).answers == {}
    later = row[0] + timedelta(microseconds=1)
    assert past(persons, close=later).answers == {WARNING: {Answer.ACKNOWLEDGE}}


@pytest.mark.parametrize(
    ("statement", "values", "says"),
    [
        (SAY, ["no such", "release"], "there is no warning no such"),
        (SAY, [WARNING, "ignore"], "action_allowed"),
        (SAY, ["'; DROP TABLE risk.runs; --", "release"], "there is no warning '; DROP"),
        (ASK, [CUSTOMER, "F", REASON, TONIGHT], "tier_allowed"),
        (ASK, [CUSTOMER, "E", "because   ", TONIGHT], "has_reason"),
        (ASK, [CUSTOMER, "E", REASON, TONIGHT - timedelta(days=2)], "expires_later"),
        (ASK, [CUSTOMER, "E", REASON, None], "expires_on"),
        (ASK, [CUSTOMER, "E", REASON, "infinity"], "expires_on_in_range"),
        (ASK, [CUSTOMER, "E", "because " * 251, TONIGHT], "reason_length"),
        (ASK, [CUSTOMER, "E", f"{REASON}\x1b[2J", TONIGHT], "reason_clean"),
        (NOTE, [WARNING, "x" * 2001], "note_length"),
        (NOTE, [WARNING, "\x1b[2J"], "note_clean"),
        (NOTE, [WARNING, "two\nlines"], "note_clean"),
        (ASK, ["nobody", "E", REASON, TONIGHT], "there is no customer nobody"),
        (APPROVE, ["nobody", datetime(2024, 1, 1, tzinfo=UTC)], "there is no override of nobody"),
    ],
)
def test_what_makes_no_sense_is_refused(
    alice: psycopg.Connection, statement: str, values: list[Any], says: str
) -> None:
    with pytest.raises(psycopg.Error, match=says):
        alice.execute(statement.encode(), values)


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO risk.warning_feedback VALUES ('{WARNING}', now(), 'bob', 'release')",
        "INSERT INTO risk.warning_feedback (warning_id, action, officer) VALUES ('w', 'a', 'bob')",
        "INSERT INTO risk.warning_feedback (warning_id, action, at) VALUES ('w', 'a', now())",
        "UPDATE risk.warning_feedback SET action = 'release'",
        "DELETE FROM risk.warning_feedback",
        "UPDATE risk.tier_override SET approved_by = 'bob', approved_at = now()",
        "DELETE FROM risk.tier_override",
        "TRUNCATE risk.tier_override",
        "UPDATE risk.risk_tiers SET tier = 'A'",
        "DELETE FROM risk.warning_list",
    ],
)
def test_an_officer_speaks_for_nobody_else_and_takes_nothing_back(
    alice: psycopg.Connection, statement: str
) -> None:
    alice.execute(SAY, [WARNING, "acknowledge"])
    ask(alice)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        alice.execute(statement.encode())


def test_the_reader_says_nothing(persons: dict[str, str], alice: psycopg.Connection) -> None:
    at = ask(alice)
    with closing(psycopg.connect(persons["reader"], autocommit=True)) as reader:
        for statement, values in (
            (SAY, [WARNING, "release"]),
            (ASK, [CUSTOMER, "E", REASON, TONIGHT]),
            (APPROVE, [CUSTOMER, at]),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement.encode(), values)


def test_an_override_counts_once_a_second_person_approves(
    persons: dict[str, str], alice: psycopg.Connection, bob: psycopg.Connection
) -> None:
    at = ask(alice)
    assert past(persons).overrides.empty
    with pytest.raises(psycopg.Error, match="who asks for an override cannot approve it"):
        alice.execute(APPROVE, [CUSTOMER, at])
    bob.execute(APPROVE, [CUSTOMER, at])
    with pytest.raises(psycopg.Error, match="approved already, by bob"):
        bob.execute(APPROVE, [CUSTOMER, at])
    found = past(persons).overrides
    assert found[["customer_id", "tier"]].to_numpy().tolist() == [[CUSTOMER, "E"]]
    rows = bob.execute("SELECT officer, approved_by FROM risk.tier_override").fetchall()
    assert rows == [("alice", "bob")]


def test_an_override_counts_from_its_approval_to_its_expiry(
    persons: dict[str, str], alice: psycopg.Connection, bob: psycopg.Connection
) -> None:
    at = ask(alice, TONIGHT + timedelta(days=2))
    bob.execute(APPROVE, [CUSTOMER, at])
    row = bob.execute("SELECT approved_at FROM risk.tier_override").fetchone()
    assert row is not None
    assert past(persons, close=row[0]).overrides.empty
    for later, count in ((0, 1), (2, 1), (3, 0)):
        assert len(past(persons, TONIGHT + timedelta(days=later)).overrides) == count


def test_what_was_said_tells_nights_apart(
    persons: dict[str, str], alice: psycopg.Connection, bob: psycopg.Connection
) -> None:
    silent = past(persons).said_by_officers
    assert silent == {}
    bob.execute(APPROVE, [CUSTOMER, ask(alice)])
    overridden = past(persons).said_by_officers
    alice.execute(SAY, [WARNING, "acknowledge"])
    assert len(overridden) == 1
    assert len(past(persons).said_by_officers) == 2
