"""Who stands behind the customer, and how they fare."""

import ibis
import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, Unit, feature
from pipeline.features.exact import mean, quotient
from pipeline.features.frames.neighbours import neighbours, within_two_steps

NETWORK = Dimension.NETWORK


@feature(
    NETWORK,
    unit=Unit.CUSTOMERS,
    risk=Risk.UNORDERED,
    over=neighbours,
    reason=("The number of customers tied to this one", "关联客户数量"),
    of_nothing=0,
)
def related_customers(rows: ir.Table) -> ir.NumericValue:
    """Customers who are tied to this one, such as guarantors, group members or family."""
    return rows.count()


@feature(
    NETWORK,
    unit=Unit.CUSTOMERS,
    risk=Risk.UNORDERED,
    over=neighbours,
    reason=("The number of guarantors", "保证人数量"),
    of_nothing=0,
)
def guarantors(rows: ir.Table) -> ir.NumericValue:
    """Customers who stand in for this one's debt."""
    return rows.count(where=rows.is_guarantor)


@feature(
    NETWORK,
    unit=Unit.CUSTOMERS,
    risk=Risk.UNORDERED,
    over=neighbours,
    reason=("The number of customers this one stands in for", "对外担保的客户数量"),
    of_nothing=0,
)
def guaranteed_customers(rows: ir.Table) -> ir.NumericValue:
    """Customers for whose debt this one stands in."""
    return rows.count(where=rows.is_guaranteed)


@feature(
    NETWORK,
    unit=Unit.CUSTOMERS,
    risk=Risk.UNORDERED,
    over=neighbours,
    reason=("The number of other members of the group", "集团内其他成员数量"),
    of_nothing=0,
)
def group_members(rows: ir.Table) -> ir.NumericValue:
    """Other members of the customer's group who are tied to it directly."""
    return rows.count(where=rows.is_group)


@feature(
    NETWORK,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=neighbours,
    topic="distress of related customers",
    reason=("A related customer's payments are overdue", "关联客户有逾期款项"),
    of_nothing=0,
)
def related_days_past_due(rows: ir.Table) -> ir.NumericValue:
    """Worst days past due, today, among the customers tied to this one."""
    return rows.days_past_due.max()


@feature(
    NETWORK,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=neighbours,
    topic="distress of related customers",
    reason=("A guarantor's own payments are overdue", "保证人自身有逾期款项"),
    of_nothing=0,
)
def guarantor_days_past_due(rows: ir.Table) -> ir.NumericValue:
    """Worst days past due, today, among those who stand in for this one."""
    return rows.days_past_due.max(where=rows.is_guarantor)


@feature(
    NETWORK,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=neighbours,
    topic="distress of related customers",
    reason=("Payments the customer guarantees are overdue", "所担保的客户有逾期款项"),
    of_nothing=0,
)
def guaranteed_days_past_due(rows: ir.Table) -> ir.NumericValue:
    """Worst days past due, today, among those for whom this one stands in."""
    return rows.days_past_due.max(where=rows.is_guaranteed)


@feature(
    NETWORK,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=neighbours,
    topic="distress of related customers",
    reason=("A group member's payments are overdue", "集团成员有逾期款项"),
    of_nothing=0,
)
def group_days_past_due(rows: ir.Table) -> ir.NumericValue:
    """Worst days past due, today, among the other members of the customer's group."""
    return rows.days_past_due.max(where=rows.is_group)


@feature(
    NETWORK,
    unit=Unit.SHARE,
    risk=Risk.RISES,
    over=neighbours,
    topic="distress of related customers",
    reason=("Related customers paid late within a year", "关联客户近12个月还款有延迟"),
)
def related_late_share_12m(rows: ir.Table) -> ir.NumericValue:
    """Share of the tied customers with dues in the last 12 months who were over 30 days late."""
    return (rows.worst_days_late_12m > 30).mean()


@feature(
    NETWORK,
    unit=Unit.SCORE,
    risk=Risk.FALLS,
    over=neighbours,
    topic="scores of related customers",
    reason=("The bureau's score of a guarantor is low", "保证人征信评分偏低"),
)
def guarantor_external_score(rows: ir.Table) -> ir.NumericValue:
    """Lowest bureau score among those who stand in for this one."""
    return rows.external_score.min(where=rows.is_guarantor)


