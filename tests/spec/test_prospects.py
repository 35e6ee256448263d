"""Where the customer's income and industry are heading, as drawn tables."""

from datetime import date

from tests.spec.conftest import Spec


def test_industry_late_share_12m(spec: Spec) -> None:
    # Over 30 days late, of those due from 2023-07-01 on: B's first and D's. C has no industry.
    spec(
        "industry_late_share_12m",
        {"A": 1 / 4, "B": 1 / 4, "C": None, "D": 1, "E": 1, "F": None},
        customers="""
        customer_id | industry_code
        ------------+--------------
        A           | retail
        B           | retail
        C           |
        D           | steel
        E           | steel
        F           | farming
        """,
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2023-06-30 |
        A1      | 2023-07-01 | 2023-07-31
        A1      | 2024-06-30 |
        A1      | 2024-07-01 | 2024-06-01
        B1      | 2024-01-01 | 2024-02-01
        B1      | 2024-06-01 | 2024-06-01
        C1      | 2024-01-01 |
        D1      | 2024-05-30 |
        """,
    )


def test_income_growth_12m(spec: Spec) -> None:
    # A: April to June against April to June. B lacks two of the months: a gap shifts nothing.
    spec(
        "income_growth_12m",
        {"A": 200 / 100, "B": 300 / 60, "C": None, "D": None, "E": None},
        financials="""
        customer_id | period_end | income
        ------------+------------+-------
        A           | 2023-03-31 | 9000
        A           | 2023-04-30 | 50
        A           | 2023-05-31 | 100
        A           | 2023-06-30 | 150
        A           | 2023-07-31 | 9000
        A           | 2024-03-31 | 9000
        A           | 2024-04-30 | 100
        A           | 2024-05-31 | 200
        A           | 2024-06-30 | 300
        B           | 2023-03-31 | 9000
        B           | 2023-05-31 | 60
        B           | 2023-07-31 | 9000
        B           | 2024-06-30 | 300
        C           | 2024-06-30 | 300
        D           | 2023-06-30 | 0
        D           | 2024-06-30 | 300
        """,
    )


def test_asset_growth_12m_on_month_ends_of_a_leap_year(spec: Spec) -> None:
    spec(
        "asset_growth_12m",
        {"A": 3, "B": None, "C": None},
        date(2024, 2, 29),
        financials="""
        customer_id | period_end | assets
        ------------+------------+-------
        A           | 2023-01-31 | 1
        A           | 2023-02-28 | 100
        A           | 2023-03-31 | 1
        A           | 2024-02-29 | 300
        A           | 2024-03-31 | 1
        B           | 2023-02-28 | 0
        B           | 2024-02-29 | 300
        C           | 2023-01-31 | 100
        C           | 2024-02-29 | 300
        """,
    )
