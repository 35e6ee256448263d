"""A model that monitoring wants and a person has to approve: asked, answered and obeyed."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models import registry
from pipeline import retraining
from pipeline.errors import RisklineError
from pipeline.settings import Settings
from pipeline.simulator.bank import Bank, simulate
from pipeline.simulator.load import load
from pipeline.warehouse.server import ensure_running
from tests.integration.dag_nights import REQUIRED
from tests.integration.policies import write_policy
from tests.integration.test_services import RISKLINE

BANK = Bank(customers=1_500, months=5)
DAG = "/api/v2/dags/retrain_risk_model"
MINUTES = 4
DONE = {"success", "skipped"}


@dataclass(frozen=True)
class Airflow:
    """The services' REST API, which the UI itself talks to."""

    address: str
    token: str

    def ask(self, method: str, path: str, content: object = None) -> Any:
        request = urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def want(self, **extra: str) -> str:
        """Say, as monitoring does, that a model is wanted; the id of the run that follows."""
        found = self.ask("GET", "/api/v2/assets?name_pattern=risk_model_retraining_wanted")
        (asset,) = found["assets"]
        self.ask("POST", "/api/v2/assets/events", {"asset_id": asset["id"], "extra": extra})
        deadline = time.monotonic() + 60 * MINUTES
        while not (runs := self.ask("GET", f"{DAG}/dagRuns")["dag_runs"]):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        (run,) = runs
        assert run["run_type"] == "asset_triggered"
        return str(run["dag_run_id"])

    def result(self, run: str, task: str) -> Any:
        """What a task returned."""
        path = f"{DAG}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        return self.ask("GET", path)["value"]

    def states(self, run: str) -> dict[str, str]:
        found = self.ask("GET", f"{DAG}/dagRuns/{run}/taskInstances")["task_instances"]
        return {each["task_id"]: each["state"] for each in found}

    def wait(self, run: str, until: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        deadline = time.monotonic() + 60 * MINUTES
        while not until(states := self.states(run)):
            assert "failed" not in states.values(), states
            assert time.monotonic() < deadline, states
            time.sleep(0.5)
        return states

    def asked(self, run: str) -> Any:
        """What the UI shows the person who is asked, once one is."""
        self.wait(run, lambda states: states.get("approve") == "awaiting_input")
        return self.ask("GET", f"{DAG}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails")

    def answer(self, run: str, option: str) -> dict[str, str]:
        """Answer as the UI does, again where it asks again; the tasks' states once all is over."""
        path = f"{DAG}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
        while True:
            # Airflow 3.3 takes an answer that comes at once for a failure, and tries again.
            time.sleep(8)
            self.ask("PATCH", path, {"chosen_options": [option], "params_input": {}})
            states = self.wait(
                run, lambda s: s["promote"] in DONE or s.get("approve") == "up_for_retry"
            )
            if states["promote"] in DONE:
                return states
            self.asked(run)


@contextmanager
def airflow(settings: Settings) -> Iterator[Airflow]:
    """Airflow's services as `riskline airflow` starts them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RISK_")}
    own = {
        "RISK_HOME": str(settings.home),
        "RISK_POLICY": str(settings.policy),
        "RISK_PROMOTION_APPROVAL": "true",
        "RISK_THREADS": "1",
    }
    process = subprocess.Popen(
        [RISKLINE, "airflow", "--port", str(port)],
        env={**kept, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if "password" in line:
                break
        else:
            pytest.fail("".join(told))
        passwords = json.loads((settings.home / "airflow" / "passwords.json").read_text())
        address = f"http://127.0.0.1:{port}"
        login = urllib.request.Request(
            f"{address}/auth/token",
            data=json.dumps({"username": "admin", "password": passwords["admin"]}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(login, timeout=30) as answer:
            found = Airflow(address, json.load(answer)["access_token"])
        deadline = time.monotonic() + 60
        while True:
            try:
                found.ask("PATCH", DAG, {"is_paused": False})
                break
            except urllib.error.HTTPError:  # it has not been parsed yet
                assert time.monotonic() < deadline
                time.sleep(0.5)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


def champion(settings: Settings) -> str | None:
    found = registry.champion(settings.home)
    return None if found is None else found.version


def test_nobody_scores_before_a_person_agreed(module_home: Path) -> None:
    settings = Settings(
        home=module_home / "home",
        policy=write_policy(module_home / "policy"),
        promotion_approval=True,
        threads=1,
    )
    bank = simulate(BANK)
    url = ensure_running(settings.home).url("bank", "bank")
    load({name: bank[name] for name in REQUIRED}, url)
    with airflow(settings) as services:
        first = services.want(as_of=str(BANK.last_date), reason="the portfolio has moved")
        asked = services.asked(first)
        wanted = {"as_of": str(BANK.last_date), "note": "the portfolio has moved", "horizon": None}
        assert services.result(first, "resolve") == wanted
        assert asked["subject"] == "Shall version 1 be the champion?"
        assert "area under the ROC curve: 0." in asked["body"]
        assert "riskline card --version 1" in asked["body"]
        assert champion(settings) is None
        assert services.answer(first, "Approve")["promote"] == "success"
        assert champion(settings) == "1"
    # What the gate let through may also be promoted by hand.
    challenger = retraining.fit(settings, BANK.last_date, note="by hand")
    retraining.promote(settings, challenger)
    assert champion(settings) == challenger == "2"
    with pytest.raises(RisklineError, match="while the champion was None, which is 2 now"):
        retraining.promote(settings, "1")