@feature(
    NETWORK,
    unit=Unit.SCORE,
    risk=Risk.FALLS,
    over=neighbours,
    topic="scores of related customers",
    reason=("The bureau's score of a group member is low", "集团成员征信评分偏低"),
)
def group_external_score(rows: ir.Table) -> ir.NumericValue:
    """Lowest bureau score among the other members of the customer's group."""
    return rows.external_score.min(where=rows.is_group)


@feature(
    NETWORK,
    unit=Unit.SCORE,
    risk=Risk.FALLS,
    over=neighbours,
    topic="scores of related customers",
    reason=("The bureau's scores of related customers are low", "关联客户征信评分偏低"),
)
def related_external_score(rows: ir.Table) -> ir.NumericValue:
    """Mean bureau score of the customers tied to this one."""
    return mean(rows.external_score, where=rows.external_score.notnull())


@feature(
    NETWORK,
    unit=Unit.MONEY,
    risk=Risk.RISES,
    over=neighbours,
    reason=("Related customers are overdue at other lenders", "关联客户在其他机构有逾期"),
)
def related_overdue_elsewhere(rows: ir.Table) -> ir.NumericValue:
    """What the customers tied to this one have overdue at other lenders, together."""
    return rows.overdue_elsewhere.sum()


@feature(
    NETWORK,
    unit=Unit.SHARE,
    risk=Risk.RISES,
    over=neighbours,
    topic="distress of related customers",
    reason=("Customers tied to this one are in distress", "直接关联客户陷入困境"),
)
def distressed_share_1_step(rows: ir.Table) -> ir.NumericValue:
    """Share of the tied customers 30 or more days past due, or in default within 12 months."""
    return rows.is_distressed.mean()


@feature(
    NETWORK,
    unit=Unit.SHARE,
    risk=Risk.RISES,
    over=within_two_steps,
    topic="distress of related customers",
    reason=("Customers within two steps are in distress", "两层关联关系内有客户陷入困境"),
)
def distressed_share_2_steps(rows: ir.Table) -> ir.NumericValue:
    """Share of the customers within two steps, not through one tied to over 50, in distress."""
    return rows.is_distressed.mean()


@feature(
    NETWORK,
    unit=Unit.MONEY,
    risk=Risk.UNORDERED,
    over=neighbours,
    topic="debt of related customers",
    reason=("What related customers owe the bank", "关联客户在本行的负债总额"),
    of_nothing=0,
)
def related_exposure(rows: ir.Table) -> ir.NumericValue:
    """What the customers tied to this one owe the bank together."""
    return rows.exposure.sum()


@feature(
    NETWORK,
    unit=Unit.MONEY,
    risk=Risk.UNORDERED,
    over=neighbours,
    topic="debt of related customers",
    reason=("What those the customer guarantees owe the bank", "所担保客户在本行的负债总额"),
    of_nothing=0,
)
def guaranteed_exposure(rows: ir.Table) -> ir.NumericValue:
    """What those for whom this one stands in owe the bank together."""
    return rows.exposure.sum(where=rows.is_guaranteed)


@feature(
    NETWORK,
    unit=Unit.MONEY,
    risk=Risk.UNORDERED,
    over=neighbours,
    topic="debt of related customers",
    reason=("What the customer's group owes the bank", "所属集团在本行的负债总额"),
)
def group_exposure(rows: ir.Table) -> ir.NumericValue:
    """What the customer and the other members of its group owe the bank together."""
    return _group_total(rows)


@feature(
    NETWORK,
    unit=Unit.SHARE,
    risk=Risk.UNORDERED,
    over=neighbours,
    reason=("How much of the group's debt one member owes", "集团负债在单一成员的集中度"),
)
def group_concentration(rows: ir.Table) -> ir.NumericValue:
    """Share of what the customer's group owes the bank that its largest debtor owes."""
    largest_other = rows.exposure.max(where=rows.is_group)
    largest = ibis.greatest(largest_other, rows.own_exposure.max())
    return quotient(largest, _group_total(rows))


def _group_total(rows: ir.Table) -> ir.DecimalScalar:
    return rows.exposure.sum(where=rows.is_group) + rows.own_exposure.max()
