"""Policy in sentences: each case of the YAML files beside says what is given and what must follow.

A case is one customer, or ``customers``; what it does not name has the value of a customer about
whom there is nothing to say, and who was the same on the night before. ``policy`` replaces
parameters of the packaged policy; ``warning_rules`` given as a list of names keeps those alone.
Only what ``expect`` names is compared; ``warnings`` are all there are, in the order of their ranks,
``credit_action`` is the first customer's, and ``portfolio`` all rows by segment and tier.
"""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.decisions.measures import CONTRIBUTION, WATCHED_FEATURES
from pipeline.decisions.night import Decisions, Past, decide_night
from pipeline.decisions.policy import Policy, load_policy
from pipeline.decisions.warning_life import Answer
from pipeline.decisions.warnings import CARRIED, Reason
from pipeline.features.declaration import Dimension

HERE = Path(__file__).parent
NIGHT = date(2024, 5, 31)
CONTRIBUTIONS = [CONTRIBUTION + dimension for dimension in Dimension]
CUSTOMER: dict[str, Any] = {
    "customer_id": "c1",
    "pd": 0.01,
    "exposure": 1000.0,
    "days_past_due": 0,
    "data_completeness": 0.9,
    "model_version": "1",
    "segment": "consumer",
    **dict.fromkeys(WATCHED_FEATURES, np.nan),
    **dict.fromkeys(CONTRIBUTIONS, 0.0),
}
BEFORE: dict[str, Any] = {
    "tier": None,
    "model_tier": None,
    "tier_since": date(2024, 1, 1),
    "log_odds": np.nan,
    "model_version": "1",
    **dict.fromkeys(CONTRIBUTIONS, 0.0),
}
LOAN: dict[str, Any] = {"collateral_type": None, "collateral_value": 0.0, "credit_limit": np.nan}
WARNING: dict[str, Any] = {
    "customer_id": "c1",
    "severity": "serious",
    "status": "ongoing",
    "clean_nights": 0,
    "playbook": "Do as it was.",
    "owner_role": "somebody",
}
OF_A_CASE = {"as_of", "policy", "before", "customers", "answers", "overrides"}
OF_A_CUSTOMER = CUSTOMER.keys() | {"log_odds", "odds_of_paying", "drivers", "loans"}


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in sorted(HERE.glob("*.yaml"))
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("case", cases())
def test_policy(case: dict[str, Any]) -> None:
    assert set(case) == {"name", "given", "expect"}
    decided = decide(case["given"])
    customer = decided.customers.to_dict("records")[0]
    for name, expected in case["expect"].items():
        if name == "warnings":
            assert [
                {key: warning[key] for key in wanted}
                for warning, wanted in zip(listed(decided.warnings), expected, strict=True)
            ] == expected
        elif name == "portfolio":
            rows = decided.portfolio.sort_values(["segment", "tier"]).to_dict("records")
            for row, wanted in zip(rows, expected, strict=True):
                assert {key: row[key] for key in wanted} == pytest.approx(wanted, nan_ok=True)
        elif name == "credit_action":
            found = decided.credit_actions.to_dict("records")
            assert {key: found[0][key] for key in expected} == pytest.approx(expected, nan_ok=True)
        elif isinstance(expected, str | date | bool):
            assert customer[name] == expected
        else:
            assert customer[name] == pytest.approx(expected, abs=1e-9)


def listed(warnings: pd.DataFrame) -> list[dict[Any, Any]]:
    """The warnings, with their reasons as English sentences, and None for no rank."""
    rows = warnings.assign(
        reasons=warnings["reasons"].map(lambda text: [each["en"] for each in json.loads(text)]),
        rank=warnings["rank"].astype("object").where(warnings["rank"].notna(), None),
    )
    return rows.to_dict("records")


def test_every_file_has_cases_with_names_of_their_own() -> None:
    names = [parameter.id for parameter in cases()]
    assert len(names) == len(set(names)) > 100


def test_every_rule_of_the_packaged_policy_has_cases() -> None:
    text = (HERE / "warnings.yaml").read_text(encoding="utf-8")
    assert all(f"rule: {rule}" in text for rule in load_policy(None, NIGHT).warning_rules)


