"""Who the customers are."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame

DAYS_A_YEAR = 365.25


@frame("customers", per_customer=True, personal=True)
def profile(at: AsOf, customers: ir.Table) -> ir.Table:
    """One row a customer, with the years since each date of the customer's life.

    Null for a date that is still to come, such as the first day of a job already agreed on.
    """
    born = ibis.coalesce(customers.birth_date, customers.established_date)
    return customers.select(
        "customer_id",
        "dependents",
        age_years=_years_since(at, born),
        employed_years=_years_since(at, customers.employed_since),
        resident_years=_years_since(at, customers.resident_since),
        tenure_years=_years_since(at, customers.onboarded_at),
    )


def _years_since(at: AsOf, dates: ir.DateColumn) -> ir.FloatingColumn:
    days = at.days_since(dates)
    return (days >= 0).ifelse(days / DAYS_A_YEAR, ibis.null("float64"))
