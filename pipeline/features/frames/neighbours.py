"""Who is tied to whom."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.credit_history import (
    days_past_due,
    external_score,
    months_since_recorded_default,
    overdue_elsewhere,
    worst_days_late_12m,
)
from pipeline.features.declaration import frame, values_of
from pipeline.features.exact import WIDE_MONEY
from pipeline.features.repayment_capacity import exposure

DISTRESSED_DAYS = 30
# A firm that supplies thousands ties none of them to each other, and each pair of them would be a
# row: from such a customer no second step is taken.
HUB_TIES = 50


@frame(
    "relationships",
    values_of(
        days_past_due, worst_days_late_12m, exposure, external_score, overdue_elsewhere,
        months_since_recorded_default,
    ),
)  # fmt: skip
def neighbours(at: AsOf, relationships: ir.Table, standing: ir.Table) -> ir.Table:
    """One row a pair of customers tied to each other today, with how the other end fares.

    A tie is seen from both its ends: a guarantor's trouble matters to the borrower, and the
    borrower's to the guarantor. A tie of a customer to itself is none, nor is one to somebody who
    is no customer, or no more.

    Columns: customer_id, related_customer_id, whether the other end is_guarantor of this one,
    is_guaranteed by it, is_group (a direct tie between members of a group), its features as
    ``standing`` has them, is_distressed, and own_exposure.
    """
    edges = relationships.filter(
        (relationships.since.isnull() | (relationships.since <= at.today))
        & (relationships.until.isnull() | (relationships.until >= at.today))
        & (relationships.customer_id != relationships.related_customer_id)
    )
    there = edges.select(
        "customer_id",
        "related_customer_id",
        is_guarantor=edges.relation == "guarantor",
        is_guaranteed=ibis.literal(False),
        is_group=edges.relation == "group",
    )
    back = edges.select(
        customer_id="related_customer_id",
        related_customer_id="customer_id",
        is_guarantor=ibis.literal(False),
        is_guaranteed=edges.relation == "guarantor",
        is_group=edges.relation == "group",
    )
    both = ibis.union(there, back)
    pairs = both.group_by(["customer_id", "related_customer_id"]).aggregate(
        is_guarantor=both.is_guarantor.any(),
        is_guaranteed=both.is_guaranteed.any(),
        is_group=both.is_group.any(),
    )
    is_distressed = (standing.days_past_due >= DISTRESSED_DAYS) | (
        standing.months_since_recorded_default < 12
    ).fill_null(False)
    standing = standing.mutate(
        is_distressed=is_distressed,
        exposure=standing.exposure.cast(WIDE_MONEY),
        overdue_elsewhere=standing.overdue_elsewhere.cast(WIDE_MONEY),
        external_score=standing.external_score.cast("int64"),
    )
    own = standing.select("customer_id", own_exposure="exposure")
    standing = standing.rename(related_customer_id="customer_id")
    return pairs.join(standing, "related_customer_id").join(own, "customer_id")


@frame(neighbours)
def within_two_steps(at: AsOf, neighbours: ir.Table) -> ir.Table:
    """One row a customer and another one within two steps of it, in however many ways.

    Those are the neighbours, and the neighbours' neighbours, except through one who is tied to
    more than 50. The customer itself is none of them.

    Columns: customer_id, related_customer_id and is_distressed.
    """
    ties = neighbours.select("customer_id", "related_customer_id", "is_distressed")
    many = ties.group_by("customer_id").aggregate(ties=lambda rows: rows.count())
    followed = many.filter(many.ties <= HUB_TIES).select(between="customer_id")
    first = ties.select("customer_id", between="related_customer_id").join(followed, "between")
    second = ties.rename(between="customer_id")
    steps = first.join(second, "between").drop("between")
    steps = steps.filter(steps.customer_id != steps.related_customer_id)
    return ibis.union(ties, steps, distinct=True)
