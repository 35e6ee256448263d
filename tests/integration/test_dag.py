"""The real DAG on the real server: what it promises to those who schedule it and read its runs."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import REPOSITORY
from tests.integration import dag_nights
from tests.integration.dag_nights import EMPTY_DAY, FIRST_NIGHT, LAST, TABLES
from tests.integration.policies import write_policy

STAGES = ["pull", "check", "build", "score", "decide", "publish", "settle"]
BY_PARAM = str(LAST - timedelta(days=1))
Told = dict[str, Any]


@pytest.fixture(scope="module")
def told(module_home: Path) -> Told:
    """What became of the nights of `dag_nights`, all run in one process of its own."""
    policy = write_policy(module_home / "policy")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RISK_", "AIRFLOW_"))
    }
    own = {
        "RISK_HOME": str(module_home / "home"),
        "RISK_POLICY": str(policy),
        # Its nights end when the day before is not over yet in UTC.
        "RISK_BANK_TIMEZONE": "Asia/Tokyo",
        "RISK_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    file = module_home / "told.json"
    done = subprocess.run(
        [sys.executable, dag_nights.__file__, file],
        env={**kept, **own},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Told = json.loads(file.read_text())
    return {**found, "output": done.stdout + done.stderr}


# --- The DAG as it loads ------------------------------------------------------------------------


def test_it_loads_without_errors(told: Told) -> None:
    assert told["dag"]["import_errors"] == {}
    assert "nightly_risk_scoring" in told["dag"]["dags"]


def test_it_has_a_task_a_stage_one_after_the_other(told: Told) -> None:
    assert told["dag"]["tasks"] == ["resolve_as_of", *STAGES]
    for stage, following in pairwise(STAGES):
        assert told["dag"]["downstream"][stage] == [following]


def test_its_param_is_a_date_that_may_be_left_empty(told: Told) -> None:
    # With this, Airflow's form shows a date picker.
    schema = told["dag"]["as_of_schema"]
    assert schema["format"] == "date"
    assert set(schema["type"]) == {"null", "string"}
    assert told["dag"]["as_of_description"]
    assert told["dag"]["as_of_default"] is None


def test_it_says_whose_it_is_and_what_to_do_when_it_fails(told: Told) -> None:
    assert told["dag"]["owners"] == ["credit-risk"]
    text = told["dag"]["doc_md"]
    assert "When it fails" in text
    assert all(f"`{stage}`" in text for stage in STAGES)


def test_it_runs_at_two_in_the_banks_night_one_at_a_time_and_catches_nothing_up(
    told: Told,
) -> None:
    assert told["dag"]["cron"] == "0 2 * * *"
    assert "Asia/Tokyo" in told["dag"]["timezone"]
    assert told["dag"]["max_active_runs"] == 1
    assert told["dag"]["catchup"] is False


PARSE = """
import runpy, sys, time
import airflow, airflow.sdk
began = time.process_time()
runpy.run_path(sys.argv[1])
print(time.process_time() - began)
"""


@pytest.mark.parametrize("name", ["nightly_risk_scoring", "retrain_risk_model"])
def test_its_file_is_read_in_less_than_a_second(name: str) -> None:
    file = REPOSITORY / "dags" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARSE, file],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout.split()[-1]) < 1


# --- A night that succeeds ----------------------------------------------------------------------


def test_a_night_succeeds_and_is_published(told: Told) -> None:
    first = told["first"]
    assert first["state"] == "success"
    assert set(first["tasks"].values()) == {"success"}
    # 02:00 in Tokyo is still the day before in UTC: the bank's own day is what counts.
    assert first["xcoms"]["resolve_as_of.return_value"]["as_of"] == str(FIRST_NIGHT)
    assert list(first["published"]) == [str(FIRST_NIGHT)]
    night = first["published"][str(FIRST_NIGHT)]
    assert night["customers"] > 1_500
    assert night["trigger"] == first["run_type"]
    assert night["run_id"] == first["xcoms"]["publish.return_value"]


def test_the_same_night_again_leaves_the_same_rows(told: Told) -> None:
    first, again = (told[name]["published"][str(FIRST_NIGHT)] for name in ("first", "again"))
    assert told["again"]["state"] == "success"
    assert again == first
    assert set(again["rows"]) == set(TABLES)


def test_the_param_wins_over_the_schedule(told: Told) -> None:
    run = told["by param"]
    assert run["state"] == "success"
    assert run["xcoms"]["resolve_as_of.return_value"]["as_of"] == BY_PARAM
    assert set(run["published"]) == {str(FIRST_NIGHT), BY_PARAM}


def test_publishing_says_that_the_scores_have_changed(told: Told) -> None:
    assert told["first"]["asset_events"] == ["risk_scores by publish"]
    assert len(told["by param"]["asset_events"]) == 3
    assert len(told["no date"]["asset_events"]) == 3  # nothing of what failed


def test_between_tasks_go_references_and_nothing_else(told: Told) -> None:
    xcoms = told["first"]["xcoms"]
    returned = {name for name in xcoms if name.endswith(".return_value")}
    assert returned == {"resolve_as_of.return_value", "publish.return_value"}
    assert set(xcoms["resolve_as_of.return_value"]) == {"as_of", "started_at", "trigger"}
    assert len(json.dumps(xcoms)) < 1_000


# --- Nights that fail ---------------------------------------------------------------------------


def failed_at(run: Told, task: str) -> str:
    """The one line that says why, after checking how the run failed."""
    order = ["resolve_as_of", *STAGES]
    at = order.index(task)
    assert run["state"] == "failed"
    assert [run["tasks"][each] for each in order] == (
        ["success"] * at + ["failed"] + ["upstream_failed"] * (len(STAGES) - at)
    )
    assert run["tries"][task] == 1  # no retry cures it
    assert not [line for line in run["log"] if "Traceback" in line]
    (line,) = [line for line in run["log"] if line.startswith(f"nightly_risk_scoring {task} ")]
    assert line.startswith(f"nightly_risk_scoring {task} failed: ")
    return str(line)


def test_without_any_date_it_says_what_to_give(told: Told) -> None:
    line = failed_at(told["no date"], "resolve_as_of")
    assert "neither the param as_of nor a logical date" in line
    assert "trigger it again with as_of" in line


def test_a_day_that_is_not_over_is_refused(told: Told) -> None:
    line = failed_at(told["future"], "resolve_as_of")
    assert "is not over yet in Asia/Tokyo" in line


@pytest.mark.parametrize("name", ["bad as_of", "other words"])
def test_what_is_no_date_is_refused_before_anything_runs(told: Told, name: str) -> None:
    message = told[name]["refused"]
    assert "as_of" in message
    assert "is not a 'date'" in message
    assert "\n" not in message


def test_a_broken_contract_stops_the_night_at_the_check(told: Told) -> None:
    line = failed_at(told["empty day"], "check")
    assert f"table repayments fails feed_arrived on {EMPTY_DAY}" in line
    assert "nothing was published" in line


@pytest.mark.parametrize("name", ["bad as_of", "other words", "future", "empty day", "no date"])
def test_after_a_failure_the_earlier_nights_are_as_they_were(told: Told, name: str) -> None:
    assert told[name]["published"] == told["by param"]["published"]


def test_an_outage_is_tried_again_and_bad_input_is_not(told: Told) -> None:
    errors = told["errors"]
    assert errors["bad input"] == "AirflowFailException: a column is missing"
    assert errors["outage"] == "UnreachableError: no answer"
    assert errors["disk"] == (
        "RisklineError: No space left on device on /lake; put that right and run again"
    )
    assert errors["defect"] == "KeyError: 'x'"


def test_bad_input_is_told_in_one_line_and_a_defect_with_its_traceback(told: Told) -> None:
    assert told["errors"]["told"] == ["the_dag the_task failed: a column is missing"]
    said = told["errors"]["told of a defect"]
    assert said[0] == "the_dag the_task failed: 'x'"
    assert said[1].startswith("Traceback")
    assert said[-1] == "KeyError: 'x'"


def test_no_password_is_told_to_anybody(told: Told, module_home: Path) -> None:
    home = module_home / "home"
    passwords = json.loads((home / "postgres" / "passwords.json").read_text()).values()
    secrets = {*passwords, (home / "airflow" / "secret").read_text()}
    logs = [file.read_text() for file in (home / "airflow" / "logs").rglob("*.log")]
    said = [told["output"], json.dumps(told), *logs]
    assert "rows pulled: " in told["output"]  # the tasks were heard
    assert not [secret for secret in secrets for text in said if secret in text]
