"""Small banks, every row of which keeps its contract, with much on the edge of some window.

Hypothesis draws a bank's size and seed, and looks for the smallest bank that fails. It does not
draw each cell: that would take longer than all else, for banks too small to meet many edges.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from random import Random
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Draw = Callable[[], Any]

# A leap day, a year's end, the middle of a month.
AS_OF_DATES = (date(2024, 2, 29), date(2023, 12, 31), date(2024, 6, 15))
EDGES_DAYS = (-366, -365, -183, -182, -92, -91, -90, -31, -30, -1, 0, 1, 29, 30, 31, 90)
EDGES_DAYS_LATE = (-6, -5, -4, -1, 0, 0, 0, 1, 9, 10, 11, 30, 31, 89, 90, 91)
KNOWN_HOURS_AFTER_CLOSE = (-400, -300, -40, -30, -1, 0, 24, 700)
EDGES_CENTS = (0, 1, 10_000, 10**14)
RELATIONS = ("guarantor", "group")


def banks(as_of: date) -> st.SearchStrategy[Rows]:
    """All five tables, in versions; no two rows share a contract's key."""
    return st.builds(
        lambda customers, seed: _Maker(as_of, Random(seed)).bank(customers),
        st.integers(1, 12),
        st.integers(0, 2**32),
    )


class _Maker:
    def __init__(self, as_of: date, random: Random) -> None:
        self.as_of, self.random = as_of, random
        self.close = datetime.combine(as_of + timedelta(days=1), time.min, tzinfo=UTC)

    def bank(self, size: int) -> Rows:
        customers = [f"C{number}" for number in range(size)]
        loans = [f"L{number}" for number in range(2 * size)]
        return {
            "customers": [row for c in customers for row in self.customer(c)],
            "loans": [row for loan in loans for row in self.loan(loan, customers)],
            "repayments": [row for loan in loans for row in self.schedule(loan)],
            "financials": [row for c in customers for row in self.figures(c)],
            "relationships": self.edges(customers),
        }

    def customer(self, customer: str) -> list[Row]:
        return self.versions(
            {"customer_id": customer, "segment": "consumer"},
            birth_date=self.maybe(self.past),
            established_date=self.maybe(self.past),
            industry_code=self.maybe(lambda: self.random.choice("xyz")),
            employed_since=self.maybe(self.past),
            resident_since=self.maybe(self.past),
            dependents=self.maybe(lambda: self.random.randint(0, 30)),
            onboarded_at=self.maybe(self.past),
        )

    def loan(self, loan: str, customers: list[str]) -> list[Row]:
        return self.versions(
            {"loan_id": loan, "maturity_date": date(2040, 1, 1)},
            customer_id=lambda: self.random.choice(customers),
            product=self.maybe(lambda: self.random.choice(("car", "house"))),
            principal=lambda: self.money() + 0.01,
            annual_rate_pct=self.maybe(lambda: self.random.uniform(0, 2000)),
            term_months=self.maybe(lambda: self.random.uniform(0.1, 600)),
            originated_at=self.near,
        )

    def schedule(self, loan: str) -> list[Row]:
        rows = []
        for number in range(1, self.random.randint(0, 7)):
            due_date, due_amount = self.near(), self.money()
            rows += self.versions(
                {
                    "loan_id": loan,
                    "instalment_no": number,
                    "due_date": due_date,
                    "due_amount": due_amount,
                },
                paid_date=self.maybe(partial(self.paid_on, due_date)),
                paid_amount=self.maybe(partial(self.paid, due_amount)),
            )
        return rows

    def figures(self, customer: str) -> list[Row]:
        rows = []
        for back in self.random.sample(range(-2, 17), self.random.randint(0, 19)):
            month = self.as_of.year * 12 + self.as_of.month - back
            month_end = date(month // 12, month % 12 + 1, 1) - timedelta(days=1)
            amounts = ("income", "expense", "assets", "liabilities", "liquid_assets")
            rows += self.versions(
                {"customer_id": customer, "period_end": month_end},
                **{name: self.maybe(self.money) for name in amounts},
            )
        return rows

    def edges(self, customers: list[str]) -> list[Row]:
        rows = []
        ends = {
            (self.random.choice(customers), self.random.choice(customers), relation)
            for relation in RELATIONS
            for _ in customers
        }
        for one, other, relation in sorted(ends):
            since, until = self.maybe(self.near)(), self.maybe(self.near)()
            if since is not None and until is not None and until < since:
                since, until = until, since
            rows += self.versions(
                {"customer_id": one, "related_customer_id": other, "relation": relation,
                 "since": since, "until": until}
            )  # fmt: skip
        return rows

    def versions(self, entity: Row, **columns: Draw) -> list[Row]:
        """One to three versions, each with columns of its own and recorded at its own time."""
        times = self.random.sample(KNOWN_HOURS_AFTER_CLOSE, self.random.choice((1, 1, 2, 3)))
        return [
            {
                **entity,
                **{name: draw() for name, draw in columns.items()},
                "known_at": self.close + timedelta(hours=hours),
                "is_deleted": self.random.random() < 0.1,
            }
            for hours in times
        ]

    def near(self) -> date:
        if self.random.random() < 0.5:
            return self.as_of + timedelta(days=self.random.choice(EDGES_DAYS))
        return self.as_of + timedelta(days=self.random.randint(-500, 200))

    def past(self) -> date:
        return self.as_of - timedelta(days=self.random.randint(0, 25_000))

    def money(self) -> float:
        # In cents, for nobody's books hold a fraction of one.
        cents = self.random.choice((*EDGES_CENTS, *(self.random.randrange(10**7),) * 8))
        return min(cents, 10**14 - 1) / 100

    def paid_on(self, due_date: date) -> date:
        if self.random.random() < 0.1:
            return self.near()
        return due_date + timedelta(days=self.random.choice(EDGES_DAYS_LATE))

    def paid(self, due_amount: float) -> float:
        return self.money() if self.random.random() < 0.1 else due_amount

    def maybe(self, draw: Draw) -> Draw:
        return lambda: None if self.random.random() < 0.1 else draw()
