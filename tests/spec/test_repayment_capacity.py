"""What the customer earns and owns against what has to be paid, as drawn tables."""

from datetime import date, timedelta

import pytest

from pipeline.business_day import months_after
from tests.spec.conftest import Spec

OWED = """
    loan_id    | due_date   | paid_date  | paid_amount
    -----------+------------+------------+------------
    Paid1      | 2024-06-20 | 2024-06-20 | 100
    Paid1      | 2024-07-20 | 2024-06-20 | 100
    Open1      | 2024-06-20 |            |
    Open1      | 2024-07-20 |            |
    Open2      | 2029-07-20 |            |
    Partly1    | 2024-07-10 | 2024-06-20 | 30
    Over1      | 2024-07-10 | 2024-06-20 | 130
    Post1      | 2024-07-10 | 2024-07-01 | 100
    Undated1   | 2024-07-10 |            | 100
    Edge1      | 2024-06-30 |            |
    Edge1      | 2024-07-01 |            |
    Edge1      | 2024-07-30 |            |
    Edge1      | 2024-07-31 |            |
"""


def test_exposure(spec: Spec) -> None:
    spec(
        "exposure",
        {
            "Paid": 0, "Open": 300, "Partly": 70, "Over": 0, "Post": 100, "Undated": 100,
            "Edge": 400, "Nobody": 0,
        },
        repayments=OWED,
    )  # fmt: skip


def test_due_next_month(spec: Spec) -> None:
    spec(
        "due_next_month",
        {
            "Paid": 0, "Open": 100, "Partly": 70, "Over": 0, "Post": 100, "Undated": 100,
            "Edge": 300, "Nobody": 0,
        },
        repayments=OWED,
    )  # fmt: skip


