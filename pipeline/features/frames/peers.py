"""How customers of the same industry or region fare at this bank."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.credit_history import worst_days_late_12m
from pipeline.features.declaration import frame, values_of
from pipeline.features.repayment_capacity import income, leverage, liquidity_months

# The customer is one of the peers. Without, late payers would see a lower share than others of
# their industry, and the share would tell who pays late rather than how the industry fares.


@frame("customers", values_of(worst_days_late_12m), per_customer=True)
def industry_peers(at: AsOf, customers: ir.Table, lateness: ir.Table) -> ir.Table:
    """One row a customer of a known industry, with the columns of ``borrowers_of``."""
    return borrowers_of("industry_code", customers, lateness)


@frame("customers", values_of(worst_days_late_12m), per_customer=True)
def region_peers(at: AsOf, customers: ir.Table, lateness: ir.Table) -> ir.Table:
    """One row a customer of a known region, with the columns of ``borrowers_of``."""
    return borrowers_of("region", customers, lateness)


def borrowers_of(group: str, customers: ir.Table, lateness: ir.Table) -> ir.Table:
    """One row a customer of whom a group is known, with the group's borrowers of the last year.

    Columns: customer_id, borrowers (customers with an instalment due in the last 12 months) and
    late_borrowers (those of them who were over 30 days late with one).
    """
    people = customers.filter(customers[group].notnull()).select("customer_id", group)
    standing = people.join(lateness, "customer_id")
    borrowers = standing.group_by(group).aggregate(
        borrowers=standing.worst_days_late_12m.count(),
        late_borrowers=(standing.worst_days_late_12m > 30).sum(),
    )
    return people.join(borrowers, group)


@frame("customers", values_of(income, leverage, liquidity_months), per_customer=True)
def peer_medians(at: AsOf, customers: ir.Table, means: ir.Table) -> ir.Table:
    """One row a customer of a known industry: what it has, and the median of those like it.

    Those like it are the customers of its industry and segment, itself among them.
    """
    people = customers.filter(customers.industry_code.notnull())
    people = people.select("customer_id", "industry_code", "segment").join(means, "customer_id")
    medians = people.group_by(["industry_code", "segment"]).aggregate(
        median_income=people.income.median(),
        median_leverage=people.leverage.median(),
        median_liquidity_months=people.liquidity_months.median(),
    )
    return people.join(medians, ["industry_code", "segment"])
