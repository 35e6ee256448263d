"""Small banks, every row of which keeps its contract, as Hypothesis draws them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import strategies as st

Rows = dict[str, list[dict[str, Any]]]

CUSTOMERS = ("A", "B", "C", "D")
# The edges of windows lie close to what is drawn, and month ends and leap days among it.
AS_OF_DATES = (date(2024, 2, 29), date(2023, 12, 31), date(2024, 6, 15))
OFFSETS = (-366, -365, -182, -91, -90, -31, -30, -1, 0, 1, 29, 30, 31, 90)


def days_near(as_of: date) -> st.SearchStrategy[date]:
    """Days within two years of the as-of date, often on the edge of a window."""
    offsets = st.sampled_from(OFFSETS) | st.integers(-500, 200)
    return offsets.map(lambda days: as_of + timedelta(days=days))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or now and then null."""
    return st.integers(0, 4).flatmap(lambda n: st.none() if n == 0 else values)


# In cents, for nobody's books hold a fraction of one.
money = (st.sampled_from((0, 1, 10_000, 10**14)) | st.integers(0, 10**7)).map(lambda c: c / 100)


def moments(as_of: date) -> st.SearchStrategy[datetime]:
    """When a version was recorded: mostly before the close, in UTC, of the as-of date."""
    close = datetime.combine(as_of + timedelta(days=1), time.min, tzinfo=UTC)
    return st.sampled_from((-400, -300, -40, -30, -1, 0, 24, 700)).map(
        lambda hours: close + timedelta(hours=hours)
    )


@st.composite
def banks(draw: st.DrawFn, as_of: date) -> Rows:
    """All five tables, in versions; no two rows share a contract's key."""
    near, known_at = days_near(as_of), moments(as_of)
    past = st.dates(date(1950, 1, 1), as_of)

    def versions(entity: Mapping[str, Any], **columns: st.SearchStrategy[Any]) -> list[Any]:
        times = draw(st.lists(known_at, min_size=1, max_size=3, unique=True))
        return [
            {
                **entity,
                **{name: draw(values) for name, values in columns.items()},
                "known_at": moment,
                "is_deleted": draw(st.integers(0, 5)) == 0,
            }
            for moment in times
        ]

    rows: Rows = {
        name: [] for name in ("customers", "loans", "repayments", "financials", "relationships")
    }
    for customer in draw(st.lists(st.sampled_from(CUSTOMERS), min_size=1, unique=True)):
        rows["customers"] += versions(
            {"customer_id": customer, "segment": "consumer"},
            birth_date=maybe(past),
            established_date=maybe(past),
            industry_code=maybe(st.sampled_from(("x", "y"))),
            employed_since=maybe(past),
            resident_since=maybe(past),
            dependents=maybe(st.integers(0, 30)),
            onboarded_at=maybe(past),
        )
        months = draw(st.lists(st.integers(-2, 16), max_size=8, unique=True))
        for back in months:
            month = as_of.year * 12 + as_of.month - back
            first_of_next = date(month // 12, month % 12 + 1, 1)
            rows["financials"] += versions(
                {"customer_id": customer, "period_end": first_of_next - timedelta(days=1)},
                income=maybe(money),
                expense=maybe(money),
                assets=maybe(money),
                liabilities=maybe(money),
                liquid_assets=maybe(money),
            )
    for number in range(draw(st.integers(0, 5))):
        loan = f"L{number}"
        rows["loans"] += versions(
            {"loan_id": loan, "maturity_date": date(2040, 1, 1)},
            customer_id=st.sampled_from(CUSTOMERS),
            product=maybe(st.sampled_from(("car", "house"))),
            principal=money.filter(bool),
            annual_rate_pct=maybe(st.floats(0, 2000)),
            term_months=maybe(st.floats(0.1, 600)),
            originated_at=near,
        )
        for instalment in range(draw(st.integers(0, 5))):
            due_amount = draw(money)
            rows["repayments"] += versions(
                {"loan_id": loan, "instalment_no": instalment + 1, "due_amount": due_amount},
                due_date=near,
                paid_date=maybe(near),
                paid_amount=maybe(st.just(due_amount) | money),
            )
    edges = st.tuples(
        st.sampled_from(CUSTOMERS),
        st.sampled_from(CUSTOMERS),
        st.sampled_from(("guarantor", "group")),
    )
    for one, other, relation in draw(st.lists(edges, max_size=5, unique=True)):
        since, until = draw(maybe(near)), draw(maybe(near))
        if since is not None and until is not None and until < since:
            since, until = until, since
        rows["relationships"] += versions(
            {"customer_id": one, "related_customer_id": other, "relation": relation},
            since=st.just(since),
            until=st.just(until),
        )
    return rows
