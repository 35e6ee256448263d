"""A slow, obvious reading of the outcome."""

from datetime import date, timedelta

from tests.generative.reference.rows import Tables, instalments_of


def outcome(
    tables: Tables, then: date, end: date, known_on: date, days_past_due: int
) -> dict[str, bool]:
    """Whether each customer defaulted after ``then`` and by ``end``, seen from ``known_on``."""
    found = {}
    for customer in sorted({loan["customer_id"] for loan in tables["loans"]}):
        is_in_default = has_to_pay = is_default = False
        for instalment in instalments_of(tables, customer, known_on):
            default_day = instalment["due_date"] + timedelta(days=days_past_due)
            settled = instalment["paid_date"] if instalment["is_paid"] else date.max
            if default_day <= then and settled >= default_day and settled > then:
                is_in_default = True
            if instalment["due_date"] <= end and settled > then:
                has_to_pay = True
            if then < default_day <= end and settled >= default_day:
                is_default = True
        if has_to_pay and not is_in_default:
            found[customer] = is_default
    return found