def decide(given: dict[str, Any]) -> Decisions:
    """What the night decides about the customers of a case."""
    as_of = given.get("as_of", NIGHT)
    policy = policy_with(given.get("policy", {}), as_of)
    one = {key: value for key, value in given.items() if key not in OF_A_CASE}
    said = [{"customer_id": "c1", **each} for each in given.get("customers", [one])]
    night = pd.DataFrame([complete(each) for each in said]).set_index("customer_id")
    loans = [
        LOAN | loan | {"customer_id": each["customer_id"]}
        for each in said
        for loan in each.get("loans", [{"owed": each.get("exposure", 1000.0)}])
    ]
    earlier = pd.DataFrame(
        [{"customer_id": each["customer_id"]} | BEFORE | before(each) for each in said]
    ).set_index("customer_id")
    drivers = {each["customer_id"]: each.get("drivers", []) for each in said}

    def why(customers: Sequence[str]) -> dict[str, list[Reason]]:
        return {
            each: [Reason("", text, f"因为{text}") for text in drivers.get(each, [])]
            for each in customers
        }

    past = Past(
        earlier,
        pd.DataFrame([standing(each) for each in given.get("before", [])], columns=list(CARRIED)),
        {key: {Answer(word) for word in words} for key, words in given.get("answers", {}).items()},
        pd.DataFrame(
            [
                {"customer_id": "c1", "at": datetime(2024, 5, 1, tzinfo=UTC)} | each
                for each in given.get("overrides", [])
            ],
            columns=["customer_id", "at", "tier"],
        ),
    )
    owed = pd.DataFrame(loans, columns=["customer_id", "owed", *LOAN])
    numbers = dict.fromkeys(("owed", "collateral_value", "credit_limit"), "float64")
    decided = decide_night(night, owed.astype(numbers), past, as_of, policy, why)
    hold_lists_sound(decided.warnings)
    return decided


def hold_lists_sound(warnings: pd.DataFrame) -> None:
    """What is true of any warning list."""
    reasons = warnings["reasons"].map(json.loads)
    assert [each[0]["code"] for each in reasons] == list(warnings["rule"])
    assert all(said["zh"] and not said["zh"].isascii() for each in reasons for said in each)
    assert warnings["warning_id"].is_unique
    assert not warnings.duplicated(["customer_id", "rule"]).any()
    assert (warnings["playbook"] != "").all()
    ranks = warnings["rank"].dropna().tolist()
    assert ranks == list(range(1, len(ranks) + 1))


def before(customer: dict[str, Any]) -> dict[str, Any]:
    """What the night before held of a customer; a tier given was the model's as well."""
    facts = {
        key.removeprefix("previous_"): value
        for key, value in customer.items()
        if key.startswith("previous_")
    }
    if "tier" in facts:
        facts = {"model_tier": facts["tier"]} | facts
    assert facts.keys() <= BEFORE.keys(), "a fact with no such name"
    return facts


def standing(warning: dict[str, Any]) -> dict[str, Any]:
    """A warning of the night before; its status holds since it was raised unless said otherwise."""
    row = {"warning_id": "w1", **WARNING, **warning}
    row = {"due_by": row["first_raised"] + timedelta(days=5)} | row
    return {"status_since": row["first_raised"]} | row


def complete(facts: dict[str, Any]) -> dict[str, Any]:
    """A customer's facts; PD, log-odds and odds of paying follow from the one that is given."""
    facts = {key: value for key, value in facts.items() if not key.startswith("previous_")}
    assert facts.keys() <= OF_A_CUSTOMER, "a fact with no such name"
    if "odds_of_paying" in facts:
        facts["log_odds"] = -np.log(facts.pop("odds_of_paying"))
    if "log_odds" in facts:
        facts["pd"] = 1 / (1 + np.exp(-facts["log_odds"]))
    customer = CUSTOMER | {k: v for k, v in facts.items() if k not in {"drivers", "loans"}}
    with np.errstate(divide="ignore"):
        log_odds = np.log(customer["pd"]) - np.log1p(-np.float64(customer["pd"]))
    return {"log_odds": log_odds} | customer


def policy_with(changes: dict[str, Any], as_of: date) -> Policy:
    packaged = load_policy(None, as_of).model_dump()
    if isinstance(changes.get("warning_rules"), list):
        kept = {name: packaged["warning_rules"][name] for name in changes["warning_rules"]}
        changes = changes | {"warning_rules": kept}
    return Policy(**(packaged | changes))
