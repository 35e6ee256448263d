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
EDGES_DAYS = (
    -731, -730, -366, -365, -183, -182, -92, -91, -90, -31, -30, -1, 0, 1, 29, 30, 31, 90,
)  # fmt: skip
EDGES_DAYS_LATE = (
    -31, -30, -29, -6, -5, -4, -1, 0, 0, 0, 1, 9, 10, 11, 29, 30, 31, 59, 60, 89, 90, 91,
)  # fmt: skip
EDGES_DAYS_BETWEEN_REPORTS = (1, 90, 364, 365, 366)
KNOWN_HOURS_AFTER_CLOSE = (-400, -300, -40, -30, -1, 0, 24, 700)
EDGES_CENTS = (0, 1, 10_000, 10**14)
SIGNALS = ("utilities", "court", "public_reputation", "employment", "online_spending")
EDGES_DAYS_ASSESSED = (-732, -731, -730, -274, -273, -272, -2, -1, 0, 1)
EDGES_DAYS_BEGUN = (763, 762, 761, 731, 730, 729, 698, 64, 63, 32, 31, 0, -1)
BOOKING_CHANNELS = ("branch", "atm", "card", "online", "mobile", "transfer")
CATEGORIES = (
    "salary", "salary", "revenue", "gambling", "cash", "leisure", "leisure", "loan", "rent",
)  # fmt: skip
CONTACT_KINDS = (
    "call", "visit", "complaint", "survey", "app_login", "app_login", "advice", "hardship",
)  # fmt: skip
CONTACT_CHANNELS = ("branch", "phone", "mobile", "visit")
RELATIONS = ("guarantor", "group", "family")
INDUSTRIES = "xyz"


def banks(as_of: date, most_customers: int = 12) -> st.SearchStrategy[Rows]:
    """All tables, in versions; no two rows share a contract's key."""
    return st.builds(
        lambda customers, seed: _Maker(as_of, Random(seed)).bank(customers),
        st.integers(1, most_customers),
        st.integers(0, 2**32),
    )


