"""Policy files: what was in force on a day, the lender's over the packaged, one line on a slip."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipeline.decisions.policy import Policy, load_policy
from pipeline.errors import RisklineError

NIGHT = date(2024, 5, 31)
REST = (
    "playbook: p, owner_role: o, due_days: 1, escalate_to: e, clear_after_nights: 1, "
    "cool_off_days: 0"
)
Write = Callable[..., Path]


@pytest.fixture
def lender(tmp_path: Path) -> Write:
    """Writes a policy file of one parameter, its values given by day."""

    def write(name: str, values: str, file: str = "own.yaml") -> Path:
        text = f"{name}:\n  description: d\n  unit: u\n  reference: r\n  values: {values}\n"
        with (tmp_path / file).open("a", encoding="utf-8") as opened:
            opened.write(text)
        return tmp_path

    return write


def refusal(folder: Path, as_of: date = NIGHT) -> str:
    with pytest.raises(RisklineError) as caught:
        load_policy(folder, as_of)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("as_of", "in_force"),
    [
        (date(2019, 12, 31), 0.4),
        (date(2020, 1, 1), 0.5),
        (date(2020, 1, 2), 0.5),
        (date(2023, 6, 30), 0.5),
        (date(2023, 7, 1), 0.6),
        (date(2099, 1, 1), 0.6),
    ],
)
def test_a_value_holds_from_its_date_until_the_next(
    lender: Write, as_of: date, in_force: float
) -> None:
    # Not in order: the dates decide, not the lines.
    folder = lender("loss_given_default", "{2023-07-01: 0.6, 2010-01-01: 0.4, 2020-01-01: 0.5}")
    assert load_policy(folder, as_of).loss_given_default == in_force


def test_the_lenders_parameters_lie_over_the_packaged_ones(lender: Write) -> None:
    folder = lender("loss_given_default", "{2000-01-01: 0.2}")
    packaged = load_policy(None, NIGHT)
    assert load_policy(folder, NIGHT) == packaged.model_copy(update={"loss_given_default": 0.2})


def test_until_the_lenders_first_value_the_packaged_one_holds(lender: Write) -> None:
    folder = lender("loss_given_default", "{2024-06-01: 0.2}")
    assert load_policy(folder, NIGHT) == load_policy(None, NIGHT)
    assert load_policy(folder, date(2024, 6, 1)).loss_given_default == 0.2


def test_the_hash_tells_policies_apart_and_nothing_else(lender: Write) -> None:
    packaged = load_policy(None, NIGHT)
    assert packaged.sha256 == load_policy(None, date(2024, 6, 1)).sha256
    same = lender("loss_given_default", "{2000-01-01: 0.45}")
    assert load_policy(same, NIGHT).sha256 == packaged.sha256
    other = lender("tier_hysteresis_pct", "{2000-01-01: 11}")
    assert load_policy(other, NIGHT).sha256 != packaged.sha256


def test_before_any_value_the_parameter_and_the_day_are_named() -> None:
    with pytest.raises(RisklineError) as caught:
        load_policy(None, date(1999, 12, 31))
    assert str(caught.value) == (
        "policy on 1999-12-31, days_past_due: no value is in force on that day"
    )


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("los_given_default", "{2000-01-01: 0.2}", "los_given_default: no such parameter"),
        (
            "loss_given_default",
            "{2000-01-01: a lot}",
            "given_default: Input should be a valid",
        ),
        (
            "loss_given_default",
            "{2000-01-01: '0.2'}",
            "given_default: Input should be a valid",
        ),
        ("loss_given_default", "{2000-01-01: 1.2}", "loss_given_default: Input should be less"),
        (
            "loss_given_default",
            "{2000-01-01: .nan}",
            "given_default: Input should be a finite",
        ),
        ("loss_given_default", "{2000-01-01: null}", "given_default: Input should be a valid"),
        ("loss_given_default", "0.2", "loss_given_default: values need dates as keys"),
        ("loss_given_default", "{today: 0.2}", "loss_given_default: values need dates as keys"),
        ("loss_given_default", "{2000-01-01 00:00:00: 0.2}", "values need dates as keys"),
        ("loss_given_default", "{2024-02-30: 0.2}", "own.yaml cannot be read: day"),
        ("days_past_due", "{2000-01-01: yes}", "days_past_due: Input should be a valid integer"),
        ("days_past_due", "{2000-01-01: 90.5}", "days_past_due: Input should be a valid integer"),
        ("days_past_due", "{2000-01-01: 0}", "days_past_due: Input should be greater"),
        ("horizon_unit", "{2000-01-01: year}", "horizon_unit: Input should be 'day' or 'month'"),
        (
            "tier_pd_upper_bounds",
            "{2000-01-01: {A: 0.02, B: 0.005, C: 0.06, D: 0.2, E: 1.0}}",
            "tier_pd_upper_bounds must rise from A to E, and end at 1",
        ),
        (
            "tier_pd_upper_bounds",
            "{2000-01-01: {A: 0.02, B: 0.02, C: 0.06, D: 0.2, E: 1.0}}",
            "tier_pd_upper_bounds must rise",
        ),
        (
            "tier_pd_upper_bounds",
            "{2000-01-01: {A: 0.02, B: 0.03, C: 0.06, D: 0.2, E: 0.9}}",
            "tier_pd_upper_bounds must rise",
        ),
        (
            "tier_pd_upper_bounds",
            "{2000-01-01: {A: 0.02, B: 0.03, D: 0.2, E: 1.0}}",
            "tier_pd_upper_bounds must rise",
        ),
        (
            "tier_pd_upper_bounds",
            "{2000-01-01: {A: 0.02, B: 0.03, C: 0.06, D: 0.2, E: 0.5, F: 1.0}}",
            "tier_pd_upper_bounds.F",
        ),
        (
            "asset_class_days_past_due",
            "{2000-01-01: {special_mention: 1, substandard: 91, doubtful: 91, loss: 361}}",
            "asset_class_days_past_due must rise from special_mention to loss",
        ),
        (
            "asset_class_days_past_due",
            "{2000-01-01: {special_mention: 1, doubtful: 91, loss: 361}}",
            "asset_class_days_past_due must rise",
        ),
        ("held_out_cohorts", "{2000-01-01: 12}", "held_out_cohorts must be fewer"),
        ("warning_rules", "{2000-01-01: {}}", "warning_rules: Dictionary should have at least 1"),
        ("warning_rules", "{2000-01-01: {pd_over: {}}}", "warning_rules.pd_over"),
        (
            "warning_rules",
            "{2000-01-01: {pd_above: {bound: 0.2, severity: serious, playbook: p, due_days: 1}}}",
            "warning_rules.pd_above.owner_role: Field required",
        ),
        (
            "warning_rules",
            f"{{2000-01-01: {{pd_above: {{bound: 0.2, below: 0.1, severity: serious, {REST}}}}}}}",
            "warning_rules.pd_above: bound 0.2 must lie below 0.1",
        ),
        (
            "warning_rules",
            f"{{2000-01-01: {{pd_above: {{bound: 0.2, severity: grave, {REST}}}}}}}",
            "warning_rules.pd_above.severity: Input should be 'general', 'serious' or 'critical'",
        ),
    ],
)
def test_a_slip_is_one_line_that_names_the_parameter(
    lender: Write, name: str, values: str, words: str
) -> None:
    assert words in refusal(lender(name, values))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"loss_given_default: {values: [1, 2", "own.yaml cannot be read: "),
        (b"\xff\xfe\x00", "own.yaml cannot be read: "),
        (b"", "own.yaml: not a mapping of parameters"),
        (b"- loss_given_default", "own.yaml: not a mapping of parameters"),
        (b"loss_given_default: 0.2", "own.yaml, loss_given_default: needs just description"),
        (
            b"loss_given_default: {description: d, unit: u, values: {2000-01-01: 0.2}}",
            "own.yaml, loss_given_default: needs just description, reference, unit, values",
        ),
    ],
)
def test_a_broken_file_is_one_line_that_names_the_file(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "own.yaml").write_bytes(content)
    assert words in refusal(tmp_path)


def test_a_folder_without_policy_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "missing") == (
        f"no policy file (*.yaml) in {tmp_path / 'missing'}; set RISK_POLICY"
    )


def test_the_packaged_policy_cannot_be_changed_in_place() -> None:
    policy = load_policy(None, NIGHT)
    for name in Policy.model_fields:
        with pytest.raises(ValueError, match="frozen"):
            setattr(policy, name, 0.1)
