"""How long and how closely the customer has dealt with the bank, as drawn tables."""

import pytest

from tests.spec.conftest import Spec


def test_tenure_years(spec: Spec) -> None:
    spec(
        "tenure_years",
        {"A": 0, "B": 1461 / 365.25, "C": None, "D": None},
        customers="""
        customer_id | onboarded_at
        ------------+-------------
        A           | 2024-06-30
        B           | 2020-06-30
        C           |
        D           | 2024-07-01
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
    spec("loans_taken", {"A": 3, "B": 1, "C": 0, "D": 0}, loans=LOANS)


def test_products_held(spec: Spec) -> None:
    # A's car loans are one product, the house is paid off, the line runs though nothing is owed on
    # it, and the boat is to come; B's loan has no product's name.
    spec(
        "products_held",
        {"A": 2, "B": 0, "C": 0, "D": 0},
        customers="customer_id\n---\nA\nB\nC\nD",
        loans="""
        loan_id | customer_id | product | originated_at | maturity_date | credit_limit
        --------+-------------+---------+---------------+---------------+-------------
        A1      | A           | car     | 2020-01-31    | 2024-01-31    |
        A2      | A           | car     | 2024-06-30    | 2025-06-30    |
        A3      | A           | house   | 2024-01-31    | 2044-01-31    |
        A4      | A           | line    | 2024-01-31    | 2024-06-30    | 100
        A5      | A           | boat    | 2024-07-01    | 2025-01-31    |
        B1      | B           |         | 2024-01-01    | 2025-01-31    |
        C1      | C           | line    | 2023-01-31    | 2024-06-29    | 100
        """,
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-01-31 |
        A2      | 2025-01-31 |
        A3      | 2044-01-31 | 2024-05-31
        A5      | 2025-01-31 |
        B1      | 2025-01-31 |
        """,
    )


# 2024-03-31 is 91 days back and 2023-07-01 is 365. 2023-12-30 is 183, and Young's first contact a
# day later. Gone's complaint was withdrawn.
CONTACTS = """
    customer_id | interaction_id | occurred_at | kind      | sentiment | satisfaction | is_deleted
    ------------+----------------+-------------+-----------+-----------+--------------+-----------
    A           | a1             | 2023-06-30  | complaint | -1        | 1            | no
    A           | a2             | 2023-07-01  | complaint | -0.5      |              | no
    A           | a3             | 2023-12-30  | call      | 0.5       | 5            | no
    A           | a4             | 2024-03-30  | hardship  | -0.75     |              | no
    A           | a5             | 2024-03-31  | complaint | -1        |              | no
    A           | a6             | 2024-05-01  | advice    |           | 2            | no
    A           | a7             | 2024-05-11  | survey    |           |              | no
    A           | a8             | 2024-06-20  | app_login |           |              | no
    A           | a9             | 2024-07-01  | complaint | -1        | 1            | no
    Logins      | l1             | 2023-12-30  | app_login |           |              | no
    Logins      | l2             | 2024-03-30  | app_login |           |              | no
    Logins      | l3             | 2024-03-31  | app_login |           |              | no
    Logins      | l4             | 2024-04-15  | app_login |           |              | no
    Logins      | l5             | 2024-06-30  | app_login |           |              | no
    Young       | y1             | 2023-12-31  | call      | 0.25      | 3            | no
    Young       | y2             | 2024-06-10  | call      | 0.75      | 4            | no
    Young       | y3             | 2024-06-10  | survey    |           | 2            | no
    Gone        | g1             | 2024-06-10  | complaint | -1        | 1            | yes
    Old         | o1             | 2023-06-30  | hardship  | -1        | 1            | no
"""
NONE = {"Gone": None, "Old": None}
NOUGHT = {"Gone": 0, "Old": 0}


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("contacts_12m", {"A": 6, "Logins": 0, "Young": 3, **NOUGHT}),
        ("contacts_trend", {"A": (3 / 92) / (3 / 274), "Logins": None, "Young": None, **NONE}),
        ("logins_3m", {"A": 1, "Logins": 3, "Young": 0, **NOUGHT}),
        ("logins_trend", {"A": None, "Logins": (3 / 92) / (2 / 92), "Young": None, **NONE}),
        ("mean_sentiment_12m", {"A": -1.75 / 4, "Logins": None, "Young": 0.5, **NONE}),
        ("sentiment_trend", {"A": -1 + 0.25, "Logins": None, "Young": 0.5, **NONE}),
        ("complaints_3m", {"A": 1, "Logins": 0, "Young": 0, **NOUGHT}),
        ("complaints_12m", {"A": 2, "Logins": 0, "Young": 0, **NOUGHT}),
        ("hardship_calls_12m", {"A": 1, "Logins": 0, "Young": 0, **NOUGHT}),
        ("advice_12m", {"A": 1, "Logins": 0, "Young": 0, **NOUGHT}),
        ("last_satisfaction", {"A": 2, "Logins": None, "Young": 4, **NONE}),
        ("mean_satisfaction_12m", {"A": 3.5, "Logins": None, "Young": 3, **NONE}),
        ("days_since_last_contact", {"A": 50, "Logins": None, "Young": 20, **NONE}),
        ("days_since_last_login", {"A": 10, "Logins": 0, "Young": None, **NONE}),
    ],
)
def test_contacts_of_the_last_year(
    spec: Spec, feature: str, expected: dict[str, float | None]
) -> None:
    spec(feature, expected, interactions=CONTACTS)
    # A bank that keeps no record of contacts says nothing of them, not even that there were none.
    spec(feature, {"A": None, "B": None, "C": None, "D": None}, loans=LOANS)


def test_of_marks_given_one_after_the_other_the_last_counts_to_the_second(spec: Spec) -> None:
    # In one second there is no last one: the best is meant. The second row of c1 corrects it.
    spec(
        "last_satisfaction",
        {"A": 1, "B": 4, "C": 2},
        interactions="""
        customer_id | interaction_id | occurred_at            | satisfaction | known_at
        ------------+----------------+------------------------+--------------+-----------------------
        A           | a1             | 2024-06-10T10:00:00Z   | 5            | 2024-06-10T12:00:00Z
        A           | a2             | 2024-06-10T10:00:01Z   | 1            | 2024-06-10T12:00:00Z
        B           | b1             | 2024-06-10T10:00:00.9Z | 3            | 2024-06-10T12:00:00Z
        B           | b2             | 2024-06-10T10:00:00Z   | 4            | 2024-06-10T12:00:00Z
        C           | c1             | 2024-06-10T10:00:00Z   | 5            | 2024-06-10T12:00:00Z
        C           | c1             | 2024-06-10T10:00:00Z   | 2            | 2024-06-10T12:00:01Z
        """,
    )
