"""The claim, on a simulated bank: the command, from the source's tables to figures out of time."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from models.evidence import Evidence
from pipeline import retraining
from pipeline.cli import app
from pipeline.errors import RisklineError
from pipeline.settings import Settings
from pipeline.simulator.bank import Bank, simulate
from tests.integration.policies import SHORT, write_policy

BANK = Bank(customers=700, months=8)
AS_OF = BANK.last_date


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "source").mkdir()
    for name, rows in simulate(BANK).items():
        pq.write_table(rows, folder / "source" / f"{name}.parquet")
    write_policy(folder / "policy")
    return folder


@pytest.fixture(autouse=True)
def surroundings(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RISK_HOME", str(folder / "home"))
        environment.setenv("RISK_SOURCE_URL", str(folder / "source"))
        environment.setenv("RISK_POLICY", str(folder / "policy"))
        environment.setenv("RISK_THREADS", "2")
        yield


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evidence", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_command_tells_the_same_as_json_as_text_and_as_a_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept: list[Evidence] = []
    measure = retraining.evidence

    def once(settings: Settings, as_of: date) -> Evidence:
        # To measure takes a while, and would give the same again.
        if not kept:
            kept.append(measure(settings, as_of))
        return kept[0]

    monkeypatch.setattr(retraining, "evidence", once)
    found = json.loads(told("--as-of", str(AS_OF), "--json"))
    # The latest month end of which a month is over; learnt from is what was over by then.
    assert found["as_of"] == "2024-04-30"
    assert found["fitted_cohorts"] == ["2024-01-31", "2024-02-29", "2024-03-31"]
    figures = found["figures"]
    assert len(figures) == 1 + 7 + 7
    assert figures["all dimensions"]["auc"]["value"] > figures["network alone"]["auc"]["value"]
    assert figures["all dimensions"]["auc"]["value"] > 0.7
    page = tmp_path / "evidence.html"
    text = told("--as-of", str(AS_OF), "--html", str(page))
    assert f"{found['customers']:,} customers of 2024-04-30" in page.read_text()
    for model, of_model in figures.items():
        assert model in text
        assert f"{of_model['auc']['value']:.4f}" in text
    assert f"{found['customers']:,} customers of 2024-04-30" in text


def test_a_horizon_longer_than_the_banks_past_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = {**SHORT, "default_definition": {"days_past_due": 10, "horizon": 1200}}
    write_policy(folder / "longer", longer)
    monkeypatch.setenv("RISK_POLICY", str(folder / "longer"))
    result = CliRunner().invoke(app, ["evidence", "--as-of", str(AS_OF)])
    assert isinstance(result.exception, RisklineError)
    assert str(result.exception) == (
        f"no month end has a full horizon by {AS_OF}; wait for more months, or shorten the horizon "
        "in the policy"
    )
