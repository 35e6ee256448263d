"""What the customer earns and owns against what has to be paid, as drawn tables."""

from datetime import date

import pytest

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
            "Edge": 400, "Nobody": None,
        },
        repayments=OWED,
    )  # fmt: skip


def test_due_next_30d(spec: Spec) -> None:
    spec(
        "due_next_30d",
        {
            "Paid": 0, "Open": 100, "Partly": 70, "Over": 0, "Post": 100, "Undated": 100,
            "Edge": 200, "Nobody": None,
        },
        repayments=OWED,
    )  # fmt: skip


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


FIGURES = """
    customer_id | period_end | income | expense | assets | liabilities | liquid_assets
    ------------+------------+--------+---------+--------+-------------+--------------
    A           | 2023-12-31 | 7000   | 7000    | 1      | 1           | 1
    A           | 2024-01-31 | 100    | 60      | 1      | 1           | 1
    A           | 2024-06-30 | 200    | 120     | 1000   | 250         | 360
    A           | 2024-07-31 | 9000   | 9000    | 9000   | 9000        | 9000
    Zero        | 2024-06-30 | 0      | 0       | 0      | 50          | 50
    Empty       | 2024-06-30 |        |         |        |             |
    Stale       | 2024-05-31 | 80     | 40      | 80     | 160         | 0
    Stale       | 2024-06-30 |        |         |        |             |
    Ahead       | 2024-07-31 | 1      | 1       | 1      | 1           | 1
"""
DUE = """
    loan_id | due_date
    --------+-----------
    A1      | 2024-07-15
    Zero1   | 2024-07-15
    Empty1  | 2024-07-15
    Stale1  | 2024-09-15
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "zero", "stale"),
    [
        ("income", 200, 0, None),
        ("debt_service_to_income", 100 / 150, None, 0),
        ("leverage", 250 / 1000, None, None),
        ("liquidity_months", 360 / 120, None, None),
        ("expense_to_income_6m", 180 / 300, None, 40 / 80),
    ],
)
def test_figures_of_the_months_so_far(
    spec: Spec, feature: str, of_a: float, zero: float | None, stale: float | None
) -> None:
    # January is five months before June, December six; July is not over.
    expected = {"A": of_a, "Zero": zero, "Empty": None, "Stale": stale, "Ahead": None, "No": None}
    spec(feature, expected, financials=FIGURES, repayments=DUE)


def test_without_the_table_financials_its_features_are_null(spec: Spec) -> None:
    for feature in ("income", "debt_service_to_income", "leverage", "liquidity_months"):
        spec(feature, {"A": None}, repayments=DUE)


def test_the_highest_amounts_of_the_contract_fit(spec: Spec) -> None:
    highest = "\n".join(f"A1 | {month} | 1000000000000" for month in ("2024-07-31", "2024-08-31"))
    spec(
        "exposure",
        {"A": 2e12},
        date(2024, 6, 30),
        repayments=f"loan_id | due_date | due_amount\n---\n{highest}",
    )
