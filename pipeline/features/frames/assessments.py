"""What the relationship manager thought of the customer."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.exact import quotient

MARKS = ("management_quality", "market_reputation", "industry_position")
# About a year: firms are assessed a few times a year, on no fixed day.
YEAR_BEFORE_DAYS = (273, 730)


@frame("assessments")
def assessed(at: AsOf, assessments: ir.Table) -> ir.Table:
    """At most two rows a customer: the latest assessment, and the one about a year before.

    That one is the last of those made 273 to 730 days before the latest. Of two on one day, that
    with the higher number counts.

    Columns: customer_id, is_latest, the three marks, and mean_mark, the mean of those given.
    """
    rows = assessments.filter(assessments.assessed_at <= at.today)
    last = rows.assessed_at.max().over(ibis.window(group_by="customer_id"))
    rows = rows.mutate(days_before_last=last.delta(rows.assessed_at, unit="day"))
    is_latest = rows.days_before_last == 0
    rows = rows.filter(is_latest | rows.days_before_last.between(*YEAR_BEFORE_DAYS))
    rows = rows.mutate(is_latest=rows.days_before_last == 0)
    window = ibis.window(
        group_by=["customer_id", "is_latest"],
        order_by=[rows.assessed_at.desc(), rows.assessment_id.desc()],
    )
    rows = rows.mutate(place=ibis.row_number().over(window))
    rows = rows.filter(rows["place"] == 0)
    total, count = ibis.literal(0), ibis.literal(0)
    for name in MARKS:
        total += rows[name].fill_null(0)
        count += rows[name].notnull().cast("int64")
    return rows.select("customer_id", "is_latest", *MARKS, mean_mark=quotient(total, count))
