"""A small simulated bank with a champion, ready for nights, and what is published of it."""

import shutil
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
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
TRAINED = BANK.last_date.replace(day=1) - timedelta(days=1)
"""What is known on that day the champion has learnt from: it may score all nights after it."""
KEPT = ("lake", "models")
"""What of a RISK_HOME the bank is."""
PATHS = (
    ("runs", "artifact_uri"),
    ("experiments", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
Tables = dict[str, list[dict[str, Any]]]
UNLIKE = ("started_at", "finished_at", "trigger")
"""What two runs of the same night do not share."""


def prepare(template: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate the bank as a folder of files, and train its champion.

    Args:
        template: what is kept of it: source, policy, and the lake and the models of a home.
        home: an empty RISK_HOME, whose server is needed meanwhile only.
        monkeypatch: sets the environment.
    """
    source = template / "source"
    source.mkdir(parents=True)
    bank = simulate(BANK)
    for name in TABLES:
        pq.write_table(bank[name], source / f"{name}.parquet")
    write_policy(template / "policy", SHORT)
    train_champion(_settings(template, home, monkeypatch), TRAINED)
    for name in KEPT:
        shutil.copytree(home / name, template / "home" / name)
    (template / "made_in.txt").write_text(str(home))


def make(template: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home of its own with the bank's lake and champion; its source may be changed."""
    for name in KEPT:
        shutil.copytree(template / "home" / name, home / name)
    made_in = (template / "made_in.txt").read_text()
    with sqlite3.connect(home / "models" / "registry.db") as registry:
        # MLflow keeps whole paths, and this home is another one.
        for table, column in PATHS:
            registry.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (made_in, str(home))
            )
    return _settings(template, home, monkeypatch)


def _settings(template: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("RISK_HOME", str(home))
    monkeypatch.setenv("RISK_SOURCE_URL", str(template / "source"))
    monkeypatch.setenv("RISK_POLICY", str(template / "policy"))
    return Settings()


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


def published(settings: Settings) -> Tables:
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


def of_nights(tables: Tables, nights: list[date]) -> Tables:
    """The rows of some nights."""
    days = {str(night) for night in nights}
    return {
        name: [row for row in rows if row["as_of_date"] in days] for name, rows in tables.items()
    }


def ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """What the warehouse answers."""
    with psycopg.connect(writer(settings)) as connection:
        return connection.execute(query.encode()).fetchall()
