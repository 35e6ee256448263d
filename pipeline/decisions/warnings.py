"""The warning list of a night: which rules fire for whom, what became of earlier warnings, why."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pandas as pd

from pipeline.decisions.measures import MEASURES, Facts
from pipeline.decisions.policy import Policy, RuleName, Severity, WarningRule
from pipeline.decisions.warning_life import OPEN, Answer, Standing, Status, next_night

SEVERITIES = tuple(Severity)
"""From the least grave to the gravest."""

CARRIED = (
    "customer_id", "rule", "warning_id", "severity", "status", "first_raised", "due_by",
    "status_since", "clean_nights", "playbook", "owner_role",
)  # fmt: skip
"""What of a night's list the next night goes on from."""

_COLUMNS = (*CARRIED, "exposure", "expected_loss", "said")


@dataclass(frozen=True)
class Reason:
    """Why a warning stands: the name of a rule or a feature, and what it says in two languages."""

    code: str
    en: str
    zh: str


Why = Callable[[Sequence[str]], Mapping[str, Sequence[Reason]]]
"""What raises the risk of some customers most, by customer_id."""


def warning_list(
    night: pd.DataFrame,
    before: pd.DataFrame,
    answers: Mapping[str, AbstractSet[Answer]],
    as_of: date,
    policy: Policy,
    why: Why,
) -> pd.DataFrame:
    """Every warning of a night: the open ones, those it ends, and those silent for a cool-off.

    A customer in default is past warning: what stood is cleared, and the case is workout's.

    Args:
        night: by customer_id, with what the measures read, and exposure and expected_loss.
        before: the list of the night published before, with at least the columns CARRIED.
        answers: what officers said up to the close of the night, by warning_id.
        as_of: the night.
        policy: the rules in force.
        why: asked of the customers with open warnings.

    Returns:
        One row a warning. The open ones come first, ranked by expected loss, the largest first,
        and among equals by severity; those beyond the capacity are not in_capacity. Of those that
        have ended the rank is null.
    """
    alive = night[night["days_past_due"] < policy.days_past_due]
    fired = {
        (customer, rule): said
        for rule in policy.warning_rules
        for customer, said in _fired(alive, rule, policy).items()
    }
    earlier = {
        (row["customer_id"], row["rule"]): row for row in before[list(CARRIED)].to_dict("records")
    }
    living = set(alive.index)
    money = night[["exposure", "expected_loss"]].to_dict("index")
    rows = []
    for key in sorted({*fired, *earlier}):
        customer, name = key
        rule = policy.warning_rules.get(name)
        row = earlier.get(key)
        now = next_night(
            None if row is None else _standing(row),
            as_of,
            rule,
            fires=key in fired,
            has_ended=customer not in living,
            answers=frozenset() if row is None else answers.get(row["warning_id"], frozenset()),
        )
        if now is not None:
            why_now = fired.get(key) or _silence(name, now, rule, customer in living)
            owed = money.get(customer, {"exposure": 0.0, "expected_loss": 0.0})
            rows.append(_row(customer, name, now, rule, row) | owed | {"said": why_now})
    return _ranked(pd.DataFrame(rows, columns=list(_COLUMNS)), policy.warning_capacity, why)


def _fired(alive: pd.DataFrame, name: RuleName, policy: Policy) -> dict[str, Reason]:
    """The customers for whom a rule fires, and what it says of each."""
    rule, measure = policy.warning_rules[name], MEASURES[name]
    amounts = measure.amounts(alive)
    # A comparison with a missing value is False: no night before, no jump.
    fires = (amounts >= rule.bound) & (amounts < rule.below)
    said = zip(amounts[fires], alive[fires].to_dict("index").items(), strict=True)
    return {
        str(customer): Reason(name, *measure.sentence(amount, facts))
        for amount, (customer, facts) in said
    }


def _standing(row: Facts) -> Standing:
    return Standing(
        row["first_raised"],
        row["due_by"],
        Status(row["status"]),
        row["status_since"],
        row["clean_nights"],
    )


def _row(
    customer: str,
    name: str,
    now: Standing,
    rule: WarningRule | None,
    before: Facts | None,
) -> dict[str, Any]:
    if rule is not None:
        severity, playbook = rule.severity.value, rule.playbook
        owner = rule.escalate_to if now.status is Status.ESCALATED else rule.owner_role
    else:
        # Of a rule that the policy has no longer, the last words stand.
        assert before is not None
        severity, playbook, owner = (before[c] for c in ("severity", "playbook", "owner_role"))
    return {
        "customer_id": customer,
        "rule": name,
        # A warning raised again after its end is raised on a later night, and is another one.
        "warning_id": _warning_id(customer, name, now.first_raised),
        "severity": severity,
        "status": now.status.value,
        "first_raised": now.first_raised,
        "due_by": now.due_by,
        "status_since": now.status_since,
        "clean_nights": now.clean_nights,
        "playbook": playbook,
        "owner_role": owner,
    }


def _warning_id(customer_id: str, rule: str, first_raised: date) -> str:
    text = f"{customer_id}\x1f{rule}\x1f{first_raised.isoformat()}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _silence(name: str, now: Standing, rule: WarningRule | None, is_alive: bool) -> Reason:
    """Why a warning is on the list though its rule does not fire."""
    if rule is None:
        return Reason(name, "the policy no longer has this rule", "现行政策已无此规则")
    if not is_alive:
        return Reason(name, "the customer is past warning", "该客户已不在预警范围内")
    if now.status is Status.RELEASED:
        return Reason(name, "an officer released the warning", "预警已由人员解除")
    return Reason(
        name,
        f"the rule has not fired for {now.clean_nights} of the {rule.clear_after_nights} nights "
        "after which the warning is cleared",
        f"规则已连续{now.clean_nights}晚未触发，满{rule.clear_after_nights}晚后撤销预警",
    )


def _ranked(warnings: pd.DataFrame, capacity: int | None, why: Why) -> pd.DataFrame:
    is_open = warnings["status"].isin({status.value for status in OPEN})
    grave = warnings["severity"].map({s.value: i for i, s in enumerate(SEVERITIES)})
    order = warnings.assign(_open=is_open, _grave=grave).sort_values(
        ["_open", "expected_loss", "_grave", "customer_id", "rule"],
        ascending=[False, False, False, True, True],
        ignore_index=True,
    )
    place = pd.Series(range(1, len(order) + 1), index=order.index, dtype="Int64")
    order["rank"] = place.where(order["_open"])
    order["in_capacity"] = order["_open"] & (True if capacity is None else place <= capacity)
    drivers = why(sorted(set(order.loc[order["_open"], "customer_id"])))
    order["reasons"] = [
        json.dumps(
            [asdict(reason) for reason in (said, *(drivers[customer] if is_open else ()))],
            ensure_ascii=False,
        )
        for said, customer, is_open in zip(
            order["said"], order["customer_id"], order["_open"], strict=True
        )
    ]
    return order.drop(columns=["_open", "_grave", "said"])
