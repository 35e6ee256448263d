"""How settled the customer's life or business is, as drawn tables."""

from datetime import date

import pytest

from tests.spec.conftest import Spec


def test_age_years_is_the_persons_or_the_firms(spec: Spec) -> None:
    spec(
        "age_years",
        {"A": 10957 / 365.25, "B": 4, "C": None, "D": 4},
        as_of=date(2024, 2, 29),
        customers="""
        customer_id | segment   | birth_date | established_date
        ------------+-----------+------------+-----------------
        A           | consumer  | 1994-03-01 |
        B           | sme       |            | 2020-02-29
        C           | corporate |            |
        D           | consumer  | 2020-02-29 | 1900-01-01
        """,
    )


@pytest.mark.parametrize(
    ("feature", "column"),
    [("employed_years", "employed_since"), ("resident_years", "resident_since")],
)
def test_years_since(spec: Spec, feature: str, column: str) -> None:
    spec(
        feature,
        {"A": 0, "B": 366 / 365.25, "C": None},
        customers=f"""
        customer_id | {column}
        ------------+------------
        A           | 2024-06-30
        B           | 2023-06-30
        C           |
        """,
    )


def test_dependents(spec: Spec) -> None:
    spec(
        "dependents",
        {"A": 0, "B": 30, "C": None},
        customers="""
        customer_id | dependents
        ------------+-----------
        A           | 0
        B           | 30
        C           |
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
