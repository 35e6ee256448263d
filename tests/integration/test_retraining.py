"""Training against the champion that is there, whatever has become of it."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from models import registry
from models.pyfunc import MODEL_FILE
from models.training import Trained
from pipeline import retraining
from pipeline.cli import app
from pipeline.decisions.policy import load_policy
from pipeline.errors import RisklineError
from pipeline.features.registry import monotone_by_name
from pipeline.rooms import Rooms, warehouse_url
from pipeline.scoring import model_of
from pipeline.settings import Settings
from pipeline.simulator.bank import Bank, simulate
from tests.integration.dag_nights import REQUIRED
from tests.integration.policies import write_policy
from tests.unit.test_registry import JUDGEMENT
from tests.unit.test_training import ONCE

BANK = Bank(customers=1_200, months=5)
AS_OF = BANK.last_date


@dataclass(frozen=True)
class Lender:
    settings: Settings
    first: retraining.Training


@pytest.fixture(scope="module")
def lender(module_home: Path) -> Lender:
    source = module_home / "source"
    source.mkdir()
    bank = simulate(BANK)
    for name in REQUIRED:
        pq.write_table(bank[name], source / f"{name}.parquet")
    settings = Settings(
        home=module_home / "home",
        source_url=str(source),
        policy=write_policy(module_home / "policy"),
    )
    return Lender(settings, retraining.train(settings, AS_OF, note="  the first\n of all "))


def fitted(lender: Lender, as_of: date = AS_OF, **others: int) -> registry.Registered:
    """A challenger, of what was pulled and checked already."""
    version = retraining.fit(lender.settings, as_of, note=f"{as_of} {others}", **others)
    return registry.registered(lender.settings.home, version)


def against(found: registry.Registered) -> list[str]:
    return [f.metric for f in found.judgement.figures if f.has_passed is False]


def champion(lender: Lender) -> str | None:
    return registry.champion_version(lender.settings.home)


def test_the_first_model_is_noted_judged_and_promoted_however_often(lender: Lender) -> None:
    first = lender.first
    assert first.is_champion
    assert first.model.notes["note"] == "the first of all"
    assert first.model.notes["champion"] == "None"
    # As a task does that is tried again.
    retraining.promote(lender.settings, "1")
    assert champion(lender) == "1"


def test_groups_that_the_model_does_not_see_are_told_of(lender: Lender) -> None:
    groups = {f.group_name.split(":")[0] for f in lender.first.model.judgement.figures}
    assert groups == {"all customers", "segment", "region", "marital_status", "education", "age"}


def test_without_the_age_there_are_no_groups_by_it(lender: Lender) -> None:
    policy = load_policy(lender.settings.policy, AS_OF)
    past = retraining.cohorts(lender.settings, AS_OF, policy, most=1)
    rooms = Rooms(lender.settings)
    features = past[0].features.drop(columns="age_years")
    groups = retraining._groups(rooms, rooms.feature_engine, past[0].as_of, features)
    assert list(groups) == list(retraining.GROUPED_BY)
    assert groups.index.equals(features.index)


def test_an_earlier_day_does_not_dethrone_a_later_ones_champion(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = fitted(lender, AS_OF - timedelta(days=1))
    assert against(earlier) == ["days_after_champion"]
    with pytest.raises(RisklineError, match="does not deserve to be the champion: days that"):
        retraining.promote(lender.settings, earlier.version)
    assert champion(lender) == "1"
    # It may score the nights of its own time.
    with pytest.raises(RisklineError, match="must not know"):
        model_of(lender.settings.home, earlier.as_of)
    monkeypatch.setenv("RISK_HOME", str(lender.settings.home))
    horizon = fitted(lender, AS_OF - timedelta(days=1), horizon=2)
    result = CliRunner().invoke(app, ["promote", horizon.version, "--past-only"])
    assert "does not deserve to score: horizon of the outcome" in str(result.exception)
    result = CliRunner().invoke(app, ["promote", earlier.version, "--past-only"])
    assert result.output == f"version {earlier.version} scores past nights; the champion stays\n"
    assert champion(lender) == "1"
    assert model_of(lender.settings.home, earlier.as_of).version == earlier.version
    assert model_of(lender.settings.home, AS_OF).version == "1"
    result = CliRunner().invoke(app, ["promote", "1", "--past-only"])
    assert "is not older than the champion" in str(result.exception)


def test_who_was_compared_with_another_champion_has_to_train_again(lender: Lender) -> None:
    challenger = fitted(lender)
    assert challenger.judgement.has_passed
    home = lender.settings.home
    other = registry.register(home, ONCE, JUDGEMENT, {"as_of": str(AS_OF)})
    registry.promote(home, other)
    with pytest.raises(RisklineError, match=f"while the champion was 1, which is {other} now"):
        retraining.promote(lender.settings, challenger.version)
    assert registry.roll_back(home) == "1"
    retraining.promote(lender.settings, challenger.version)
    assert champion(lender) == challenger.version


def test_a_champion_that_cannot_be_compared_with_leaves_it_to_a_person(
    lender: Lender, caplog: pytest.LogCaptureFixture
) -> None:
    home = lender.settings.home
    before = champion(lender)
    assert before is not None
    odd = registry.register(home, ONCE, JUDGEMENT, {"as_of": str(AS_OF), "note": "odd"})
    registry.promote(home, odd)
    assert not set(ONCE.model.feature_names) <= set(monotone_by_name())
    challenger = fitted(lender)
    assert "champion_compared" in against(challenger)
    assert "reads features that are gone: arrears, inquiries, tenure" in caplog.text
    with pytest.raises(RisklineError, match="riskline promote --despite-gate"):
        retraining.promote(lender.settings, challenger.version)
    registry.promote(home, before)


def test_a_feature_that_varies_no_more_speaks_against_a_model(lender: Lender) -> None:
    home, before = lender.settings.home, champion(lender)
    assert before is not None
    assert "constant_features" not in against(fitted(lender))
    # A champion that is the same, but for which no feature was constant.
    same = Trained(lender.first.model.model, (), (), constant_features=(), trials=())
    notes = {"as_of": str(AS_OF)}
    registry.promote(home, registry.register(home, same, JUDGEMENT, notes))
    challenger = fitted(lender)
    assert "constant_features" in against(challenger)
    with pytest.raises(RisklineError, match=r"never vary .* was trained: .*balance_drain_3m.*"):
        retraining.promote(lender.settings, challenger.version)
    registry.promote(home, before)


def test_a_damaged_champion_does_not_stop_training(lender: Lender) -> None:
    home = lender.settings.home
    version = champion(lender)
    assert version is not None
    content = registry.registered(home, version).model.to_json()
    files = [file for file in home.rglob(MODEL_FILE) if file.read_text() == content]
    for file in files:
        file.write_text("{}")
    with pytest.raises(RisklineError, match="is damaged"):
        registry.champion(home)
    challenger = fitted(lender, AS_OF, horizon=1)
    assert "champion_compared" in against(challenger)
    retraining.promote(lender.settings, challenger.version, despite_gate=True)
    assert champion(lender) == challenger.version
    for file in files:
        file.write_text(content)


def test_figures_are_published_before_a_model_scores(lender: Lender) -> None:
    challenger = fitted(lender, AS_OF, horizon=2)
    query = "SELECT reasons FROM risk.model_verdicts WHERE model_version = %s"
    with psycopg.connect(warehouse_url(lender.settings), autocommit=True) as connection:
        assert connection.execute(query, [challenger.version]).fetchall() == []
        retraining.promote(lender.settings, challenger.version, despite_gate=True)
        ((reasons,),) = connection.execute(query, [challenger.version]).fetchall()
    assert "horizon of the outcome, in months: 2; wanted: the policy's, 1" in reasons.splitlines()


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"horizon": 0}, "the horizon must be 1 to 3660, not 0"),
        ({"horizon": 100_000}, "the horizon must be 1 to 3660, not 100000"),
        ({"note": "x" * 501}, "the note must be 500 characters at most"),
        ({"note": "\x1b[31m"}, "the note must be 500 characters at most that can be printed"),
        ({"note": "\udcff"}, "the note must be 500 characters at most that can be printed"),
    ],
)
def test_what_would_fail_after_hours_fails_at_once(
    tmp_path: Path, others: dict[str, object], says: str
) -> None:
    settings = nowhere(tmp_path)
    with pytest.raises(RisklineError, match=says):
        retraining.train(settings, AS_OF, **others)  # type: ignore[arg-type]
    assert not settings.home.exists()


def nowhere(folder: Path) -> Settings:
    return Settings(home=folder / "home", source_url=str(folder / "nowhere"))


def test_a_longer_horizon_than_the_past_is_one_line(lender: Lender) -> None:
    with pytest.raises(RisklineError, match="training needs more than 1 cohorts"):
        fitted(lender, AS_OF, horizon=3660)


def test_what_was_cut_off_before_it_was_entered_is_entered_by_who_comes_next(
    lender: Lender,
) -> None:
    settings, home = lender.settings, lender.settings.home
    query = "SELECT event, subject, detail FROM risk.audit_log ORDER BY entry DESC LIMIT 1"

    def last_entry() -> tuple[str, str, bool]:
        with psycopg.connect(warehouse_url(settings)) as connection:
            ((event, subject, detail),) = connection.execute(query).fetchall()
        return event, subject, "was_cut_off" in detail

    challenger = fitted(lender, AS_OF, horizon=3)
    retraining.promote(settings, challenger.version, despite_gate=True)
    assert last_entry() == ("promote", challenger.version, False)
    # As where the process dies between the registry and the log.
    registry.roll_back(home)
    before = champion(lender)
    assert before is not None
    # Who tries again is not led back to where they came from.
    assert retraining.roll_back(settings) == before == champion(lender)
    assert last_entry() == ("promote", before, True)
    assert retraining.roll_back(settings) == challenger.version
    assert last_entry() == ("roll_back", challenger.version, False)
    registry.promote(home, before)
    retraining.promote(settings, before, despite_gate=True)
    assert last_entry() == ("promote", before, True)
