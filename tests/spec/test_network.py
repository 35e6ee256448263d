"""Who stands behind the customer, and how they fare, as drawn tables."""

import pytest

from tests.spec.conftest import Spec

# B stands in for A. E's tie has not begun, F's has ended, and one to oneself is none.
TIES = """
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
"""
PAID = """
    loan_id | due_date   | paid_date  | due_amount
    --------+------------+------------+-----------
    A1      | 2024-01-31 |            | 100
    B1      | 2024-06-20 |            | 40
    B1      | 2024-06-10 | 2024-06-14 | 100
    B1      | 2023-06-30 | 2024-06-29 | 100
    C1      | 2024-01-15 | 2024-02-15 | 100
    C1      | 2024-07-15 |            | 300
    E1      | 2024-01-31 |            | 100
    F1      | 2024-01-31 |            | 100
    G1      | 2024-01-31 |            | 100
"""
COUNTED = (
    "related_customers", "guarantors", "guaranteed_customers", "group_members",
    "related_days_past_due", "guarantor_days_past_due", "guaranteed_days_past_due",
    "group_days_past_due", "related_exposure", "guaranteed_exposure",
)  # fmt: skip
TOLD_BY_OTHERS = (
    "related_late_share_12m", "guarantor_external_score", "group_external_score",
    "related_external_score", "related_overdue_elsewhere", "distressed_share_1_step",
    "distressed_share_2_steps", "group_exposure", "group_concentration",
)  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "of_a", "of_b", "of_c"),
    [
        ("related_customers", 2, 1, 1),
        ("guarantors", 1, 0, 0),
        ("guaranteed_customers", 0, 1, 0),
        ("group_members", 1, 0, 1),
        ("related_days_past_due", 10, 151, 151),
        ("guarantor_days_past_due", 10, 0, 0),
        ("guaranteed_days_past_due", 0, 151, 0),
        ("group_days_past_due", 0, 0, 151),
        # C was 31 days late; what B paid a year late fell due before these 12 months.
        ("related_late_share_12m", 1 / 2, 1, 1),
        ("distressed_share_1_step", 0, 1, 1),
        # B and C see each other beyond A.
        ("distressed_share_2_steps", 0, 1 / 2, 1 / 2),
        ("related_exposure", 340, 100, 100),
        ("guaranteed_exposure", 0, 100, 0),
        ("group_exposure", 400, None, 400),
        ("group_concentration", 300 / 400, None, 300 / 400),
    ],
)
def test_ties_that_hold_are_seen_from_both_ends_and_once(
    spec: Spec, feature: str, of_a: float, of_b: float | None, of_c: float
) -> None:
    alone = dict.fromkeys("DEFG", 0 if feature in COUNTED else None)
    expected = {"A": of_a, "B": of_b, "C": of_c} | alone
    spec(feature, expected, relationships=TIES, repayments=PAID)


@pytest.mark.parametrize("feature", [*COUNTED, *TOLD_BY_OTHERS])
def test_without_the_table_relationships_all_are_null(spec: Spec, feature: str) -> None:
    spec(feature, {"A": None, "B": None}, repayments=PAID)


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("related_customers", 0),
        ("group_members", 0),
        ("group_days_past_due", 0),
        ("related_exposure", 0),
        ("distressed_share_1_step", None),
        ("distressed_share_2_steps", None),
        ("group_exposure", None),
        ("group_concentration", None),
    ],
)
def test_one_who_is_no_customer_any_more_is_no_tie(
    spec: Spec, feature: str, value: float | None
) -> None:
    spec(
        feature,
        {"A": value},
        customers="customer_id\n---\nA",
        relationships="customer_id | related_customer_id | relation\n---\nA | Gone | group",
        repayments="loan_id | due_date\n---\nGone1 | 2024-01-31",
    )


