"""The nightly run: one task a stage of `pipeline.nightly`, with nothing between them but dates."""

import logging
from datetime import UTC, date, datetime
from typing import Any

from airflow.sdk import Asset, Param, chain, dag, task
from airflow.sdk.definitions.timetables.trigger import CronTriggerTimetable

from pipeline.dag_tasks import DEFAULT_ARGS, or_fail, run_stage
from pipeline.settings import load_settings

log = logging.getLogger("riskline.dag")

RISK_SCORES = Asset("risk_scores")

DOC = """
### Nightly risk scoring

Scores every customer of the bank for one **as-of date** and publishes tiers and warnings to the
schema `risk` of the warehouse, whole or not at all.

| task | what it does |
| --- | --- |
| `resolve_as_of` | the param `as_of`, else the bank's day before the logical date |
| `pull` | lands what the source has learnt up to the close of that day |
| `check` | quarantines rows that break their data contract, and gates the night |
| `build` | builds the features of the seven dimensions |
| `score` | scores with the champion, or on past nights with the champion by then |
| `decide` | tiers, expected loss and warnings, given the night published before |
| `publish` | swaps the night into the warehouse in one transaction |
| `settle` | decides later nights again that now rest on another past, unless told not to |

**Owner:** credit-risk.

**To score a past night**, trigger the DAG with `as_of` set to it; for many, use a backfill. Running
a night again replaces it with the same rows; `riskline preview --as-of <date>` shows beforehand
what would change. Tiers and warnings of a night rest on the night published before it. Where a past
night changes, or is published after later ones, those are stale: the view `risk.stale_nights` names
them, and `settle` (or `riskline settle`) decides them again, the earliest first. So the nights of a
backfill may run in any order and side by side, and end as if they had run one after the other.

**When it fails**, the failed task's log ends with one line that names the table or setting and the
remedy. Nothing of the night is published, and the night before stays readable.

1. `pull`: the source is missing a table or column, or cannot be reached. Put it right, then clear
   the task.
2. `check`: a contract does not hold. Look at the night's checks (`data_docs/<date>/index.html` in
   `RISK_HOME`) and at the quarantined rows (`riskline quarantine`), correct the source or the
   contract in `data_contracts/sources`, then clear `pull`.
3. `score`: no model has been trained, or each one knows what came after the night:
   `riskline train --as-of <date>`, for a past night also `riskline promote <version> --past-only`,
   then clear the task.
4. `publish`: the warehouse is down or refuses. Clear the task once it answers.
5. `settle`: a later night was scored anew and not published. Trigger the DAG for that night.
"""


@dag(
    schedule=CronTriggerTimetable("0 2 * * *", timezone=load_settings().bank_timezone),
    catchup=False,
    # Two runs at once would share the machine and be done no sooner; a backfill may ask for more.
    max_active_runs=1,
    default_args=dict(DEFAULT_ARGS),
    params={
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            title="As-of date",
            description="The business date to score; empty for the day before the logical date.",
        ),
        "settle": Param(
            True,
            type="boolean",
            title="Settle later nights",
            description="Decide later nights again where this one changes what they rest on.",
        ),
    },
    tags=["risk"],
    doc_md=DOC,
)
def nightly_risk_scoring() -> None:
    """Score every customer as of a date, and publish tiers and warnings."""

    @task
    def resolve_as_of(params: dict[str, Any] | None = None, dag_run: Any = None) -> dict[str, str]:
        """The night: its as-of date, when the run began, and what started it."""
        from pipeline.business_day import resolve_as_of as resolve

        now = datetime.now(UTC)
        given = (params or {}).get("as_of")
        timezone = load_settings().timezone
        day = or_fail(lambda: resolve(given, dag_run.logical_date, timezone, now))
        return {
            "as_of": day.isoformat(),
            "started_at": now.isoformat(),
            "trigger": str(dag_run.run_type.value),
        }

    @task
    def pull(night: dict[str, str]) -> None:
        """Land what the source has learnt."""
        log.info("rows pulled: %s", run_stage("pull", night))

    @task
    def check(night: dict[str, str]) -> None:
        """Quarantine rows and gate the night."""
        log.info("rows quarantined: %s", run_stage("check", night))

    @task
    def build(night: dict[str, str]) -> None:
        """Build features."""
        log.info("customers: %s", run_stage("build", night))

    @task
    def score(night: dict[str, str]) -> None:
        """Score with the champion."""
        log.info("model version: %s", run_stage("score", night))

    @task
    def decide(night: dict[str, str]) -> None:
        """Decide on tiers and warnings."""
        log.info("rows: %s", run_stage("decide", night))

    @task(outlets=[RISK_SCORES])
    def publish(night: dict[str, str]) -> str:
        """Publish the night; returns the run's id."""
        from pipeline import nightly

        return or_fail(
            lambda: nightly.publish(
                load_settings(),
                date.fromisoformat(night["as_of"]),
                trigger=night["trigger"],
                started_at=datetime.fromisoformat(night["started_at"]),
            )
        )

    @task
    def settle(params: dict[str, Any] | None = None) -> None:
        """Decide stale nights again, or say which ones are."""
        from pipeline.nightly import tell_stale
        from pipeline.settling import settle as settle_nights

        if (params or {}).get("settle", True):
            nights = or_fail(lambda: settle_nights(load_settings()))
            log.info("nights decided again: %s", [str(night) for night in nights])
        else:
            or_fail(lambda: tell_stale(load_settings()))

    night: Any = resolve_as_of()
    stages = (pull, check, build, score, decide, publish)
    chain(*(stage(night) for stage in stages), settle())


nightly_risk_scoring()
