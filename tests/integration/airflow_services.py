"""Airflow's services as `riskline airflow` starts them, asked by REST as the UI asks them."""

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
from typing import Any

import pytest

from pipeline import scheduler
from pipeline.settings import Settings
from tests.integration.test_services import RISKLINE

MINUTES = 6


@dataclass(frozen=True)
class Airflow:
    """The services' REST API, which the UI itself talks to."""

    address: str
    token: str
    password: str
    """Of the user admin."""

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """What it answers."""
        request = urllib.request.Request(
            f"{self.address}/api/v2/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def runs(self, dag_id: str) -> list[Any]:
        """All runs of a DAG."""
        found: list[Any] = self.ask("GET", f"dags/{dag_id}/dagRuns")["dag_runs"]
        return found

    def result(self, dag_id: str, run: str, task: str) -> Any:
        """What a task returned."""
        path = f"dags/{dag_id}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        return self.ask("GET", path)["value"]

    def states(self, dag_id: str, run: str) -> dict[str, str]:
        """The state of each task."""
        found = self.ask("GET", f"dags/{dag_id}/dagRuns/{run}/taskInstances")["task_instances"]
        return {each["task_id"]: each["state"] for each in found}

    def wait(
        self, dag_id: str, run: str, until: Callable[[dict[str, str]], bool]
    ) -> dict[str, str]:
        """Wait for the tasks of a run to come to some states."""
        deadline = time.monotonic() + 60 * MINUTES
        while not until(states := self.states(dag_id, run)):
            assert "failed" not in states.values(), states
            assert time.monotonic() < deadline, states
            time.sleep(0.5)
        return states


@contextmanager
def airflow(settings: Settings, dag_id: str) -> Iterator[Airflow]:
    """The services, with a DAG that is not paused."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RISK_")}
    own = {
        name: value
        for name, value in scheduler.environment(settings, port).items()
        if name.startswith("RISK_")
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
            found = Airflow(address, json.load(answer)["access_token"], passwords["admin"])
        deadline = time.monotonic() + 60
        while True:
            try:
                found.ask("PATCH", f"dags/{dag_id}", {"is_paused": False})
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