@pytest.mark.parametrize(
    ("feature", "of_a"), [("guarantors", 0), ("distressed_share_2_steps", None)]
)
def test_no_step_leads_through_one_who_is_no_customer_any_more(
    spec: Spec, feature: str, of_a: float | None
) -> None:
    spec(
        feature,
        {"A": of_a},
        customers="customer_id\n---\nA\nB",
        relationships="""
        customer_id | related_customer_id | relation
        ------------+---------------------+----------
        A           | Gone                | guarantor
        Gone        | B                   | group
        """,
        repayments="loan_id | due_date\n---\nB1 | 2024-01-31",
    )


def test_group_external_score(spec: Spec) -> None:
    ties = """
        customer_id | related_customer_id | relation
        ------------+---------------------+----------
        A           | B                   | group
        A           | D                   | group
        A           | C                   | guarantor
    """
    spec(
        "group_external_score", {"A": 400, "B": 100, "C": None}, relationships=ties, bureau=REPORTS
    )


def test_a_group_that_owes_nothing_has_no_largest_debtor(spec: Spec) -> None:
    tie = "customer_id | related_customer_id | relation\n---\nA | B | group"
    paid = "loan_id | due_date | paid_date\n---\nA1 | 2024-06-30 | 2024-06-30"
    spec("group_exposure", {"A": 0, "B": 0}, relationships=tie, repayments=paid)
    spec("group_concentration", {"A": None, "B": None}, relationships=tie, repayments=paid)


def test_the_customers_own_debt_may_be_the_largest_of_its_group(spec: Spec) -> None:
    drawn = {
        "relationships": """
        customer_id | related_customer_id | relation
        ------------+---------------------+---------
        A           | B                   | group
        C           | A                   | group
        """,
        "repayments": """
        loan_id | due_date   | due_amount
        --------+------------+-----------
        A1      | 2024-07-01 | 700.25
        B1      | 2024-07-01 | 100.50
        C1      | 2024-07-01 | 200.25
        """,
    }
    # B and C are tied to each other by A only.
    spec("group_exposure", {"A": 1001, "B": 800.75, "C": 900.5}, **drawn)
    largest = {"A": 700.25 / 1001, "B": 700.25 / 800.75, "C": 700.25 / 900.5}
    spec("group_concentration", largest, **drawn)


GUARANTORS = """
    customer_id | related_customer_id | relation
    ------------+---------------------+----------
    A           | B                   | guarantor
    A           | C                   | guarantor
    A           | D                   | family
    A           | E                   | guarantor
"""
REPORTS = """
    customer_id | pulled_at  | external_score | debt_elsewhere | overdue_elsewhere
    ------------+------------+----------------+----------------+------------------
    A           | 2024-06-01 | 100            | 900            | 900
    B           | 2024-06-30 | 650            | 900            | 10.5
    C           | 2024-01-31 | 500            | 900            | 0
    C           | 2024-07-01 | 1              | 900            | 900
    D           | 2024-01-31 | 400            | 900            | 4.25
    E           | 2024-01-31 |                |                |
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "of_b"),
    [
        ("guarantor_external_score", 500, None),
        ("related_external_score", (650 + 500 + 400) / 3, 100),
        ("related_overdue_elsewhere", 14.75, 900),
    ],
)
def test_what_the_bureau_says_of_others(
    spec: Spec, feature: str, of_a: float, of_b: float | None
) -> None:
    spec(feature, {"A": of_a, "B": of_b}, relationships=GUARANTORS, bureau=REPORTS)
    # A bank without a bureau still knows the ties.
    spec(feature, {"A": None, "B": None}, relationships=GUARANTORS)
    spec("guarantors", {"A": 3, "B": 0}, relationships=GUARANTORS)


def test_distress_is_30_days_or_a_default_recorded_in_12_months(spec: Spec) -> None:
    # B, due 30 days ago, and E, a year ago; not C, due 29 days ago, F, a day more than a year
    # ago, nor G, whose default is announced.
    ties = "customer_id | related_customer_id\n---\nA | B\nA | C\nA | E\nA | F\nA | G"
    due = "loan_id | due_date\n---\nB1 | 2024-05-31\nC1 | 2024-06-01"
    defaults = """
        customer_id | default_date | kind
        ------------+--------------+-----------
        E           | 2023-07-01   | bankruptcy
        F           | 2023-06-30   | bankruptcy
        G           | 2024-07-01   | bankruptcy
    """
    for feature in ("distressed_share_1_step", "distressed_share_2_steps"):
        spec(feature, {"A": 2 / 5}, relationships=ties, repayments=due, defaults=defaults)
        spec(feature, {"A": 1 / 5}, relationships=ties, repayments=due)


RING = """
    customer_id | related_customer_id | relation
    ------------+---------------------+---------
    A           | B                   | supplier
    B           | C                   | supplier
    C           | D                   | supplier
    D           | E                   | supplier
    E           | A                   | supplier
    X           | Y                   | supplier
    Y           | Z                   | supplier
    Z           | X                   | supplier
