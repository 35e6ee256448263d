"""The training DAG on the real server: who becomes champion, who does not, and why."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import REPOSITORY
from tests.integration import retraining_runs
from tests.integration.policies import SHORT, write_policy

STEPS = ["resolve", "pull", "check", "fit", "judge", "gate", "promote"]
Told = dict[str, Any]


@pytest.fixture(scope="module")
def told(module_home: Path) -> Told:
    """What became of the runs of `retraining_runs`, all in one process of its own."""
    policies = module_home / "policies"
    training = {**SHORT["training"], "search_trials": 2}
    bounds = {**SHORT["training"]["promotion_bounds"], "stability_index": 1e-12}
    tight = {**training, "promotion_bounds": bounds}
    write_policy(policies / "usual", {**SHORT, "training": training})
    write_policy(policies / "strict", {**SHORT, "training": tight})
    late = {"days_past_due": 3000, "horizon": 1}
    write_policy(policies / "harsh", {"training": training, "default_definition": late})
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RISK_", "AIRFLOW_"))
    }
    file = module_home / "told.json"
    done = subprocess.run(
        [sys.executable, retraining_runs.__file__, file, policies],
        env={
            **kept,
            "RISK_HOME": str(module_home / "home"),
            "RISK_POLICY": str(policies / "usual"),
            "RISK_THREADS": "1",
            "PYTHONPATH": str(REPOSITORY),
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Told = json.loads(file.read_text())
    return found


def test_the_first_model_that_deserves_it_becomes_the_champion(told: Told) -> None:
    first = told["first"]
    assert first["state"] == "success"
    assert first["tasks"] == dict.fromkeys(STEPS, "success")
    assert first["champion"] == "1"
    verdict = first["xcoms"]["judge.return_value"]
    assert verdict["deserves_to_score"] is True
    assert verdict["reasons_against"] == []
    assert verdict["figures"][0].startswith("area under the ROC curve: 0.")
    has_passed, reasons, figures = first["verdicts"]["1"]
    assert (has_passed, reasons) == (True, None)
    assert figures > 40
    assert first["asset_events"] == ["risk_model by promote"]


def test_a_refused_challenger_is_no_failure_and_the_champion_stays(told: Told) -> None:
    strict = told["strict"]
    assert strict["state"] == "success"
    assert strict["tasks"]["gate"] == "success"
    assert strict["tasks"]["promote"] == "skipped"
    assert strict["champion"] == "1"
    assert strict["asset_events"] == ["risk_model by promote"]


def test_why_it_was_refused_is_read_in_the_ui_the_log_and_the_warehouse(told: Told) -> None:
    strict = told["strict"]
    (reason,) = strict["xcoms"]["judge.return_value"]["reasons_against"]
    assert reason.startswith("population stability index of the PD")
    assert "; wanted: at most 1e-12, and " in reason
    has_passed, reasons, _ = strict["verdicts"]["2"]
    assert has_passed is False
    assert reasons.startswith("population stability index of the PD")
    assert any(
        "version 2 is not to be the champion, for population stability index" in line
        for line in strict["log"]
    )


def test_a_model_of_another_horizon_is_measured_and_never_promoted(told: Told) -> None:
    horizon = told["horizon"]
    assert horizon["tasks"]["promote"] == "skipped"
    assert horizon["champion"] == "1"
    reasons = horizon["xcoms"]["judge.return_value"]["reasons_against"]
    assert "horizon of the outcome, in months: 2; wanted: the policy's, 1" in reasons


def test_too_little_to_learn_from_fails_in_one_line_and_the_champion_stays(told: Told) -> None:
    harsh = told["harsh"]
    assert harsh["state"] == "failed"
    assert harsh["tasks"]["fit"] == "failed"
    assert harsh["tries"]["fit"] == 1
    assert harsh["champion"] == "1"
    (line,) = [line for line in harsh["log"] if "fit failed" in line]
    assert "0 defaulted" in line
    assert not any("Traceback" in line for line in harsh["log"])


def test_the_same_data_give_the_same_model_which_is_no_worse(told: Told) -> None:
    again = told["again"]
    assert again["state"] == "success"
    version = again["xcoms"]["fit.return_value"]
    assert again["champion"] == str(version)
    assert again["verdicts"][str(version)][0] is True


def test_a_param_that_is_none_is_refused_at_once(told: Told) -> None:
    assert "horizon" in told["bad horizon"]["refused"]
    assert "\n" not in told["bad horizon"]["refused"]