@pytest.mark.parametrize(
    "as_of",
    [date(2024, 1, 31), date(2024, 2, 29), date(2024, 4, 30), date(2024, 12, 31),
     date(2024, 2, 15), date(2024, 3, 1)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("day", [1, 15, 31])
def test_of_a_monthly_loan_one_instalment_falls_due_in_a_month(
    spec: Spec, as_of: date, day: int
) -> None:
    firsts = [date(2023 + month // 12, month % 12 + 1, 1) for month in range(10, 30)]
    due = [months_after(first, 1) - timedelta(days=1) if day == 31 else first.replace(day=day)
           for first in firsts]  # fmt: skip
    lines = "\n".join(f"A1 | {day} | 100" for day in due)
    repayments = f"loan_id | due_date | due_amount\n---\n{lines}"
    spec("due_next_month", {"A": 100}, as_of, repayments=repayments)


@pytest.mark.parametrize(
    "feature", ["exposure", "due_next_month", "unsecured_share", "collateral_cover"]
)
def test_a_loan_to_be_granted_later_is_no_debt_yet(spec: Spec, feature: str) -> None:
    is_null = feature in {"unsecured_share", "collateral_cover"}
    spec(
        feature,
        {"A": None if is_null else 0},
        customers="customer_id\n---\nA",
        loans="loan_id | customer_id | originated_at\n---\nA1 | A | 2024-07-01",
        repayments="loan_id | due_date | due_amount\n---\nA1 | 2024-07-20 | 100",
    )


LOANS = """
    loan_id | customer_id | originated_at | principal | annual_rate_pct | term_months
    --------+-------------+---------------+-----------+-----------------+------------
    A1      | A           | 2024-06-30    | 300       | 12              | 24
    A2      | A           | 2024-06-29    | 900       | 6               | 12
    A3      | A           | 2024-07-01    | 999       | 99              | 99
    B2      | B           | 2024-01-31    | 200       | 2               | 2
    B1      | B           | 2024-01-31    | 100       | 1               | 0.5
    C1      | C           | 2024-07-01    | 500       | 9               | 9
    D1      | D           | 2024-01-31    | 500       |                 |
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "of_b", "of_d"),
    [
        ("last_principal", 300, 100, 500),
        ("last_to_mean_principal", 300 / 600, 100 / 150, 1),
        ("last_annual_rate_pct", 12, 1, None),
        ("last_term_months", 24, 0.5, None),
    ],
)
def test_the_latest_loan_is_the_last_one_granted_so_far(
    spec: Spec, feature: str, of_a: float, of_b: float, of_d: float | None
) -> None:
    # Of two loans on one day the first by its number is meant; C has none yet.
    expected = {"A": of_a, "B": of_b, "C": None, "D": of_d, "E": None}
    spec(feature, expected, loans=LOANS)


# January is five months before June, December six; July is not over.
FIGURES = """
    customer_id | period_end | income | expense | assets | liabilities | liquid_assets
    ------------+------------+--------+---------+--------+-------------+--------------
    A           | 2023-12-31 | 7000   | 7000    | 1      | 1           | 1
    A           | 2024-01-31 | 100    | 60      | 1      | 1           | 1
    A           | 2024-04-30 | 500    |         | 1      | 1           | 1
    A           | 2024-06-30 | 200    | 120     | 1000   | 250         | 360
    A           | 2024-07-31 | 9000   | 9000    | 9000   | 9000        | 9000
    Zero        | 2024-06-30 | 0      | 0       | 0      | 50          | 50
    Empty       | 2024-06-30 |        |         |        |             |
    Stale       | 2024-05-31 | 80     | 40      | 80     | 160         | 0
    Stale       | 2024-06-30 |        |         |        |             |
    Ahead       | 2024-07-31 | 1      | 1       | 1      | 1           | 1
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "zero", "stale"),
    [
        ("income", (500 + 200) / 2, 0, 80),
        ("leverage", 250 / 1000, None, None),
        ("liquidity_months", 360 / 120, None, None),
        # April's income does not count, for its expense is not known.
        ("expense_to_income_6m", 180 / 300, None, 40 / 80),
    ],
)
def test_figures_of_the_months_so_far(
    spec: Spec, feature: str, of_a: float, zero: float | None, stale: float | None
) -> None:
    expected = {"A": of_a, "Zero": zero, "Empty": None, "Stale": stale, "Ahead": None, "No": None}
    spec(feature, expected, financials=FIGURES)


@pytest.mark.parametrize("as_of", [date(2024, 2, 28), date(2024, 2, 29)], ids=str)
def test_a_month_counts_once_it_is_over(spec: Spec, as_of: date) -> None:
    spec(
        "income",
        {"A": 100 if as_of == date(2024, 2, 28) else 150},
        as_of,
        financials="""
        customer_id | period_end | income
        ------------+------------+-------
        A           | 2024-01-31 | 100
        A           | 2024-02-29 | 200
        """,
    )


def test_income_trend_6m(spec: Spec) -> None:
    # A's December lies six months back; C had no income, D no figures in the months before.
    spec(
        "income_trend_6m",
        {"A": 100 / 200, "B": 1, "C": None, "D": None},
        financials="""
        customer_id | period_end | income
        ------------+------------+-------
        A           | 2023-12-31 | 9000
        A           | 2024-01-31 | 300
        A           | 2024-03-31 | 100
        A           | 2024-04-30 | 150
        A           | 2024-05-31 |
        A           | 2024-06-30 | 50
        B           | 2024-01-31 | 70
        B           | 2024-04-30 | 70
        C           | 2024-01-31 | 0
        C           | 2024-04-30 | 70
        D           | 2024-04-30 | 70
        """,
    )


def test_income_volatility_12m(spec: Spec) -> None:
    # Of 1, 2, 3 the sample deviation is 1; A's first month lies 12 months back.
    spec(
        "income_volatility_12m",
        {"A": 1 / 2, "B": 0, "C": None, "D": None, "E": None, "F": 2**0.5},
        financials="""
        customer_id | period_end | income
        ------------+------------+-------
        A           | 2023-05-31 | 900
        A           | 2023-06-30 | 1
        A           | 2024-01-31 | 2
        A           | 2024-04-30 |
        A           | 2024-05-31 | 3
        B           | 2024-04-30 | 500
        B           | 2024-05-31 | 500
        C           | 2024-05-31 | 500
        D           | 2024-04-30 | 0
        D           | 2024-05-31 | 0
        F           | 2024-04-30 | 0
        F           | 2024-05-31 | 70
        """,
    )


def test_figures_age_months(spec: Spec) -> None:
    spec(
        "figures_age_months",
        {"A": 0, "Zero": 0, "Empty": 0, "Stale": 0, "Ahead": None, "No": None},
        financials=FIGURES,
    )
    figures = "customer_id | period_end | income\n---\nA | 2015-06-30 | 1\nA | 2014-06-30 | 1"
    spec("figures_age_months", {"A": 3288 / (365.25 / 12)}, financials=figures)


def test_the_spread_of_amounts_of_a_trillion_is_no_overflow(spec: Spec) -> None:
    # Twelve months of the contract's highest income and of none, in turn.
    lines = "\n".join(
        f"A | {date(2023 + month // 12, month % 12 + 1, 28)} | {1_000_000_000_000 * (month % 2)}"
        for month in range(6, 18)
    )
    volatility = (12 * 0.5**2 / 11) ** 0.5 / 0.5
    spec(
        "income_volatility_12m",
        {"A": volatility},
        financials=f"customer_id | period_end | income\n---\n{lines}",
    )


def test_a_cent_in_a_trillion_is_seen(spec: Spec) -> None:
    # The contract's highest income. The deviation of 0 and 1 cent is 0.01 / sqrt 2.
    spec(
        "income_volatility_12m",
        {"A": 0.01 / 2**0.5 / (1e12 - 0.005)},
        financials="""
        customer_id | period_end | income
        ------------+------------+----------------
        A           | 2024-04-30 | 1000000000000
        A           | 2024-05-31 | 999999999999.99
        """,
    )


DUE = """
    loan_id | due_date
    --------+-----------
    A1      | 2024-07-15
    A1      | 2024-08-15
    Zero1   | 2024-07-15
    Empty1  | 2024-07-15
    Stale1  | 2024-09-15
"""
ELSEWHERE = """
    customer_id | pulled_at  | debt_elsewhere
    ------------+------------+---------------
    A           | 2024-06-30 | 500
    Stale       | 2024-06-30 |
    Ahead       | 2024-06-30 | 500
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "stale"),
    [
        ("debt_service_to_income", 100 / 350, 0),
        ("exposure_to_income", 200 / 350, 100 / 80),
        ("total_debt_to_income", 700 / 350, 100 / 80),
        ("free_income", 1 - 180 / 300 - 100 / 350, 1 - 40 / 80),
    ],
)
def test_what_is_owed_against_income(spec: Spec, feature: str, of_a: float, stale: float) -> None:
    # Of no income, Zero's, no share is owed: that it is 0 stands in the income itself.
    spec(
        feature,
        {"A": of_a, "Zero": None, "Empty": None, "Stale": stale, "Ahead": None},
        financials=FIGURES,
        repayments=DUE,
        bureau=ELSEWHERE,
    )


def test_without_a_bureau_the_debt_at_the_bank_counts(spec: Spec) -> None:
    spec("total_debt_to_income", {"A": 200 / 350}, financials=FIGURES, repayments=DUE)


def test_more_spent_than_earned_leaves_less_than_nothing(spec: Spec) -> None:
    spec(
        "free_income",
        {"A": 1 - 2 - 100 / 50, "B": 0.5},
        financials="""
        customer_id | period_end | income | expense
        ------------+------------+--------+--------
        A           | 2024-06-30 | 50     | 100
        B           | 2024-06-30 | 50     | 25
        """,
        repayments=DUE,
    )


@pytest.mark.parametrize(
    "feature",
    ["income", "debt_service_to_income", "exposure_to_income", "leverage", "liquidity_months"],
)
def test_without_the_table_financials_its_features_are_null(spec: Spec, feature: str) -> None:
    spec(feature, {"A": None}, repayments=DUE)


# Of Both's loans one has collateral and one has none; what secures the one paid off is free again.
# Line has drawn on one of its two lines, and not on the secured one; a third has ended, a fourth
# begins tomorrow. Over's line has ended and is owed still, Junk's collateral is worthless, Shut's
# limit was cut to nothing.
SECURED = """
    loan_id | customer_id | originated_at | maturity_date | collateral_value | credit_limit
    --------+-------------+---------------+---------------+------------------+-------------
    1       | Car         | 2023-01-31    | 2025-01-31    | 400              |
    2       | Both        | 2023-01-31    | 2025-01-31    | 500              |
    3       | Both        | 2023-01-31    | 2025-01-31    |                  |
    4       | Both        | 2023-01-31    | 2025-01-31    | 9000             |
    5       | Line        | 2023-01-31    | 2025-01-31    |                  | 400
    6       | Line        | 2024-06-30    | 2024-06-30    | 9000             | 100
    7       | Line        | 2023-01-31    | 2024-06-29    |                  | 7000
    8       | Line        | 2024-07-01    | 2025-01-31    |                  | 7000
    9       | Over        | 2023-01-31    | 2024-01-31    |                  | 50
    10      | Junk        | 2023-01-31    | 2025-01-31    | 0                |
    11      | Shut        | 2023-01-31    | 2025-01-31    |                  | 0
    12      | Spent       | 2023-01-31    | 2025-01-31    | 400              |
    13      | New         | 2024-07-01    | 2025-01-31    | 400              |
"""
BALANCES = """
    loan_id | due_date   | due_amount | paid_date  | paid_amount
    --------+------------+------------+------------+------------
    1       | 2024-05-31 | 100        | 2024-05-31 | 50
    1       | 2024-12-31 | 150        |            |
    2       | 2024-12-31 | 300        |            |
    3       | 2024-12-31 | 100        |            |
    4       | 2024-12-31 | 100        | 2024-06-30 | 100
    5       | 2024-12-31 | 100        |            |
    9       | 2024-01-31 | 100        |            |
    10      | 2024-12-31 | 100        |            |
    11      | 2024-12-31 | 100        |            |
    12      | 2024-12-31 | 100        | 2024-06-30 | 100
    13      | 2024-12-31 | 100        |            |
"""


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (
            "collateral_cover",
            {"Car": 2, "Both": 5 / 4, "Line": 0, "Over": 0, "Junk": 0, "Spent": None, "New": None},
        ),
        (
            "loan_to_value",
            {"Car": 1 / 2, "Both": 3 / 5, "Line": None, "Junk": None, "Spent": None, "New": None},
        ),
        (
            "unsecured_share",
            {"Car": 0, "Both": 1 / 4, "Line": 1, "Over": 1, "Junk": 1, "Spent": None, "New": None},
        ),
        (
            "utilisation",
            {"Car": None, "Line": 1 / 5, "Over": 2, "Shut": None, "Spent": None, "Nobody": None},
        ),
    ],
)
def test_what_stands_against_a_debt(
    spec: Spec, feature: str, expected: dict[str, float | None]
) -> None:
    customers = ["Car", "Both", "Line", "Over", "Junk", "Shut", "Spent", "New", "Nobody"]
    spec(
        feature,
        expected,
        customers="customer_id\n---\n" + "\n".join(customers),
        loans=SECURED,
        repayments=BALANCES,
    )


def test_the_highest_amounts_of_the_contract_fit(spec: Spec) -> None:
    highest = "\n".join(f"A1 | {month} | 1000000000000" for month in ("2024-07-31", "2024-08-31"))
    spec(
        "exposure",
        {"A": 2e12},
        date(2024, 6, 30),
        repayments=f"loan_id | due_date | due_amount\n---\n{highest}",
    )
