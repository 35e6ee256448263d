"""The claim, on a simulated bank: the command, from the source's tables to figures out of time."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import RisklineError
from pipeline.simulator.bank import Bank, simulate

# A short horizon, so that a short life holds what is learnt from and what is measured on.
BANK = Bank(customers=1500, months=16)
POLICY = {
    "default_definition": {"days_past_due": 10, "horizon": 2},
    "training": {"training_cohorts": 5, "held_out_cohorts": 1},
}
AS_OF = BANK.last_date


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "source").mkdir()
    for name, rows in simulate(BANK).items():
        pq.write_table(rows, folder / "source" / f"{name}.parquet")
    (folder / "policy").mkdir()
    words = {"description": "d", "unit": "u", "reference": "r"}
    for name, values in POLICY.items():
        said = {k: {**words, "values": {date(2000, 1, 1): v}} for k, v in values.items()}
        (folder / "policy" / f"{name}.yaml").write_text(yaml.safe_dump(said))
    return folder


@pytest.fixture(autouse=True)
def surroundings(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RISK_HOME", str(folder / "home"))
        environment.setenv("RISK_SOURCE_URL", str(folder / "source"))
        environment.setenv("RISK_POLICY", str(folder / "policy"))
        environment.setenv("RISK_THREADS", "1")
        yield


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evidence", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_command_tells_the_same_as_text_and_as_json() -> None:
    found = json.loads(told("--as-of", str(AS_OF), "--json"))
    # The latest month end of which two months are over; learnt from is what was over by then.
    assert found["as_of"] == "2024-03-31"
    assert found["fitted_cohorts"] == [
        "2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31",
    ]  # fmt: skip
    figures = found["figures"]
    assert len(figures) == 1 + 7 + 7
    assert figures["all dimensions"]["auc"]["value"] > figures["network alone"]["auc"]["value"]
    assert figures["all dimensions"]["auc"]["value"] > 0.7
    text = told("--as-of", str(AS_OF))
    for model, of_model in figures.items():
        assert model in text
        assert f"{of_model['auc']['value']:.4f}" in text
    assert "without credit_history" in text
    assert f"{found['customers']:,} customers of 2024-03-31" in text


def test_a_bank_without_past_enough_is_one_line() -> None:
    early = BANK.last_date.replace(year=2023, month=3, day=1)
    result = CliRunner().invoke(app, ["evidence", "--as-of", str(early)])
    assert isinstance(result.exception, RisklineError)
    assert "\n" not in str(result.exception)
