"""Default events that the bank records: the table `defaults`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Calendar, between_hours
from pipeline.simulator.population import NEVER
from pipeline.simulator.tables import customer_ids, table, versions, words

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

KINDS = ("past_due", "bankruptcy", "restructuring", "write_off")
PAST_DUE, BANKRUPTCY, RESTRUCTURING, WRITE_OFF = range(4)
DAYS_PAST_DUE = 90
PAST_DUE_RECORDED = 0.95
BANKRUPT_SHARE, BANKRUPT_DAYS = 0.15, (95, 200)
WRITTEN_OFF_SHARE, WRITTEN_OFF_DAYS = 0.70, (210, 420)
RESTRUCTURED_SHARE = 0.12
FALSE_ALARMS_A_MONTH = 0.0001
MISTYPED_SHARE = 0.03

RECORDED, CORRECTED, WITHDRAWN = range(3)


def defaults(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `defaults`: known up to two weeks after the event; false alarms are withdrawn."""
    people, fortune = block.people, block.fortune
    stops = fortune.at_risk & (fortune.cure_day >= 0)
    stopped, step = np.nonzero(stops)
    first_missed = calendar.starts[step] + people.due_dom[stopped] - 1
    cure_day = fortune.cure_day[stopped, step].astype(np.int64)
    n, is_final = len(stopped), cure_day == NEVER
    draw = rng.random((4, n))
    cured_early = cure_day < first_missed + DAYS_PAST_DUE
    groups = (
        (PAST_DUE, (cure_day > first_missed + DAYS_PAST_DUE) & (draw[0] < PAST_DUE_RECORDED),
         first_missed + DAYS_PAST_DUE),
        (BANKRUPTCY, is_final & (draw[1] < BANKRUPT_SHARE),
         first_missed + rng.integers(*BANKRUPT_DAYS, n)),
        (RESTRUCTURING, cured_early & (draw[2] < RESTRUCTURED_SHARE), cure_day),
        (WRITE_OFF, is_final & (draw[3] < WRITTEN_OFF_SHARE),
         first_missed + rng.integers(*WRITTEN_OFF_DAYS, n)),
    )  # fmt: skip
    # Some whose payments went astray are taken for defaulters for some days.
    never_stops = ~stops.any(axis=1, keepdims=True)
    alarmed, alarm_step = np.nonzero(
        fortune.at_risk & never_stops & (rng.random(stops.shape) < FALSE_ALARMS_A_MONTH)
    )
    customer = np.concatenate([stopped[shown] for _, shown, _ in groups] + [alarmed])
    day = np.concatenate([days[shown] for _, shown, days in groups] + [calendar.starts[alarm_step]])
    kind = np.repeat(
        [*(kind for kind, _, _ in groups), PAST_DUE],
        [*(int(shown.sum()) for _, shown, _ in groups), len(alarmed)],
    )
    is_alarm = np.arange(len(customer)) >= len(customer) - len(alarmed)
    order = np.lexsort((day, customer))
    customer, day, kind, is_alarm = customer[order], day[order], kind[order], is_alarm[order]

    known_s = between_hours(rng, day + rng.integers(1, 15, len(day)), 9, 17)
    later_s = between_hours(rng, day + rng.integers(20, 40, len(day)), 9, 17)
    is_wrong = (rng.random(len(day)) < MISTYPED_SHARE) & ~is_alarm
    wrong, withdrawn = np.flatnonzero(is_wrong), np.flatnonzero(is_alarm)
    row, known_s, event = versions(
        calendar,
        (np.arange(len(day)), known_s),
        (wrong, later_s[wrong]),
        (withdrawn, later_s[withdrawn]),
    )
    shows_mistake = is_wrong[row] & (event == RECORDED)
    columns = {
        "customer_id": customer_ids(people.number[customer[row]]),
        "default_date": day[row],
        "kind": words(KINDS, np.where(shows_mistake, (kind[row] + 2) % len(KINDS), kind[row])),
    }
    return table("defaults", columns, known_s, event == WITHDRAWN)
