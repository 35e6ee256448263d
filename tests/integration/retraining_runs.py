"""Trains models through the real DAG and writes what became of them as JSON.

A program, not a test: Airflow changes logging and warnings of the process that imports it, so
`test_retraining_dag.py` runs this in a process of its own.

Usage: python retraining_runs.py <file to write> <folder of policies>, with RISK_HOME an empty
folder. The folder of policies holds one a name: usual, strict, harsh.
"""

import json
import os
import sys
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import psycopg

from models import registry
from pipeline import scheduler
from pipeline.errors import RisklineError
from pipeline.settings import load_settings
from pipeline.simulator.bank import Bank, simulate
from pipeline.simulator.load import load
from pipeline.warehouse.server import ensure_running
from tests.integration.dag_nights import REQUIRED, Nights, heard_meanwhile

BANK = Bank(customers=1_500, months=5)
LAST = BANK.last_date


class Runs(Nights):
    """The runs so far, each with the models that it left behind."""

    def train(self, name: str, policy: Path, **conf: Any) -> None:
        """Run the DAG under a policy."""
        os.environ["RISK_POLICY"] = str(policy)
        home = self.settings.home
        moment = datetime.combine(LAST, time(4, len(self.told)), UTC)
        try:
            with heard_meanwhile(home / "heard.txt") as heard:
                run = scheduler.run_dag(scheduler.RETRAINING, moment, conf)
            self.tell(name, run, heard)
        except RisklineError as error:
            self.told[name] = {"refused": str(error)}
        champion = registry.champion(home)
        self.told[name]["champion"] = None if champion is None else champion.version
        self.told[name]["verdicts"] = self.verdicts()

    def verdicts(self) -> dict[str, Any]:
        """What the warehouse tells of each version."""
        url = ensure_running(self.settings.home).url("warehouse", "risk_reader")
        with psycopg.connect(url) as connection:
            if connection.execute("SELECT to_regclass('risk.model_verdicts')").fetchone() == (
                None,
            ):
                return {}
            found = connection.execute(
                "SELECT model_version, has_passed, reasons, count FROM risk.model_verdicts "
                "JOIN (SELECT model_version, count(*) FROM risk.model_performance GROUP BY 1) "
                "USING (model_version)"
            ).fetchall()
        return {version: rest for version, *rest in found}


def main(file: Path, policies: Path) -> None:
    """Run them all."""
    settings = load_settings()
    server = ensure_running(settings.home)
    bank = simulate(BANK)
    load({name: bank[name] for name in REQUIRED}, server.url("bank", "bank"))
    scheduler.prepare(settings)
    runs = Runs(settings)
    usual = policies / "usual"
    as_of = str(LAST)
    runs.train("first", usual, as_of=as_of, note="the first of all")
    runs.train("strict", policies / "strict", as_of=as_of)
    runs.train("horizon", usual, as_of=as_of, horizon=2)
    runs.train("harsh", policies / "harsh", as_of=as_of)
    runs.train("again", usual, as_of=as_of)
    runs.train("bad horizon", usual, as_of=as_of, horizon=0)
    file.write_text(json.dumps(runs.told, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
