"""How the customer's region fares at this bank."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.frames.instalments import fell_due_within, instalments


@frame("customers", instalments, per_customer=True)
def region_peers(at: AsOf, customers: ir.Table, instalments: ir.Table) -> ir.Table:
    """The instalments of the last year of all customers of the same region, summed up.

    Columns: customer_id, region, late_instalments (over 30 days late) and instalments.
    """
    people = customers.filter(customers.region.notnull()).select("customer_id", "region")
    of_year = instalments.filter(fell_due_within(instalments, 365))
    # Many instalments become a row a customer before anything is joined to them.
    by_customer = of_year.group_by("customer_id").aggregate(
        late_instalments=(of_year.days_late > 30).sum(), instalments=of_year.count()
    )
    of_region = by_customer.join(people, "customer_id")
    regions = of_region.group_by("region").aggregate(
        late_instalments=of_region.late_instalments.sum(),
        instalments=of_region.instalments.sum(),
    )
    return people.join(regions, "region")
