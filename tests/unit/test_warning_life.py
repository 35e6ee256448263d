"""Every transition of a warning's life, and that no history of nights and answers is illegal."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decisions.policy import Severity, WarningRule
from pipeline.decisions.warning_life import OPEN, Answer, Standing, Status, next_night

RAISED = date(2024, 5, 1)
RULE = WarningRule(
    bound=1,
    severity=Severity.SERIOUS,
    playbook="Call.",
    owner_role="relationship_manager",
    due_days=5,
    escalate_to="risk_officer",
    clear_after_nights=3,
    cool_off_days=10,
)
ACKNOWLEDGE, RELEASE = frozenset({Answer.ACKNOWLEDGE}), frozenset({Answer.RELEASE})

#: Where a warning may go from each status; None is that there is no warning.
LEGAL: dict[Status | None, set[Status | None]] = {
    None: {None, Status.NEW},
    Status.NEW: {each for each in Status if each is not Status.NEW},
    Status.ONGOING: {each for each in Status if each is not Status.NEW},
    Status.ACKNOWLEDGED: {Status.ACKNOWLEDGED, Status.RELEASED, Status.CLEARED},
    Status.ESCALATED: {Status.ESCALATED, Status.ACKNOWLEDGED, Status.RELEASED, Status.CLEARED},
    Status.RELEASED: {Status.RELEASED, Status.NEW, None},
    Status.CLEARED: {Status.NEW, None},
}


def stood(status: Status, *, days_ago: int = 0, clean_nights: int = 0) -> Standing:
    """A warning as the night before today left it."""
    since = TODAY - timedelta(days=days_ago)
    return Standing(RAISED, RAISED + timedelta(days=5), status, since, clean_nights)


TODAY = date(2024, 5, 4)
LATE = date(2024, 5, 7)


@pytest.mark.parametrize(
    ("before", "facts", "after"),
    [
        (None, {"fires": False}, None),
        (None, {"fires": True}, Status.NEW),
        (None, {"fires": True, "has_ended": True}, None),
        (None, {"fires": True, "rule": None}, None),
        *(
            case
            for status in sorted(OPEN)
            for case in (
                (stood(status), {"fires": True, "answers": RELEASE}, Status.RELEASED),
                (stood(status), {"fires": False, "answers": RELEASE}, Status.RELEASED),
                (
                    stood(status),
                    {"fires": True, "answers": RELEASE | ACKNOWLEDGE},
                    Status.RELEASED,
                ),
                (stood(status), {"fires": True, "answers": ACKNOWLEDGE}, Status.ACKNOWLEDGED),
                (stood(status), {"fires": True, "has_ended": True}, Status.CLEARED),
                (stood(status), {"fires": True, "rule": None}, Status.CLEARED),
                (stood(status, clean_nights=2), {"fires": False}, Status.CLEARED),
            )
        ),
        (stood(Status.NEW), {"fires": True}, Status.ONGOING),
        (stood(Status.NEW), {"fires": False}, Status.ONGOING),
        (stood(Status.NEW), {"fires": True, "as_of": LATE}, Status.ESCALATED),
        (stood(Status.ONGOING, clean_nights=2), {"fires": True}, Status.ONGOING),
        (stood(Status.ONGOING), {"fires": True, "as_of": date(2024, 5, 6)}, Status.ONGOING),
        (stood(Status.ONGOING), {"fires": True, "as_of": LATE}, Status.ESCALATED),
        (stood(Status.ONGOING), {"fires": False, "as_of": LATE}, Status.ESCALATED),
        (
            stood(Status.ACKNOWLEDGED),
            {"fires": True, "as_of": LATE, "answers": ACKNOWLEDGE},
            Status.ACKNOWLEDGED,
        ),
        (stood(Status.ESCALATED), {"fires": True, "as_of": LATE}, Status.ESCALATED),
        (stood(Status.RELEASED, days_ago=9), {"fires": True}, Status.RELEASED),
        (stood(Status.RELEASED, days_ago=9), {"fires": False}, Status.RELEASED),
        (stood(Status.RELEASED, days_ago=10), {"fires": True}, Status.NEW),
        (stood(Status.RELEASED, days_ago=10), {"fires": False}, None),
        (stood(Status.RELEASED, days_ago=9), {"fires": True, "has_ended": True}, Status.RELEASED),
        (stood(Status.RELEASED, days_ago=10), {"fires": True, "has_ended": True}, None),
        (stood(Status.RELEASED, days_ago=1), {"fires": True, "rule": None}, None),
        (stood(Status.CLEARED), {"fires": True}, Status.NEW),
        (stood(Status.CLEARED), {"fires": False}, None),
    ],
)
def test_every_transition(
    before: Standing | None, facts: dict[str, object], after: Status | None
) -> None:
    now = step(before, **facts)
    assert (None if now is None else now.status) == after
    if now is not None and before is not None and now.status is not Status.NEW:
        assert (now.first_raised, now.due_by) == (before.first_raised, before.due_by)


def step(before: Standing | None, **facts: object) -> Standing | None:
    said: dict[str, object] = {"as_of": TODAY, "rule": RULE, "has_ended": False, **facts}
    return next_night(before, **said)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Night:
    """What one night brings."""

    days_later: int
    fires: bool
    has_ended: bool
    has_rule: bool
    answer: Answer | None


NIGHTS = st.lists(
    st.builds(
        Night,
        days_later=st.sampled_from([1, 1, 1, 2, 4, 12]),
        fires=st.booleans(),
        has_ended=st.sampled_from([False] * 7 + [True]),
        has_rule=st.sampled_from([True] * 9 + [False]),
        answer=st.sampled_from([None, None, None, *Answer]),
    ),
    max_size=40,
)
RULES = st.builds(
    lambda due, clear, cool: RULE.model_copy(
        update={"due_days": due, "clear_after_nights": clear, "cool_off_days": cool}
    ),
    st.integers(0, 6),
    st.integers(1, 5),
    st.integers(0, 15),
)


def lived(nights: list[Night], rule: WarningRule) -> Iterator[tuple[date, Night, Standing | None]]:
    """The history that some nights leave; an answer is to the warning that stood before."""
    day, standing = RAISED, None
    answered: dict[date, set[Answer]] = {}
    for night in nights:
        day += timedelta(days=night.days_later)
        if standing is not None and night.answer is not None:
            answered.setdefault(standing.first_raised, set()).add(night.answer)
        said: set[Answer] = set()
        if standing is not None:
            said = answered.get(standing.first_raised, said)
        standing = next_night(
            standing,
            day,
            rule if night.has_rule else None,
            fires=night.fires,
            has_ended=night.has_ended,
            answers=said,
        )
        yield day, night, standing


@given(NIGHTS, RULES)
def test_no_history_is_illegal(nights: list[Night], rule: WarningRule) -> None:
    before: Standing | None = None
    raised: list[date] = []
    released_on: date | None = None
    clean = 0
    for day, night, now in lived(nights, rule):
        was = None if before is None else before.status
        status = None if now is None else now.status
        assert status in LEGAL[was], f"{was} to {status} on {day}"
        if now is not None and now.status is Status.NEW:
            # Never raised twice: its first night tells each warning of the rule from the others.
            assert now.first_raised == day
            assert day not in raised
            raised.append(day)
            assert released_on is None or (day - released_on).days >= rule.cool_off_days
        if now is not None and now.status in OPEN:
            clean = 0 if night.fires and night.has_rule else clean + 1
            assert now.clean_nights == clean < rule.clear_after_nights
            assert now.status is not Status.ESCALATED or day > now.due_by
            is_late = day > now.due_by and now.status is not Status.NEW
            assert not is_late or now.status in {Status.ESCALATED, Status.ACKNOWLEDGED}
            assert not night.has_ended
        else:
            clean = 0
        if status is Status.RELEASED and was is not Status.RELEASED:
            released_on = day
        elif not night.has_rule:
            # A policy without the rule ends a cool-off too.
            released_on = None
        before = now