"""


def test_a_cycle_counts_each_customer_once_and_never_the_customer_itself(spec: Spec) -> None:
    # A and X are in distress. From A, a ring of five has all others within two steps; three
    # steps away nobody is seen, so a longer way round adds nothing.
    due = "loan_id | due_date\n---\nA1 | 2024-01-31\nX1 | 2024-01-31"
    one = {"A": 0, "B": 1 / 2, "C": 0, "D": 0, "E": 1 / 2, "X": 0, "Y": 1 / 2, "Z": 1 / 2}
    two = {"A": 0, "B": 1 / 4, "C": 1 / 4, "D": 1 / 4, "E": 1 / 4, "X": 0, "Y": 1 / 2, "Z": 1 / 2}
    spec("distressed_share_1_step", one, relationships=RING, repayments=due)
    spec("distressed_share_2_steps", two, relationships=RING, repayments=due)


def test_three_steps_away_nobody_is_seen(spec: Spec) -> None:
    ties = "customer_id | related_customer_id\n---\nA | B\nC | B\nC | D"
    due = "loan_id | due_date\n---\nD1 | 2024-01-31"
    expected = {"A": 0, "B": 1 / 3, "C": 1 / 3, "D": 0}
    spec("distressed_share_2_steps", expected, relationships=ties, repayments=due)


@pytest.mark.parametrize(("ties", "share"), [(50, 1 / 50), (51, 0)])
def test_no_second_step_leads_through_one_who_is_tied_to_more_than_50(
    spec: Spec, ties: int, share: float
) -> None:
    lines = "\n".join(f"Hub | S{number:02}x" for number in range(ties))
    drawn = {
        "relationships": f"customer_id | related_customer_id\n---\n{lines}",
        "repayments": "loan_id | due_date\n---\nS00x1 | 2024-01-31",
    }
    expected = {"Hub": 1 / ties, "S00x": 0, "S01x": share, "S49x": share}
    spec("distressed_share_2_steps", expected, **drawn)


def test_a_tie_is_what_was_known_of_it_last(spec: Spec) -> None:
    # Of two versions on one day the later counts; the second tie was withdrawn, the third comes
    # to be known after the close.
    ties = """
    customer_id | related_customer_id | until      | known_at                  | is_deleted
    ------------+---------------------+------------+---------------------------+-----------
    A           | B                   |            | 2024-06-30T09:00:00+00:00 | no
    A           | B                   | 2024-06-29 | 2024-06-30T18:00:00+00:00 | no
    A           | C                   |            | 2024-06-01T09:00:00+00:00 | no
    A           | C                   |            | 2024-06-02T09:00:00+00:00 | yes
    A           | D                   |            | 2024-07-01T00:00:00+00:00 | no
    A           | E                   | 2024-06-29 | 2024-06-30T09:00:00+00:00 | no
    A           | E                   |            | 2024-06-30T18:00:00+00:00 | no
    """
    spec("related_customers", {"A": 1, "B": 0, "C": 0, "D": 0, "E": 1}, relationships=ties)
