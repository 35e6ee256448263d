"""Past nights by Airflow's own backfills, from the command line and from the UI in a browser."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline import scheduler
from pipeline.scheduler import NIGHTLY
from pipeline.settings import Settings
from pipeline.warehouse.history import stale_nights
from tests.integration import scored_bank
from tests.integration.airflow_services import MINUTES, Airflow, airflow
from tests.integration.browser import needs_browser, signed_in
from tests.integration.scored_bank import (
    NIGHTS,
    Tables,
    ask,
    empty_warehouse,
    of_nights,
    published,
    run,
    writer,
)

KEY = "a secret of thirty-two characters"


@pytest.fixture(scope="module")
def settings(scored_template: Path, module_home: Path) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("RISK_PSEUDONYM_KEY", KEY)
        yield scored_bank.make(scored_template, module_home, monkeypatch)


@pytest.fixture(scope="module")
def one_by_one(settings: Settings) -> Tables:
    """What the nights come to, each run after the one before it."""
    for night in NIGHTS:
        run(settings, night)
    found = published(settings)
    empty_warehouse(settings)
    run(settings, NIGHTS[0])
    return found


@pytest.fixture(scope="module")
def services(settings: Settings, one_by_one: Tables) -> Iterator[Airflow]:
    with airflow(settings, NIGHTLY) as found:
        yield found


def until_published(settings: Settings, services: Airflow, nights: list[date]) -> None:
    """Wait for nights to be there and for nothing to be stale, and for all runs to have ended.

    Airflow takes the next backfill only once it has noticed that the one before has ended.
    """
    deadline = time.monotonic() + 60 * MINUTES
    while True:
        # Once it is not paused, Airflow also runs last night, of which this bank knows nothing.
        runs = [each for each in services.runs(NIGHTLY) if each["run_type"] == "backfill"]
        states = {each["state"] for each in runs}
        assert "failed" not in states, runs
        there = {day for (day,) in ask(settings, "SELECT as_of_date FROM risk.runs")}
        backfills = services.ask("GET", f"backfills?dag_id={NIGHTLY}")["backfills"]
        is_over = all(each["completed_at"] is not None for each in backfills)
        if there >= set(nights) and states == {"success"} and is_over:
            assert stale_nights(writer(settings)) == []
            return
        assert time.monotonic() < deadline, runs
        time.sleep(1)


def test_from_the_command_line_side_by_side_and_backwards(
    settings: Settings, services: Airflow, one_by_one: Tables
) -> None:
    port = int(services.address.rpartition(":")[2])
    first, last = NIGHTS[1] + timedelta(days=1), NIGHTS[2] + timedelta(days=1)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("airflow"), "backfill", "create", "--dag-id", NIGHTLY,
            "--from-date", f"{first}T00:00:00+00:00", "--to-date", f"{last}T23:59:00+00:00",
            "--max-active-runs", "2", "--run-backwards",
        ],
        env={**os.environ, **scheduler.environment(settings, port)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    until_published(settings, services, NIGHTS[:3])
    assert of_nights(published(settings), NIGHTS[:3]) == of_nights(one_by_one, NIGHTS[:3])
    triggers = ask(settings, f"SELECT trigger FROM risk.runs WHERE as_of_date = '{NIGHTS[1]}'")
    assert triggers[0][0] in {"backfill", "settle"}


@needs_browser
def test_from_the_ui(
    settings: Settings, services: Airflow, one_by_one: Tables, tmp_path: Path
) -> None:
    first, last = NIGHTS[3] + timedelta(days=1), NIGHTS[4] + timedelta(days=1)
    with signed_in(services, f"/dags/{NIGHTLY}") as page:
        page.get_by_role("button", name="Trigger").first.click()
        page.get_by_text("Run this Dag for a range of dates").click()
        for day, hour in ((first, "00:00"), (last, "23:59")):
            page.get_by_text("Select date and time").first.click()
            page.get_by_placeholder("YYYY/MM/DD").fill(f"{day:%Y/%m/%d}")
            page.get_by_placeholder("HH:mm").fill(hour)
            page.get_by_placeholder("HH:mm").press("Enter")
            page.get_by_text("Run Backfill -").click()
        page.locator("input[name=max_active_runs]").fill("2")
        page.screenshot(path=tmp_path / "backfill.png")
        page.get_by_role("button", name="Run Backfill").click()
        until_published(settings, services, NIGHTS)
        page.reload()
        page.get_by_text("settle").first.wait_for()
        page.screenshot(path=tmp_path / "nights.png")
    assert published(settings) == one_by_one


def test_no_secret_is_in_a_log(settings: Settings, services: Airflow) -> None:
    """After nights under a key, by tasks that sign in to both databases."""
    passwords = json.loads((settings.home / "postgres" / "passwords.json").read_text())
    secret = (settings.home / "airflow" / "secret").read_text()
    secrets = {KEY, secret, services.password, *passwords.values()}
    logs = [file for file in settings.home.rglob("*.log") if file.is_file()]
    assert [file for file in logs if "task_id=publish" in str(file)]
    for file in logs:
        said = file.read_text(encoding="utf-8", errors="replace")
        assert not [each for each in secrets if each in said], file
