"""How long and how closely the customer has dealt with the bank, as drawn tables."""

from tests.spec.conftest import Spec


def test_tenure_years(spec: Spec) -> None:
    spec(
        "tenure_years",
        {"A": 0, "B": 1461 / 365.25, "C": None},
        customers="""
        customer_id | onboarded_at
        ------------+-------------
        A           | 2024-06-30
        B           | 2020-06-30
        C           |
        """,
    )


LOANS = """
    loan_id | customer_id | product | originated_at
    --------+-------------+---------+--------------
    A1      | A           | car     | 2020-01-31
    A2      | A           | car     | 2024-06-30
    A3      | A           | house   | 2024-06-30
    A4      | A           | boat    | 2024-07-01
    B1      | B           |         | 2024-01-01
    C1      | C           | car     | 2024-07-01
"""


def test_loans_taken(spec: Spec) -> None:
    spec("loans_taken", {"A": 3, "B": 1, "C": None, "D": None}, loans=LOANS)


def test_products_held(spec: Spec) -> None:
    spec("products_held", {"A": 2, "B": 0, "C": None, "D": None}, loans=LOANS)
