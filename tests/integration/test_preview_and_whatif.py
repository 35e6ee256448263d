"""What would change: by running a night again, and by another policy."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.decisions.policy import load_policy
from pipeline.errors import RisklineError
from pipeline.preview import preview
from pipeline.replay import replay
from pipeline.rooms import Rooms
from pipeline.settings import Settings
from pipeline.warehouse.partitions import partitioned
from pipeline.warehouse.retention import retire
from pipeline.whatif import changed, what_if
from tests.integration import scored_bank
from tests.integration.policies import SHORT, write_policy
from tests.integration.scored_bank import NIGHTS, ask, published, run, writer

AS_OF = NIGHTS[1]


@pytest.fixture(scope="module")
def settings(scored_template: Path, module_home: Path) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = scored_bank.make(scored_template, module_home, monkeypatch)
        run(made, NIGHTS[0])
        run(made, AS_OF)
        yield made


# --- Preview ------------------------------------------------------------------------------------


def test_where_nothing_has_changed_nothing_would(settings: Settings) -> None:
    found = preview(settings, AS_OF)
    assert found.is_published
    assert found.tiers.empty
    assert found.warnings.empty
    assert found.expected_loss[0] == found.expected_loss[1] > 0


def test_it_shows_what_another_policy_would_change_and_changes_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published(settings)
    bounds = {"tier_pd_upper_bounds": {"A": 0.001, "B": 0.002, "C": 0.003, "D": 0.004, "E": 1.0}}
    policy = write_policy(tmp_path / "policy", {**SHORT, "tiers": bounds})
    monkeypatch.setenv("RISK_POLICY", str(policy))
    found = preview(Settings(), AS_OF)
    assert published(settings) == before
    # What it says is what a run then does.
    run(Settings(), AS_OF)
    after = published(settings)

    def tiers(tables: dict[str, list[dict[str, str]]]) -> dict[str, str]:
        return {
            row["customer_id"]: row["tier"]
            for row in tables["risk_tiers"]
            if row["as_of_date"] == str(AS_OF)
        }

    was, now = tiers(before), tiers(after)
    moved = {customer: (was[customer], now[customer]) for customer in was}
    assert {row.customer_id: (row.before, row.after) for row in found.tiers.itertuples()} == {
        customer: pair for customer, pair in moved.items() if pair[0] != pair[1]
    }
    assert len(found.tiers) > 100
    monkeypatch.undo()
    run(settings, AS_OF)
    assert published(settings) == before


def test_the_command_tells_it(settings: Settings) -> None:
    missing = NIGHTS[2]
    result = CliRunner().invoke(app, ["preview", "--as-of", str(missing), "--rows", "3"])
    assert result.exit_code == 0, result.output
    assert f"the night of {missing} is not published; everything would be new" in result.output
    assert re.search(r"tiers that would change: [\d,]{3,}", result.output)
    assert re.search(r"expected loss: 0 before, [\d,]+ after", result.output)
    assert ask(settings, f"SELECT count(*) FROM risk.runs WHERE as_of_date = '{missing}'") == [(0,)]


def test_how_many_nights_are_kept_is_for_the_newest_night_to_say(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = write_policy(tmp_path / "policy")
    said = {"description": "d", "unit": "u", "reference": "r"}
    # As few as may be, until the newest night.
    values = {date(2000, 1, 1): 2, AS_OF: None}
    retention = {"warehouse_nights": {**said, "values": values}}
    (policy / "retention.yaml").write_text(yaml.safe_dump(retention))
    monkeypatch.setenv("RISK_POLICY", str(policy))
    earlier = NIGHTS[0] - timedelta(days=1)
    run(Settings(), earlier)
    status = "SELECT as_of_date, status FROM risk.runs ORDER BY 1"
    nights = [earlier, NIGHTS[0], AS_OF]
    assert ask(settings, status) == [(night, "published") for night in nights]
    # Of a night whose rows are gone there is nothing to compare with.
    retire(writer(settings), partitioned(Rooms(settings).outputs), keep_nights=1)
    with pytest.raises(RisklineError, match=f"no longer keeps the rows of {NIGHTS[0]}, so that"):
        replay(settings, NIGHTS[0])


def test_what_a_run_refuses_is_not_shown(settings: Settings) -> None:
    beyond = NIGHTS[-1] + timedelta(days=20)
    with pytest.raises(RisklineError, match="nothing was published; correct the source"):
        preview(settings, beyond)


# --- What if ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("warning_capacity", "changes no parameter"),
        ("no_such=1", "changes no parameter"),
        ("warning_rules.pd_above.no_such=1", "changes no parameter"),
        ("warning_rules.no_such.bound=1", "changes no parameter"),
        ("warning_rules.pd_above.bound.x=1", "changes no parameter"),
        ("warning_capacity=many", "warning_capacity: Input should be a valid integer"),
        ("warning_capacity=-1", "warning_capacity: Input should be greater than or equal to 0"),
        ("warning_capacity=[1", "the value cannot be read"),
        ("tier_pd_upper_bounds.C=0.5", "must rise from A to E"),
    ],
)
def test_a_change_that_is_none_is_refused(change: str, says: str) -> None:
    with pytest.raises(RisklineError, match=re.escape(says)) as caught:
        changed(load_policy(None, AS_OF), [change])
    assert "\n" not in str(caught.value)


def test_changes_are_made_and_nothing_else_is() -> None:
    policy = load_policy(None, AS_OF)
    other = changed(policy, ["warning_rules.pd_above.bound=1", "warning_capacity=7"])
    assert other.warning_rules["pd_above"].bound == 1
    assert other.warning_capacity == 7
    assert changed(other, ["warning_rules.pd_above.bound=0.2", "warning_capacity=null"]) == policy
    assert policy.warning_capacity is None


def test_it_weighs_a_policy_by_outcomes_that_are_known(settings: Settings) -> None:
    found = what_if(settings, NIGHTS[-1], ["warning_capacity=5", "tier_pd_upper_bounds.B=0.03"])
    assert found.as_of < NIGHTS[-1] - timedelta(days=27)
    assert found.customers > 500
    assert 0 < found.defaults < found.customers / 2
    assert found.now.tiers["B"] < found.then.tiers["B"]
    assert found.now.tiers["C"] > found.then.tiers["C"]
    assert set(found.moves[["before", "after"]].itertuples(index=False, name=None)) == {("C", "B")}
    assert found.moves["customers"].sum() == found.then.tiers["B"] - found.now.tiers["B"]
    assert found.then.listed == 5 < found.now.listed == found.now.warnings
    assert found.now.defaults_caught is not None
    assert found.then.defaults_caught is not None
    assert 0 <= found.then.defaults_caught < found.now.defaults_caught <= 1
    assert 0 < found.then.loss_caught < found.now.loss_caught <= 1


def test_a_policy_that_warns_of_all_catches_all(settings: Settings) -> None:
    found = what_if(settings, NIGHTS[-1], ["warning_rules.pd_above.bound=-1"])
    assert found.then.defaults_caught == pytest.approx(1)
    # All but the losses on customers who are in default already, and past warning.
    assert found.now.loss_caught < found.then.loss_caught <= 1
    assert found.moves.empty