class _Maker:
    def __init__(self, as_of: date, random: Random) -> None:
        self.as_of, self.random = as_of, random
        self.close = datetime.combine(as_of + timedelta(days=1), time.min, tzinfo=UTC)
        self.maturity_of: dict[str, date] = {}

    def bank(self, size: int) -> Rows:
        customers = [f"C{number}" for number in range(size)]
        loans = [f"L{number}" for number in range(2 * size)]
        return {
            "customers": [row for c in customers for row in self.customer(c)],
            "loans": [row for loan in loans for row in self.loan(loan, customers)],
            "repayments": [row for loan in loans for row in self.schedule(loan)],
            "financials": [row for c in customers for row in self.figures(c)],
            "bureau": [row for c in customers for row in self.reports(c)],
            "defaults": [row for c in customers for row in self.default_events(c)],
            "external_signals": [row for c in customers for row in self.signals(c)],
            "transactions": [row for c in customers for row in self.bookings(c)],
            "interactions": [row for c in customers for row in self.contacts(c)],
            "relationships": self.edges(customers),
            "assessments": [row for c in customers for row in self.assessments(c)],
            "industry_outlook": [row for code in INDUSTRIES for row in self.outlook(code)],
        }

    def customer(self, customer: str) -> list[Row]:
        return self.versions(
            {"customer_id": customer},
            segment=lambda: self.random.choice(("consumer", "sme")),
            birth_date=self.maybe(self.past),
            established_date=self.maybe(self.past),
            industry_code=self.maybe(lambda: self.random.choice(INDUSTRIES)),
            region=self.maybe(lambda: self.random.choice(("north", "south"))),
            employed_since=self.maybe(self.began),
            resident_since=self.maybe(self.began),
            dependents=self.maybe(lambda: self.random.randint(0, 30)),
            onboarded_at=self.maybe(self.past),
        )

    def loan(self, loan: str, customers: list[str]) -> list[Row]:
        maturity = self.maturity_of[loan] = self.near()
        return self.versions(
            {"loan_id": loan, "maturity_date": maturity},
            customer_id=lambda: self.random.choice(customers),
            product=self.maybe(lambda: self.random.choice(("car", "house"))),
            principal=lambda: self.money() + 0.01,
            annual_rate_pct=self.maybe(lambda: self.random.uniform(0, 2000)),
            term_months=self.maybe(lambda: self.random.uniform(0.1, 600)),
            originated_at=lambda: min(self.near(), maturity),
            collateral_value=lambda: self.random.choice((None, 0.0, self.money())),
            credit_limit=lambda: self.random.choice((None, None, self.money())),
        )

    def schedule(self, loan: str) -> list[Row]:
        rows = []
        for number in range(1, self.random.randint(0, 7)):
            due_date, due_amount = self.near(), self.money()
            if self.random.random() < 0.2:
                due_date = self.maturity_of[loan]
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
            amounts = ("income", "expense", "assets", "liabilities", "liquid_assets")
            rows += self.versions(
                {"customer_id": customer, "period_end": self.month_end(back)},
                **{name: self.maybe(self.money) for name in amounts},
            )
        return rows

    def reports(self, customer: str) -> list[Row]:
        rows = []
        pulled_at = self.as_of + timedelta(days=self.random.choice((1, 0, 0, -1, -200)))
        for _ in range(self.random.choice((0, 1, 3, 4))):
            rows += self.versions(
                {"customer_id": customer, "pulled_at": pulled_at},
                external_score=self.maybe(lambda: self.random.choice((0, 600, 601, 1000))),
                inquiries_3m=self.maybe(lambda: self.random.randint(0, 1000)),
                open_loans_elsewhere=self.maybe(lambda: self.random.randint(0, 1000)),
            )
            pulled_at -= timedelta(days=self.random.choice(EDGES_DAYS_BETWEEN_REPORTS))
        for row in rows:
            debt, overdue = self.maybe(self.money)(), self.maybe(self.money)()
            if debt is not None and overdue is not None:
                debt, overdue = max(debt, overdue), min(debt, overdue)
            row |= {"debt_elsewhere": debt, "overdue_elsewhere": overdue}
        return rows

    def default_events(self, customer: str) -> list[Row]:
        days = {self.near() for _ in range(self.random.choice((0, 1, 3)))}
        kinds = ("past_due", "bankruptcy", "restructuring", "write_off")
        return [
            row
            for day in sorted(days)
            for row in self.versions(
                {"customer_id": customer, "default_date": day},
                kind=partial(self.random.choice, kinds),
            )
        ]

    def signals(self, customer: str) -> list[Row]:
        rows = []
        for number in range(self.random.randint(0, 12)):
            versions = self.versions(
                {
                    "signal_id": f"{customer}-{number}",
                    "customer_id": customer,
                    "kind": self.random.choice(SIGNALS),
                    "provider": "P",
                    "consent": True,
                },
                value=self.maybe(lambda: self.random.randint(-100, 100) / 100),
            )
            # Nothing is known before it was observed.
            seen = min(self.moment(), *(row["known_at"] for row in versions), self.close)
            rows += [row | {"observed_at": seen} for row in versions]
        return rows

    def bookings(self, customer: str) -> list[Row]:
        rows = []
        for number in range(self.random.choice((0, 1, 20, 40))):
            versions = self.versions(
                {"transaction_id": f"T{customer}-{number}", "customer_id": customer},
                amount=self.signed,
                channel=self.maybe(partial(self.random.choice, BOOKING_CHANNELS)),
                category=self.maybe(partial(self.random.choice, CATEGORIES)),
                balance_after=self.maybe(self.signed),
            )
            posted_at = self.by_then(versions)
            rows += [row | {"posted_at": posted_at} for row in versions]
        return rows

    def contacts(self, customer: str) -> list[Row]:
        rows = []
        for number in range(self.random.choice((0, 1, 10, 20))):
            versions = self.versions(
                {"interaction_id": f"I{customer}-{number}", "customer_id": customer},
                kind=partial(self.random.choice, CONTACT_KINDS),
                channel=self.maybe(partial(self.random.choice, CONTACT_CHANNELS)),
                sentiment=self.maybe(partial(self.figure, -1, 1)),
                satisfaction=self.maybe(partial(self.random.randint, 1, 5)),
            )
            occurred_at = self.by_then(versions)
            rows += [row | {"occurred_at": occurred_at} for row in versions]
        return rows

    def edges(self, customers: list[str]) -> list[Row]:
        rows = []
        ends = {
            (self.random.choice(customers), self.random.choice(customers), relation)
            for relation in RELATIONS
            for _ in range(self.random.randint(0, len(customers)))
        }
        for one, other, relation in sorted(ends):
            # Most hold today, or there would be hardly a second step.
            since, until = (
                self.near() if self.random.random() < 0.4 else None for _ in ("since", "until")
            )
            if since is not None and until is not None and until < since:
                since, until = until, since
            rows += self.versions(
                {"customer_id": one, "related_customer_id": other, "relation": relation,
                 "since": since, "until": until}
            )  # fmt: skip
        return rows

    def outlook(self, industry_code: str) -> list[Row]:
        rows = []
        for back in self.random.sample(range(-1, 20), self.random.randint(5, 21)):
            rows += self.versions(
                {"industry_code": industry_code, "month": self.month_end(back)},
                outlook_index=self.maybe(partial(self.figure, 0, 200)),
                industry_default_rate_pct=self.maybe(partial(self.figure, 0, 20)),
                gdp_growth_pct=self.maybe(partial(self.figure, -9, 9)),
                unemployment_pct=self.maybe(partial(self.figure, 0, 20)),
                policy_rate_pct=self.maybe(partial(self.figure, -1, 9)),
            )
        return rows

    def assessments(self, customer: str) -> list[Row]:
        mark = partial(self.random.randint, 1, 5)
        rows = []
        for number in range(self.random.randint(0, 4)):
            day = self.as_of + timedelta(days=self.random.choice(EDGES_DAYS_ASSESSED))
            rows += self.versions(
                {
                    "assessment_id": f"A{customer}{number}",
                    "customer_id": customer,
                    "assessed_at": day,
                },
                management_quality=self.maybe(mark),
                market_reputation=self.maybe(mark),
                industry_position=self.maybe(mark),
            )
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

    def moment(self) -> datetime:
        """A day on the edge of some window, at its first moment or just before."""
        day = timedelta(days=self.random.choice(EDGES_DAYS))
        return self.close + day - timedelta(microseconds=self.random.choice((0, 1)))

    def by_then(self, versions: list[Row]) -> datetime:
        """An instant of the last 13 months or so, before anything was known of it."""
        seen = self.moment()
        if self.random.random() < 0.5:
            seen = self.close - timedelta(minutes=self.random.randint(0, 400 * 24 * 60))
        known: list[datetime] = [row["known_at"] for row in versions]
        return min(seen, *known, self.close)

    def began(self) -> date:
        """The first day of a job or a home, often a month from another one's."""
        if self.random.random() < 0.3:
            return self.past()
        return self.as_of - timedelta(days=self.random.choice(EDGES_DAYS_BEGUN))

    def signed(self) -> float:
        return self.random.choice((-1, 1)) * self.money()

    def near(self) -> date:
        if self.random.random() < 0.5:
            return self.as_of + timedelta(days=self.random.choice(EDGES_DAYS))
        return self.as_of + timedelta(days=self.random.randint(-800, 200))

    def past(self) -> date:
        return self.as_of - timedelta(days=self.random.randint(0, 25_000))

    def month_end(self, months_back: int) -> date:
        month = self.as_of.year * 12 + self.as_of.month - months_back
        return date(month // 12, month % 12 + 1, 1) - timedelta(days=1)

    def figure(self, least: float, most: float) -> float:
        return round(self.random.uniform(least, most), 2)

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
