"""Policy in sentences: each case of the YAML files beside says what is given and what must follow.

A case is one customer, or ``customers``; what it does not name has the value of a customer about
whom there is nothing to say. ``policy`` replaces parameters of the packaged policy. Only what
``expect`` names is compared; ``warnings`` are all there are, in the order of their ranks.
"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.decisions.policy import Policy, load_policy
from pipeline.decisions.tiers import asset_class_of, expected_loss_of, score_of, tier_of
from pipeline.decisions.warnings import Reason, warning_list

HERE = Path(__file__).parent
NIGHT = date(2024, 5, 31)
CUSTOMER: dict[str, Any] = {
    "customer_id": "c1",
    "pd": 0.01,
    "exposure": 1000.0,
    "days_past_due": 0,
    "previous_tier": None,
    "previous_log_odds": np.nan,
    "drivers": [],
}
OF_A_CASE = {"as_of", "policy", "before", "customers"}
BEFORE = ["customer_id", "rule", "warning_id", "first_raised", "due_by"]


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in sorted(HERE.glob("*.yaml"))
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("case", cases())
def test_policy(case: dict[str, Any]) -> None:
    assert set(case) == {"name", "given", "expect"}
    night, warnings = decide(case["given"])
    (customer,) = night.to_dict("records")[:1]
    for name, expected in case["expect"].items():
        if name == "warnings":
            assert [
                {key: warning[key] for key in wanted}
                for warning, wanted in zip(warnings, expected, strict=True)
            ] == expected
        elif isinstance(expected, str):
            assert customer[name] == expected
        else:
            assert customer[name] == pytest.approx(expected, abs=1e-9)


def test_every_file_has_cases_with_names_of_their_own() -> None:
    names = [parameter.id for parameter in cases()]
    assert len(names) == len(set(names)) > 60


def test_every_rule_of_the_packaged_policy_has_cases() -> None:
    text = (HERE / "warnings.yaml").read_text(encoding="utf-8")
    assert all(f"rule: {rule}" in text for rule in load_policy(None, NIGHT).warning_rules)


def decide(given: dict[str, Any]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """What the night decides, from facts to warnings, as `pipeline.nightly.decide` puts it."""
    as_of = given.get("as_of", NIGHT)
    policy = policy_with(given.get("policy", {}), as_of)
    one = {key: value for key, value in given.items() if key not in OF_A_CASE}
    customers = [complete(facts) for facts in given.get("customers", [one])]
    night = pd.DataFrame(customers).set_index("customer_id")
    night["score"] = score_of(night["log_odds"].to_numpy(), policy)
    night["tier"] = tier_of(night["pd"].to_numpy(), night["previous_tier"], policy)
    night["asset_class"] = asset_class_of(night["days_past_due"].to_numpy(), policy)
    night["expected_loss"] = expected_loss_of(
        night["pd"].to_numpy(), night["exposure"].to_numpy(), policy
    )
    drivers = night.pop("drivers")

    def why(customers: Sequence[str]) -> dict[str, list[Reason]]:
        return {
            each: [Reason("", text, f"因为{text}") for text in drivers[each]] for each in customers
        }

    before = pd.DataFrame(
        [{"customer_id": "c1", **warning} for warning in given.get("before", [])], columns=BEFORE
    )
    found = warning_list(night, before, as_of, policy, why)
    said = found["reasons"].map(json.loads)
    assert [reasons[0]["code"] for reasons in said] == list(found["rule"])
    assert all(reason["zh"] and not reason["zh"].isascii() for each in said for reason in each)
    found["reasons"] = [[reason["en"] for reason in reasons] for reasons in said]
    warnings: list[dict[str, Any]] = [dict(row) for _, row in found.iterrows()]
    assert len({warning["warning_id"] for warning in warnings}) == len(warnings)
    for warning in warnings:
        assert warning["playbook"] == policy.warning_rules[warning["rule"]].playbook
    return night, warnings


def complete(facts: dict[str, Any]) -> dict[str, Any]:
    """A customer's facts; PD, log-odds and odds of paying follow from the one that is given."""
    facts = dict(facts)
    if "odds_of_paying" in facts:
        facts["log_odds"] = -np.log(facts.pop("odds_of_paying"))
    if "log_odds" in facts:
        facts["pd"] = 1 / (1 + np.exp(-facts["log_odds"]))
    customer = CUSTOMER | facts
    assert customer.keys() <= CUSTOMER.keys() | {"log_odds"}, "a fact with no such name"
    with np.errstate(divide="ignore"):
        log_odds = np.log(customer["pd"]) - np.log1p(-np.float64(customer["pd"]))
    return {"log_odds": log_odds} | customer


def policy_with(changes: dict[str, Any], as_of: date) -> Policy:
    return Policy(**(load_policy(None, as_of).model_dump() | changes))
