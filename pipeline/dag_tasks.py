"""What the tasks of all DAGs share: failures in one line, and retries only where they may help."""

import logging
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from pipeline.errors import RisklineError, UnreachableError, of_the_machine
from pipeline.settings import load_settings

log = logging.getLogger("riskline.dag")

Result = TypeVar("Result")


def tell_failure(context: Any) -> None:
    """Say in one line what failed; what nobody foresaw is a defect and keeps its traceback."""
    instance, error = context["task_instance"], context["exception"]
    is_foreseen = isinstance(error, AirflowFailException | RisklineError)
    log.error(
        "%s %s failed: %s",
        instance.dag_id,
        instance.task_id,
        error,
        exc_info=None if is_foreseen else error,
    )


def or_fail(work: Callable[[], Result]) -> Result:
    """Do the work; what a retry cannot cure fails at once, in one line."""
    try:
        return work()
    except UnreachableError:
        raise
    except RisklineError as error:
        raise AirflowFailException(str(error)) from None
    except OSError as error:
        raise of_the_machine(error) from None


def run_stage(name: str, run: Mapping[str, Any]) -> Any:
    """Run a stage of the night, for the day that the run stands on."""
    # Imported here: the scheduler parses the files of the DAGs every few seconds.
    from pipeline import nightly

    day = date.fromisoformat(run["as_of"])
    return or_fail(lambda: getattr(nightly, name)(load_settings(), day))


DEFAULT_ARGS: Mapping[str, Any] = {
    "owner": "credit-risk",
    "retries": 2,
    "retry_delay": timedelta(minutes=5),
    "on_failure_callback": tell_failure,
}
"""What all tasks have in common."""
