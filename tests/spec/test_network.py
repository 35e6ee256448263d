"""Who stands behind the customer, and how they fare, as drawn tables."""

import pytest

from tests.spec.conftest import Spec

EDGES = """
    customer_id | related_customer_id | relation  | since      | until
    ------------+---------------------+-----------+------------+-----------
    A           | B                   | guarantor |            |
    A           | B                   | family    |            |
    B           | A                   | supplier  |            |
    A           | C                   | group     | 2024-06-30 | 2024-06-30
    A           | E                   | group     | 2024-07-01 |
    A           | F                   | group     |            | 2024-06-29
    A           | A                   | group     |            |
    G           | G                   | group     |            |
    A           | Stranger            | referral  |            |
"""
PAID = """
    loan_id | due_date   | paid_date
    --------+------------+-----------
    A1      | 2024-01-31 |
    B1      | 2024-06-20 |
    B1      | 2024-06-10 | 2024-06-14
    B1      | 2024-05-10 | 2024-05-11
    C1      | 2024-06-15 | 2024-06-20
    C1      | 2024-07-15 |
    E1      | 2024-01-31 |
    F1      | 2024-01-31 |
    G1      | 2024-01-31 |
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "of_b"),
    [
        ("related_customers", 3, 1),
        ("related_days_past_due", 10, 151),
        # B's 10, 4 and 1, and C's 5: each instalment counts once.
        ("related_mean_days_late_12m", 20 / 4, 151),
        ("related_exposure", 200, 100),
    ],
)
def test_edges_that_hold_are_seen_from_both_ends_and_once(
    spec: Spec, feature: str, of_a: float, of_b: float
) -> None:
    # E's edge has not begun, F's has ended, G is tied to nobody else; D has no edge.
    alone = dict.fromkeys("DEFG")
    spec(feature, {"A": of_a, "B": of_b, "C": of_b} | alone, relationships=EDGES, repayments=PAID)


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("related_customers", 1),
        ("related_days_past_due", None),
        ("related_mean_days_late_12m", None),
        ("related_exposure", None),
    ],
)
def test_a_neighbour_without_loans_shows_nothing(
    spec: Spec, feature: str, value: float | None
) -> None:
    edge = "customer_id | related_customer_id\n---\nA | B"
    spec(feature, {"A": value, "B": value}, relationships=edge)


def test_a_neighbour_whose_loans_are_not_due_yet(spec: Spec) -> None:
    drawn = {
        "relationships": "customer_id | related_customer_id\n---\nA | B",
        "repayments": "loan_id | due_date\n---\nB1 | 2024-07-01",
    }
    spec("related_days_past_due", {"A": 0}, **drawn)
    spec("related_mean_days_late_12m", {"A": None}, **drawn)
    spec("related_exposure", {"A": 100}, **drawn)


def test_without_the_table_relationships_its_features_are_null(spec: Spec) -> None:
    for feature in (
        "related_customers",
        "related_days_past_due",
        "related_mean_days_late_12m",
        "related_exposure",
    ):
        spec(feature, {"A": None, "B": None}, repayments=PAID)
