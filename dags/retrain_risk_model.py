"""Training: past cohorts, a challenger, the gate, and, where a person has to, approval."""

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, AssetOrTimeSchedule, Param, chain, dag, task
from airflow.sdk.definitions.timetables.trigger import CronTriggerTimetable

from pipeline.dag_tasks import DEFAULT_ARGS, or_fail, run_stage
from pipeline.settings import load_settings

log = logging.getLogger("riskline.dag")

RETRAINING_WANTED = Asset("risk_model_retraining_wanted")
RISK_MODEL = Asset("risk_model")

DOC = """
### Retrain the risk model

Trains a model of the probability of default on past month ends whose horizon is over, measures it
on customers that no model has ever learnt from, and lets it score only if it deserves to. Nights
go on with the old champion until then.

| task | what it does |
| --- | --- |
| `resolve` | the as-of date: the param, what monitoring asks, or the day before the logical date |
| `pull` | lands what is known by then, as a night does |
| `check` | checks it, as a night does |
| `fit` | fits, calibrates and measures a model, and registers it as the `challenger` |
| `judge` | writes every figure to `risk.model_performance`; returns what speaks against the model |
| `gate` | lets only a model go on that nothing speaks against; else all that follows is skipped |
| `approve` | where `RISK_PROMOTION_APPROVAL` is on, a person has two weeks (*Required Actions*) |
| `promote` | makes the challenger the `champion` |

**Owner:** credit-risk.

It runs on the first of each month, when monitoring asks (the asset
`risk_model_retraining_wanted`, whose event may bear `as_of` and `reason`), or by hand: *as_of* for
the day to stand on, *horizon* to try another outcome than the policy's (such a model is measured
and never promoted), *note* to say why.

**When a challenger was refused** its reasons are in the log and the result of `judge`, and in the
view `risk.model_verdicts`. That is no failure: the champion goes on scoring.

**To go back** to the champion before: `riskline rollback`.

**When it fails**, the failed task's log ends with one line that names the remedy. `fit` fails where
there is too little to learn from: too few month ends with a full horizon, or too few defaults.
"""


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 4 1 * *", timezone=load_settings().bank_timezone),
        assets=[RETRAINING_WANTED],
    ),
    catchup=False,
    # A challenger is compared with the champion of the moment, so they go one after the other.
    max_active_runs=1,
    default_args=dict(DEFAULT_ARGS),
    params={
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            title="As-of date",
            description="The day to stand on; empty for the day before the run.",
        ),
        "horizon": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=3660,
            title="Horizon",
            description="Of the outcome, in the policy's unit; empty for the policy's own.",
        ),
        "note": Param(
            "",
            type="string",
            maxLength=500,
            title="Note",
            description="Why it is trained; kept with the model.",
        ),
    },
    tags=["risk"],
    doc_md=DOC,
)
def retrain_risk_model() -> None:
    """Train a challenger, and promote it if it deserves to be the champion."""

    @task
    def resolve(
        params: dict[str, Any] | None = None,
        dag_run: Any = None,
        triggering_asset_events: Any = None,
    ) -> dict[str, Any]:
        """What to train: the as-of date, the horizon, the note."""
        from pipeline.business_day import resolve_as_of

        given = params or {}
        asked = [
            event.extra
            for events in (triggering_asset_events or {}).values()
            for event in events
            if event.extra
        ]
        wanted = asked[-1] if asked else {}
        as_of = given.get("as_of") or wanted.get("as_of")
        text = None if as_of is None else str(as_of)
        # A run that an asset asked for has no logical date.
        moment = dag_run.logical_date or dag_run.run_after
        now, timezone = datetime.now(UTC), load_settings().timezone
        day = or_fail(lambda: resolve_as_of(text, moment, timezone, now))
        return {
            "as_of": day.isoformat(),
            "horizon": given.get("horizon"),
            "note": given.get("note") or str(wanted.get("reason", "")),
        }

    @task
    def pull(run: dict[str, Any]) -> None:
        """Land what the source has learnt."""
        log.info("rows pulled: %s", run_stage("pull", run))

    @task
    def check(run: dict[str, Any]) -> None:
        """Quarantine rows and gate the data."""
        log.info("rows quarantined: %s", run_stage("check", run))

    @task
    def fit(run: dict[str, Any]) -> str:
        """Fit, measure and register a challenger; returns its version."""
        from pipeline import retraining

        day = date.fromisoformat(run["as_of"])
        return or_fail(
            lambda: retraining.fit(load_settings(), day, horizon=run["horizon"], note=run["note"])
        )

    @task
    def judge(version: str) -> dict[str, Any]:
        """Publish the figures; returns what speaks against the model."""
        from pipeline import retraining

        judgement = or_fail(lambda: retraining.judge_version(load_settings(), version))
        figures = judgement.by_name
        return {
            "version": version,
            "deserves_to_score": judgement.has_passed,
            "reasons_against": list(judgement.reasons),
            "figures": [
                str(figures[name])
                for name in ("auc", "auc_less_champion", "log_loss_less_champion", "ks")
                if name in figures
            ],
        }

    @task.short_circuit
    def gate(verdict: dict[str, Any]) -> bool:
        """Let only a model go on that nothing speaks against."""
        return bool(verdict["deserves_to_score"])

    @task(outlets=[RISK_MODEL])
    def promote(version: str) -> None:
        """Make the challenger the champion."""
        from pipeline import retraining

        or_fail(lambda: retraining.promote(load_settings(), version))

    run: Any = resolve()
    version: Any = fit(run)
    verdict: Any = judge(version)
    steps: list[Any] = [gate(verdict)]
    if load_settings().promotion_approval:
        steps.append(
            ApprovalOperator(
                task_id="approve",
                # A request that nobody answers must not hold up the next month's model.
                response_timeout=timedelta(days=14),
                defaults="Reject",
                # Airflow 3.3 tries again where an answer comes within a second of the question.
                retry_delay=timedelta(seconds=10),
                subject="Shall version {{ ti.xcom_pull('fit') }} be the champion?",
                body="{% for figure in ti.xcom_pull('judge')['figures'] %}- {{ figure }}\n"
                "{% endfor %}\nAll figures: `riskline card --version {{ ti.xcom_pull('fit') }}`",
            )
        )
    chain(pull(run), check(run), version)
    chain(*steps, promote(version))


retrain_risk_model()
