"""The audit log: entries are only ever added, and each one's hash covers the one before it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError
from pipeline.warehouse.connection import BOUND_WAITS, connect
from pipeline.warehouse.schema import ensure_schema

Event = Literal[
    "publish", "retire", "replay", "promote", "roll_back", "feedback", "override", "approve"
]

Sealed = dict[str, list[tuple[str, dict[str, Any]]]]
"""What entries say, by event, the earliest first: each one's subject and its detail."""

ADD_ENTRY = "INSERT INTO risk.audit_log (event, subject, detail) VALUES ($1, $2, $3)"
"""In the words of ADBC; the rest of an entry is filled in."""


@dataclass(frozen=True)
class Chain:
    """A log whose every entry was found as it was written."""

    entries: int
    last_hash: str


def detail_of(**facts: Any) -> str:
    """Facts as the text of an entry."""
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, default=str)


@contextmanager
def audited(
    url: str, contracts: Mapping[str, Contract], event: Event, subject: str, **facts: Any
) -> Iterator[None]:
    """Do what the block does with its entry beside it: where the block fails there is none.

    What the block does elsewhere stays where the process dies before the entry is committed; who
    does the like next has to look for what was not entered.

    Args:
        url: of the role that publishes.
        contracts: the output contracts by table.
        event: what is done.
        subject: to what.
        **facts: what else is to be known of it.

    Raises:
        RisklineError: the entry cannot be written; the block is not begun then.
    """
    with connect(url) as connection:
        ensure_schema(connection, contracts)
    with connect(url) as connection:
        connection.execute(BOUND_WAITS)
        add_entry(connection, event, subject, **facts)
        yield


def add_entry(connection: psycopg.Connection, event: Event, subject: str, **facts: Any) -> None:
    """Add an entry in the connection's transaction; the caller commits."""
    connection.execute(
        "INSERT INTO risk.audit_log (event, subject, detail) VALUES (%s, %s, %s)",
        [event, subject, detail_of(**facts)],
    )


def last_champion(url: str, contracts: Mapping[str, Contract]) -> str | None:
    """The version that the log says became the champion last; None where it says nothing of it.

    Args:
        url: of a role that may write the schema.
        contracts: the output contracts by table.
    """
    with connect(url) as connection:
        ensure_schema(connection, contracts)
        row = connection.execute(
            "SELECT subject FROM risk.audit_log WHERE event IN ('promote', 'roll_back') "
            "AND detail::json ->> 'past_only' IS NULL ORDER BY entry DESC LIMIT 1"
        ).fetchone()
    return None if row is None else str(row[0])


def verify(url: str, known_hash: str | None = None) -> Chain:
    """Recompute the chain, and hold to it what it speaks of.

    An edited, removed, inserted or moved entry breaks the chain from there on. Entries cut off its
    end are missed where a run, an answer or an override is left that they speak of, or where a
    hash is known that stood in the log before.

    Args:
        url: of a role that may read the schema.
        known_hash: one that must stand in the chain.

    Raises:
        RisklineError: says what does not hold.
    """
    with connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        # The rows of officers' tables are sealed as they read in UTC.
        connection.execute("SET LOCAL timezone = 'UTC'")
        last, count, hashes = "", 0, set()
        sealed: Sealed = {}
        for row in _rows(connection):
            entry, at, actor, event, subject, detail, previous_hash, found = row
            count += 1
            if (entry, previous_hash) != (count, last) or found != _hash(
                entry, at, actor, event, subject, detail, previous_hash
            ):
                raise _broken(count)
            last = found
            hashes.add(found)
            sealed.setdefault(event, []).append((subject, json.loads(detail)))
        _hold(connection, sealed)
    if known_hash is not None and known_hash not in hashes:
        raise RisklineError(
            f"the audit log no longer holds an entry with the hash {known_hash}: its end was cut "
            "off or written anew"
        )
    return Chain(count, last)


def _rows(connection: psycopg.Connection) -> Iterator[tuple[Any, ...]]:
    """The entries in their order, as far as they can be read."""
    cursor = connection.execute(
        "SELECT entry, at, actor, event, subject, detail, previous_hash, hash "
        "FROM risk.audit_log ORDER BY entry"
    )
    for place in range(1, cursor.rowcount + 1):
        try:
            row = cursor.fetchone()
        except psycopg.DataError:
            # An instant that no calendar has, such as infinity.
            raise _broken(place) from None
        assert row is not None
        yield row


def _broken(entry: int) -> RisklineError:
    return RisklineError(
        f"the audit log does not hold from entry {entry} on: an entry was changed, removed or put "
        "in there"
    )


def _hash(
    entry: int, at: datetime, actor: str, event: str, subject: str, detail: str, previous: str
) -> str:
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text = json.dumps([entry, moment, actor, event, subject, detail, previous], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _hold(connection: psycopg.Connection, sealed: Sealed) -> None:
    """Every run, answer and override that is there must be as an entry says."""
    # The last word on a night counts: a run that was replaced is not to come back.
    runs = {
        said.get("as_of_date"): (run_id, said.get("output_hash"))
        for run_id, said in sealed.get("publish", [])
    }
    for night, run_id, output_hash in connection.execute(
        "SELECT as_of_date::text, run_id, output_hash FROM risk.runs"
    ):
        if runs.get(night) != (run_id, output_hash):
            raise RisklineError(
                f"the run {run_id} is not as the audit log has it: nobody published it so"
            )
    for event, table in (("feedback", "warning_feedback"), ("override", "tier_override")):
        rows = [said for _, said in sealed.get(event, [])]
        query = f"SELECT to_jsonb(t) - 'approved_by' - 'approved_at' FROM risk.{table} AS t"  # noqa: S608 - names of ours
        found = [row for (row,) in connection.execute(query.encode())]
        _hold_rows(table, found, rows)
    approved = [said for _, said in sealed.get("approve", [])]
    found = [
        row
        for (row,) in connection.execute(
            "SELECT to_jsonb(t) FROM risk.tier_override AS t WHERE approved_by IS NOT NULL"
        )
    ]
    _hold_rows("tier_override", found, approved)


def _hold_rows(table: str, found: list[dict[str, Any]], sealed: list[dict[str, Any]]) -> None:
    def words(row: dict[str, Any]) -> str:
        return json.dumps(row, sort_keys=True)

    differing = sorted({*map(words, found)} ^ {*map(words, sealed)})
    if differing:
        raise RisklineError(
            f"the table {table} is not as the audit log has it: {len(differing)} rows were "
            "changed, removed or put in"
        )
