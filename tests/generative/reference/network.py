"""A slow, obvious reading of the features of network."""

from datetime import date
from decimal import Decimal
from statistics import mean

from tests.generative.reference.credit_history import credit_history
from tests.generative.reference.repayment_capacity import repayment_capacity
from tests.generative.reference.rows import Number, Row, Tables, Values, ratio


def network(tables: Tables, customer: Row, today: date) -> Values:
    me = customer["customer_id"]
    near = tied(tables, me, today)
    far = {further for other in near if len(tied(tables, other, today)) <= 50
           for further in tied(tables, other, today)}  # fmt: skip
    known = {row["customer_id"]: standing(tables, row, today) for row in tables["customers"]}

    guarantors = tied(tables, me, today, "guarantor", is_from_me=True)
    guaranteed = tied(tables, me, today, "guarantor", is_from_me=False)
    group = tied(tables, me, today, "group")

    def of(others: set[str], name: str) -> list[Number]:
        values = [known[other][name] for other in sorted(others) if other in known]
        return [value for value in values if value is not None]

    def share(others: set[str], name: str, least: int) -> float | None:
        values = of(others, name)
        return sum(value >= least for value in values) / len(values) if values else None

    owed_by_group = of(group, "exposure")
    owed_with_own = [*owed_by_group, *of({me}, "exposure")] if owed_by_group else []
    scores = of(near, "external_score")
    overdue_elsewhere = of(near, "overdue_elsewhere")
    return {
        "related_customers": len(near),
        "guarantors": len(guarantors),
        "guaranteed_customers": len(guaranteed),
        "group_members": len(group),
        "related_days_past_due": max(of(near, "days_past_due"), default=0),
        "guarantor_days_past_due": max(of(guarantors, "days_past_due"), default=0),
        "guaranteed_days_past_due": max(of(guaranteed, "days_past_due"), default=0),
        "group_days_past_due": max(of(group, "days_past_due"), default=0),
        "related_late_share_12m": share(near, "worst_days_late_12m", 31),
        "guarantor_external_score": min(of(guarantors, "external_score"), default=None),
        "group_external_score": min(of(group, "external_score"), default=None),
        "related_external_score": mean(scores) if scores else None,  # type: ignore[type-var]  # ints
        "related_overdue_elsewhere": total(overdue_elsewhere) if overdue_elsewhere else None,
        "distressed_share_1_step": share(near, "is_distressed", 1),
        "distressed_share_2_steps": share((near | far) - {me}, "is_distressed", 1),
        "related_exposure": total(of(near, "exposure")),
        "guaranteed_exposure": total(of(guaranteed, "exposure")),
        "group_exposure": total(owed_with_own) if owed_with_own else None,
        "group_concentration": (
            ratio(max(owed_with_own), total(owed_with_own)) if owed_with_own else None
        ),
    }


def tied(
    tables: Tables,
    me: str,
    today: date,
    relation: str | None = None,
    is_from_me: bool | None = None,
) -> set[str]:
    """The other customers whom a tie that holds today leads to or comes from."""
    others = set()
    customers = {row["customer_id"] for row in tables["customers"]}
    for edge in tables["relationships"]:
        if edge["since"] is not None and edge["since"] > today:
            continue
        if edge["until"] is not None and edge["until"] < today:
            continue
        if relation is not None and edge["relation"] != relation:
            continue
        if edge["customer_id"] == me and is_from_me is not False:
            others.add(edge["related_customer_id"])
        if edge["related_customer_id"] == me and is_from_me is not True:
            others.add(edge["customer_id"])
    return (others & customers) - {me}


def standing(tables: Tables, customer: Row, today: date) -> Values:
    paid = credit_history(tables, customer, today)
    defaulted = paid["months_since_recorded_default"]
    is_late = (paid["days_past_due"] or 0) >= 30
    return {
        **{name: paid[name] for name in (
            "days_past_due", "worst_days_late_12m", "external_score", "overdue_elsewhere",
        )},
        "is_distressed": int(is_late or (defaulted is not None and defaulted < 12)),
        "exposure": repayment_capacity(tables, customer, today)["exposure"],
    }  # fmt: skip


def total(amounts: list[Number]) -> Decimal:
    return sum((Decimal(amount) for amount in amounts), Decimal(0))
