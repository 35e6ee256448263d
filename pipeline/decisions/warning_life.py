"""How a warning lives from night to night: what it is after each, and when it ends."""

from collections.abc import Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from pipeline.decisions.policy import WarningRule


class Status(StrEnum):
    """Where a warning stands in its life."""

    NEW = "new"
    ONGOING = "ongoing"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    RELEASED = "released"
    CLEARED = "cleared"


OPEN = frozenset({Status.NEW, Status.ONGOING, Status.ACKNOWLEDGED, Status.ESCALATED})
"""A warning that asks for something to be done; the others have ended."""


class Answer(StrEnum):
    """What an officer may say to a warning."""

    ACKNOWLEDGE = "acknowledge"
    RELEASE = "release"


@dataclass(frozen=True)
class Standing:
    """A warning as a night leaves it.

    Attributes:
        first_raised: the night on which it was raised.
        due_by: the last day on which it may be acknowledged before it is escalated.
        status: where it stands.
        status_since: the night on which it came to stand there.
        clean_nights: nights in a row, up to this one, on which its rule did not fire.
    """

    first_raised: date
    due_by: date
    status: Status
    status_since: date
    clean_nights: int


def next_night(
    before: Standing | None,
    as_of: date,
    rule: WarningRule | None,
    *,
    fires: bool,
    has_ended: bool,
    answers: Set[Answer] = frozenset(),
) -> Standing | None:
    """What becomes, on a night, of a rule's warning of a customer.

    Args:
        before: the warning on the night published before; None where there was none.
        as_of: the night.
        rule: in the policy of the night; None where the policy no longer has it.
        fires: whether the rule fires for the customer.
        has_ended: whether the customer is past warning: in default, or a customer no longer.
        answers: all that officers said to the warning up to the close of the night.

    Returns:
        The warning as the night leaves it; None where there is none.
    """
    fires = fires and not has_ended and rule is not None
    if before is None or before.status not in OPEN:
        if before is not None and _is_cooling_off(before, as_of, rule):
            return before
        if not fires or rule is None:
            return None
        due_by = as_of + timedelta(days=rule.due_days)
        return Standing(as_of, due_by, Status.NEW, as_of, clean_nights=0)
    clean_nights = 0 if fires else before.clean_nights + 1
    if Answer.RELEASE in answers:
        status = Status.RELEASED
    elif has_ended or rule is None or clean_nights >= rule.clear_after_nights:
        status = Status.CLEARED
    elif Answer.ACKNOWLEDGE in answers:
        status = Status.ACKNOWLEDGED
    elif as_of > before.due_by:
        status = Status.ESCALATED
    else:
        status = Status.ONGOING
    since = before.status_since if status is before.status else as_of
    return replace(before, status=status, status_since=since, clean_nights=clean_nights)


def _is_cooling_off(before: Standing, as_of: date, rule: WarningRule | None) -> bool:
    if before.status is not Status.RELEASED or rule is None:
        return False
    return (as_of - before.status_since).days < rule.cool_off_days
