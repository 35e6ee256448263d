"""How the customer's industry and the economy fare."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.exact import mean

INDUSTRY_FIGURES = ("outlook_index", "industry_default_rate_pct")
ECONOMY_FIGURES = ("gdp_growth_pct", "unemployment_pct", "policy_rate_pct")
MONTHS_BACK = (6, 12)
FIGURE = "decimal(18, 6)"


@frame("customers", "industry_outlook", per_customer=True)
def outlook(at: AsOf, customers: ir.Table, industry_outlook: ir.Table) -> ir.Table:
    """One row a customer whose industry has a figure, with the columns of ``latest_figures``."""
    latest = latest_figures(_published(at, industry_outlook), ("industry_code",), INDUSTRY_FIGURES)
    return customers.select("customer_id", "industry_code").join(latest, "industry_code")


@frame("customers", "industry_outlook", per_customer=True)
def economy(at: AsOf, customers: ir.Table, industry_outlook: ir.Table) -> ir.Table:
    """One row a customer, the same for all, with the columns of ``latest_figures``.

    Each industry repeats the economy's figures of a month. Where the rows of a month differ, such
    as when not all of them are revised yet, their mean counts.
    """
    rows = _published(at, industry_outlook)
    by_month = rows.group_by("month_number").aggregate(
        **{
            name: mean(rows[name].cast(FIGURE), where=rows[name].notnull())
            for name in ECONOMY_FIGURES
        }
    )
    return customers.select("customer_id").cross_join(latest_figures(by_month, (), ECONOMY_FIGURES))


def latest_figures(rows: ir.Table, group: tuple[str, ...], figures: tuple[str, ...]) -> ir.Table:
    """One row a group: each figure of the latest month that has it, and of months before that.

    Args:
        rows: months, with month_number.
        group: the columns that tell whose months they are; none where they are all of one.
        figures: the columns to take. One that comes later than the others is not missing
            meanwhile: its own latest month counts.

    Returns:
        The group's columns; for each figure a column of its name, and one that ends in _6m_ago
        and in _12m_ago with what it was so many months before, null if that month has none.
    """
    window = ibis.window(group_by=list(group))
    back = rows.mutate(
        **{
            f"{name}_back": rows.month_number.max(where=rows[name].notnull()).over(window)
            - rows.month_number
            for name in figures
        }
    )
    return back.aggregate(
        by=list(group),
        **{name: back[name].max(where=back[f"{name}_back"] == 0) for name in figures},
        **{
            f"{name}_{months}m_ago": back[name].max(where=back[f"{name}_back"] == months)
            for name in figures
            for months in MONTHS_BACK
        },
    )


def _published(at: AsOf, industry_outlook: ir.Table) -> ir.Table:
    """The months that have ended."""
    month = industry_outlook["month"]
    return industry_outlook.filter(month <= at.today).mutate(
        month_number=month.year() * 12 + month.month()
    )
