"""What only the simulator knows. For tests and evidence: the pipeline never reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.simulator.bank import Bank, create
from pipeline.simulator.clock import BURN_IN_MONTHS
from pipeline.simulator.fortune import probability
from pipeline.simulator.tables import customer_ids

if TYPE_CHECKING:
    from pipeline.simulator.clock import Ints


def true_distress(bank: Bank) -> pa.Table:
    """How likely each customer was to stop paying in each month of the window.

    Returns:
        A table of customer_id, month_end (date32), monthly_pd (0 to 1, given that nothing was
        unpaid before) and is_at_risk (an instalment was due and payments had not stopped before),
        sorted by month_end and then customer_id, one row a customer and month after onboarding.
    """
    world, calendar = create(bank), bank.calendar
    steps = np.arange(BURN_IN_MONTHS, BURN_IN_MONTHS + bank.months)
    month_end: Ints = calendar.starts[steps + 1] - 1
    came = world.people.onboarded_day[None, :] <= month_end[:, None]
    month, customer = np.nonzero(came & ~world.people.is_mistake[None, :])
    cell = (customer, steps[month])
    return pa.table(
        {
            "customer_id": customer_ids(customer),
            "month_end": pa.array(month_end[month].astype(np.int32)).cast(pa.date32()),
            "monthly_pd": probability(world.fortune.log_odds[cell]),
            "is_at_risk": world.fortune.at_risk[cell],
        }
    )
