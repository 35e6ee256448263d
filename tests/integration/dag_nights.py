"""Runs nights through the real DAG and writes what became of them as JSON.

A program, not a test: Airflow changes logging and warnings of the process that imports it, so
`test_dag.py` runs this in a process of its own, and once, since the start takes seconds.

Usage: python dag_nights.py <file to write>, with RISK_HOME an empty folder.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg

from pipeline import scheduler
from pipeline.errors import RisklineError, UnreachableError
from pipeline.settings import REPOSITORY, Settings, load_settings
from pipeline.simulator.bank import Bank, simulate
from pipeline.simulator.load import load
from pipeline.warehouse.server import ensure_running
from tests.integration.policies import train_champion

# As short as a horizon of a month and some cohorts before it allow.
BANK = Bank(customers=2_000, months=5)
# No more tables than a bank must have: what the others add is no matter of who runs the stages.
REQUIRED = ("customers", "loans", "repayments")
LAST = BANK.last_date
FIRST_NIGHT = LAST - timedelta(days=2)
EMPTY_DAY = LAST + timedelta(days=2)
TABLES = (
    "risk_scores", "risk_tiers", "warning_list", "credit_actions", "portfolio_summary",
    "data_quality", "runs",
)  # fmt: skip


class Nights:
    """The runs so far, each with what it left behind."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.told: dict[str, Any] = {}

    def run(self, name: str, scheduled_for: date, **conf: str) -> None:
        """Run a night as the scheduler would on that date, and tell what became of it."""
        try:
            with heard_meanwhile(self.settings.home / "heard.txt") as heard:
                run = scheduler.run_night(scheduled_for, self.settings, conf or None)
            self.tell(name, run, heard)
        except RisklineError as error:
            self.told[name] = {"refused": str(error), "published": self.published()}

    def tell(self, name: str, run: Any, heard: list[str]) -> None:
        """Note what a finished run left behind."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            query = XComModel.get_many(run_id=run.run_id, dag_ids=[run.dag_id])
            found: list[Any] = list(session.scalars(query))
            xcoms = {f"{x.task_id}.{x.key}": XComModel.deserialize_value(x) for x in found}
        tasks = {each.task_id: each for each in run.get_task_instances()}
        self.told[name] = {
            "state": str(run.state),
            "run_type": str(run.run_type),
            "tasks": {task: str(each.state) for task, each in tasks.items()},
            "tries": {task: each.try_number for task, each in tasks.items()},
            "xcoms": xcoms,
            "log": heard,
            "asset_events": self.asset_events(),
            "published": self.published(),
        }

    def asset_events(self) -> list[str]:
        """The assets that were said to have changed, so far."""
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session

        with create_session() as session:
            events = session.query(AssetEvent).order_by(AssetEvent.id).all()
            return [f"{event.asset.name} by {event.source_task_id}" for event in events]

    def published(self) -> dict[str, dict[str, Any]]:
        """Each published night: its run, and a hash of all its rows, less when and by what."""
        url = ensure_running(self.settings.home).url("warehouse", "risk_reader")
        with psycopg.connect(url) as connection:
            if connection.execute("SELECT to_regclass('risk.runs')").fetchone() == (None,):
                return {}
            runs = connection.execute("SELECT as_of_date, run_id, trigger FROM risk.runs")
            return {
                str(as_of): {
                    "run_id": run_id,
                    "trigger": trigger,
                    "rows": {name: _hash_of(connection, name, as_of) for name in TABLES},
                    "customers": _count(connection, as_of),
                }
                for as_of, run_id, trigger in runs.fetchall()
            }


@contextmanager
def heard_meanwhile(file: Path) -> Iterator[list[str]]:
    """The lines that are written meanwhile, to the terminal or by loggers that hold on to it."""
    lines: list[str] = []
    kept = {stream.fileno(): os.dup(stream.fileno()) for stream in (sys.stdout, sys.stderr)}
    with file.open("wb") as sink:
        for number in kept:
            os.dup2(sink.fileno(), number)
        try:
            yield lines
        finally:
            sys.stdout.flush()
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)
    lines += file.read_text().splitlines()
    print(*lines, sep="\n")


def _hash_of(connection: psycopg.Connection, name: str, as_of: date) -> str:
    rows = connection.execute(
        f"SELECT to_jsonb(t) - 'started_at' - 'finished_at' - 'trigger' FROM risk.{name} AS t "
        "WHERE as_of_date = %s ORDER BY 1".encode(),
        [as_of],
    )
    return hashlib.sha256(json.dumps(rows.fetchall()).encode()).hexdigest()


def _count(connection: psycopg.Connection, as_of: date) -> int:
    query = "SELECT count(*) FROM risk.risk_scores WHERE as_of_date = %s"
    row = connection.execute(query, [as_of]).fetchone()
    return int(row[0]) if row else 0


def _describe() -> dict[str, Any]:
    """The DAG as it loads."""
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = REPOSITORY / "dags"
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    dag = bag.get_dag(scheduler.NIGHTLY)
    assert dag is not None
    return {
        "import_errors": bag.import_errors,
        "dags": sorted(bag.dags),
        "tasks": [task.task_id for task in dag.topological_sort()],
        "downstream": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "owners": sorted({task.owner for task in dag.tasks}),
        "doc_md": dag.doc_md,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "as_of_schema": dag.params.get_param("as_of").schema,
        "as_of_description": dag.params.get_param("as_of").description,
        "as_of_default": dag.params["as_of"],
        "timezone": str(dag.timetable.timezone),
        "cron": dag.timetable.expression,
    }


def _fails_how(file: Path) -> dict[str, Any]:
    """What the DAG makes of each kind of error: Airflow does not retry an AirflowFailException."""
    from airflow.sdk.exceptions import AirflowFailException

    # Airflow must not be imported before its settings are made.
    from pipeline import dag_tasks

    def kind(error: Exception) -> str:
        def work() -> None:
            raise error

        try:
            dag_tasks.or_fail(work)
        except Exception as raised:
            return f"{type(raised).__name__}: {raised}"
        return "nothing"

    def told(error: Exception) -> list[str]:
        with heard_meanwhile(file) as heard:
            task = SimpleNamespace(dag_id="the_dag", task_id="the_task")
            dag_tasks.tell_failure({"task_instance": task, "exception": error})
        return heard

    try:
        json.loads("{}")["x"]
    except KeyError as raised:
        defect = raised
    return {
        "bad input": kind(RisklineError("a column is missing")),
        "outage": kind(UnreachableError("no answer")),
        "disk": kind(OSError(28, "No space left on device", "/lake")),
        "defect": kind(KeyError("x")),
        "told": told(AirflowFailException("a column is missing")),
        "told of a defect": told(defect),
    }


def _date_less_run(nights: Nights) -> None:
    """A manual run without any date. It damages Airflow's database: the last thing to do."""
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = REPOSITORY / "dags"
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    dag = bag.get_dag(scheduler.NIGHTLY)
    assert dag is not None
    with heard_meanwhile(nights.settings.home / "heard.txt") as heard:
        run = dag.test(logical_date=None)
    nights.tell("no date", run, heard)


def main(file: Path) -> None:
    """Run them all."""
    settings = load_settings()
    server = ensure_running(settings.home)
    bank = simulate(BANK)
    load({name: bank[name] for name in REQUIRED}, server.url("bank", "bank"))
    train_champion(settings, FIRST_NIGHT - timedelta(days=1))
    scheduler.prepare(settings)
    nights = Nights(settings)
    nights.told["dag"] = _describe()
    nights.told["errors"] = _fails_how(settings.home / "heard.txt")
    nights.run("first", FIRST_NIGHT)
    nights.run("again", FIRST_NIGHT)
    # The param wins over the date by which the scheduler would have run.
    nights.run("by param", FIRST_NIGHT + timedelta(days=20), as_of=str(LAST - timedelta(days=1)))
    nights.run("bad as_of", LAST, as_of="2024-13-45")
    nights.run("other words", LAST, as_of="yesterday")
    future = datetime.now(UTC).date() + timedelta(days=30)
    nights.run("future", FIRST_NIGHT - timedelta(days=9), as_of=str(future))
    # The simulated bank's last day ends in UTC, within the next one of a bank east of it.
    nights.run("empty day", EMPTY_DAY)
    _date_less_run(nights)
    file.write_text(json.dumps(nights.told, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
