"""A model that monitoring wants and a person has to approve: asked, answered and obeyed."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from models import registry
from pipeline import retraining
from pipeline.errors import RisklineError
from pipeline.scheduler import RETRAINING
from pipeline.settings import Settings
from pipeline.simulator.bank import Bank, simulate
from pipeline.simulator.load import load
from pipeline.warehouse.server import ensure_running
from tests.integration import browser
from tests.integration.airflow_services import MINUTES, Airflow, airflow
from tests.integration.dag_nights import REQUIRED
from tests.integration.policies import write_policy

BANK = Bank(customers=1_500, months=5)
DONE = {"success", "skipped"}


def want(services: Airflow, **extra: str) -> str:
    """Say, as monitoring does, that a model is wanted; the id of the run that follows."""
    found = services.ask("GET", "assets?name_pattern=risk_model_retraining_wanted")
    (asset,) = found["assets"]
    services.ask("POST", "assets/events", {"asset_id": asset["id"], "extra": extra})
    deadline = time.monotonic() + 60 * MINUTES
    while not (runs := services.runs(RETRAINING)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    (run,) = runs
    assert run["run_type"] == "asset_triggered"
    return str(run["dag_run_id"])


def asked(services: Airflow, run: str) -> Any:
    """What the UI shows the person who is asked, once one is."""
    services.wait(RETRAINING, run, lambda states: states.get("approve") == "awaiting_input")
    return services.ask("GET", _question(run))


def answer(services: Airflow, run: str, option: str) -> dict[str, str]:
    """Answer, again where it is asked again; the tasks' states once all is over.

    In a browser, where there is one; else by what the UI itself would call.
    """
    while True:
        # Airflow 3.3 takes an answer that comes at once for a failure, and tries again.
        time.sleep(8)
        if browser.PROGRAM is None:
            services.ask("PATCH", _question(run), {"chosen_options": [option], "params_input": {}})
        else:
            click(services, run, option)
        states = services.wait(
            RETRAINING, run, lambda s: s["promote"] in DONE or s.get("approve") == "up_for_retry"
        )
        if states["promote"] in DONE:
            return states
        asked(services, run)


def click(services: Airflow, run: str, option: str) -> None:
    """Read the question where the UI shows it to a person, and press the button."""
    path = f"/dags/{RETRAINING}/runs/{quote(run, safe='')}/tasks/approve/required_actions"
    with browser.signed_in(services, path) as page:
        page.get_by_text("Shall version 1 be the champion?").wait_for()
        page.get_by_text("area under the ROC curve: 0.").wait_for()
        button = page.get_by_role("button", name=option, exact=True)
        with page.expect_response(lambda said: said.request.method == "PATCH") as told:
            button.click()
        assert told.value.ok


def _question(run: str) -> str:
    return f"dags/{RETRAINING}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"


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
    with airflow(settings, RETRAINING) as services:
        first = want(services, as_of=str(BANK.last_date), reason="the portfolio has moved")
        shown = asked(services, first)
        wanted = {"as_of": str(BANK.last_date), "note": "the portfolio has moved", "horizon": None}
        assert services.result(RETRAINING, first, "resolve") == wanted
        assert shown["subject"] == "Shall version 1 be the champion?"
        assert "area under the ROC curve: 0." in shown["body"]
        assert "riskline card --version 1" in shown["body"]
        assert champion(settings) is None
        assert answer(services, first, "Approve")["promote"] == "success"
        assert champion(settings) == "1"
    # What the gate let through may also be promoted by hand.
    challenger = retraining.fit(settings, BANK.last_date, note="by hand")
    retraining.promote(settings, challenger)
    assert champion(settings) == challenger == "2"
    with pytest.raises(RisklineError, match="while the champion was None, which is 2 now"):
        retraining.promote(settings, "1")
