"""A small simulated bank with a champion, ready for nights, and what is published of it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import nightly
from pipeline.rooms import Rooms, ensure_warehouse
from pipeline.settings import Settings
from pipeline.simulator.bank import Bank, simulate
from pipeline.warehouse.server import ensure_running
from tests.integration.policies import SHORT, train_champion, write_policy

BANK = Bank(customers=1_000, months=5)
TABLES = ("customers", "loans", "repayments", "relationships", "interactions")
"""Those that a bank must have, and two of which warnings speak."""
NIGHTS = [BANK.last_date - timedelta(days=back) for back in (4, 3, 2, 1, 0)]
UNLIKE = ("started_at", "finished_at", "trigger")
"""What two runs of the same night do not share."""


def make(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Simulate the bank as a folder of files and train its champion as of the day before."""
    source = home / "source"
    source.mkdir()
    bank = simulate(BANK)
    for name in TABLES:
        pq.write_table(bank[name], source / f"{name}.parquet")
    monkeypatch.setenv("RISK_HOME", str(home))
    monkeypatch.setenv("RISK_SOURCE_URL", str(source))
    monkeypatch.setenv("RISK_POLICY", str(write_policy(home / "policy", SHORT)))
    settings = Settings()
    train_champion(settings, NIGHTS[0] - timedelta(days=1))
    return settings


def run(settings: Settings, as_of: date) -> str:
    """A night, as the command runs it."""
    return nightly.run(settings, as_of, trigger="cli")


def writer(settings: Settings) -> str:
    """The URL of the role that publishes."""
    return ensure_running(settings.home).url("warehouse", "risk_pipeline")


def empty_warehouse(settings: Settings) -> None:
    """A warehouse in which nothing has been published or said."""
    with psycopg.connect(writer(settings)) as connection:
        connection.execute("DROP SCHEMA IF EXISTS risk CASCADE")
    ensure_warehouse(settings)


def say(settings: Settings, answers: list[tuple[str, date, str]]) -> None:
    """Let officers have answered warnings at noon of past days."""
    with psycopg.connect(writer(settings)) as connection:
        # The trigger knows only warnings that are published by now.
        connection.execute("ALTER TABLE risk.warning_feedback DISABLE TRIGGER check_feedback")
        for warning_id, day, action in answers:
            connection.execute(
                "INSERT INTO risk.warning_feedback (warning_id, at, action) VALUES (%s, %s, %s)",
                [warning_id, datetime(day.year, day.month, day.day, 12, tzinfo=UTC), action],
            )
        connection.execute("ALTER TABLE risk.warning_feedback ENABLE TRIGGER check_feedback")


def published(settings: Settings) -> dict[str, list[Any]]:
    """All rows of all nights, by table, less what two runs of the same night do not share."""
    with psycopg.connect(writer(settings)) as connection:
        return {
            name: [
                row
                for (row,) in connection.execute(
                    f"SELECT to_jsonb(t) - %s::text[] FROM risk.{name} AS t ORDER BY 1".encode(),
                    [list(UNLIKE)],
                )
            ]
            for name, contract in Rooms(settings).outputs.items()
            if "run_id" in contract.column_names
        }


def ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """What the warehouse answers."""
    with psycopg.connect(writer(settings)) as connection:
        return connection.execute(query.encode()).fetchall()


def rewrite(settings: Settings, table: str, change: Mapping[str, Any], key: str) -> None:
    """Change the rows of a customer or loan in the source, in all their versions."""
    file = settings.home / "source" / f"{table}.parquet"
    rows = pq.read_table(file)
    records = rows.to_pylist()
    for record in records:
        if key in (record.get("customer_id"), record.get("loan_id")):
            record.update(change)
    pq.write_table(pa.Table.from_pylist(records, schema=rows.schema), file)
