"""Airflow under RISK_HOME: its settings and database, nights run through the real DAG, the UI.

Airflow reads its settings from the environment when it is first imported, so nothing here imports
it at the top.
"""

import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from pipeline.business_day import close_of
from pipeline.errors import RisklineError
from pipeline.settings import PREFIX, REPOSITORY, Settings
from pipeline.warehouse.server import ensure_running

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

NIGHTLY = "nightly_risk_scoring"
RETRAINING = "retrain_risk_model"
UI_PORT = 8080
START_SECONDS = 120
STOP_SECONDS = 20
STOPS = (signal.SIGTERM, signal.SIGHUP)
"""A service manager's, and a closed terminal's: they are to act as Ctrl-C does."""
SERVICES: tuple[tuple[str, ...], ...] = (
    ("api-server",),
    ("dag-processor",),
    # Their log servers would listen on every interface; the UI reads finished logs from disk.
    ("scheduler", "--skip-serve-logs"),
    ("triggerer", "--skip-serve-logs"),
)


def environment(settings: Settings, port: int = UI_PORT) -> dict[str, str]:
    """The variables with which Airflow lives under RISK_HOME, on this machine's loopback only."""
    home = settings.home / "airflow"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = ensure_running(settings.home)
    url = server.url("airflow", "airflow").replace("postgresql://", "postgresql+psycopg2://", 1)
    address = f"http://127.0.0.1:{port}"
    # It signs sessions and tokens, and all services share it.
    secret = _kept(home / "secret", secrets.token_hex(32))
    # A password that Airflow makes up itself it also prints, and that into a log.
    _kept(home / "passwords.json", json.dumps({"admin": secrets.token_urlsafe(16)}) + "\n")
    airflow = {
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DEFAULT_TIMEZONE": "utc",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "2",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": url,
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": address,
        "API__SECRET_KEY": secret,
        "API_AUTH__JWT_SECRET": secret,
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "LOGGING__NAMESPACE_LEVELS": "airflow=WARNING alembic=WARNING py.warnings=ERROR",
    }
    own = {
        f"{PREFIX}{name.upper()}": (
            value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        )
        for name, value in settings
        if value is not None
    }
    return {
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{name}": value for name, value in airflow.items()},
        **own,
    }


def prepare(settings: Settings) -> None:
    """Set this process up for Airflow: its variables, quiet logs, its database.

    To be called before anything imports Airflow, once a process.
    """
    if "airflow" in sys.modules:
        raise RuntimeError("Airflow was imported before its settings were made")
    os.environ.update(environment(settings))
    # One line a task; what failed is told by the DAG's own callback. Airflow's structured loggers
    # read these when they are first imported.
    os.environ["AIRFLOW__LOGGING__LOG_FORMAT"] = "%(message)s"
    os.environ["AIRFLOW__LOGGING__NAMESPACE_LEVELS"] = (
        "airflow=WARNING task=CRITICAL py.warnings=ERROR"
    )
    import airflow.settings  # noqa: F401 - imported for what it sets up
    from airflow.utils.db import upgradedb

    for name in ("airflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in logging.Logger.manager.loggerDict:
        if name.startswith("airflow."):
            logging.getLogger(name).setLevel(logging.ERROR)
    upgradedb()


def run_night(
    as_of: date, settings: Settings, run_conf: Mapping[str, str] | None = None
) -> "DagRun":
    """Run the DAG for one night in this process, as the scheduler would have on that date.

    Args:
        as_of: the night, which the DAG finds from the logical date.
        settings: of the run.
        run_conf: params of the run, such as ``as_of``, where one is to be given.

    Returns:
        The finished run; its state tells whether it succeeded.

    Raises:
        RisklineError: the DAG cannot be loaded, or a param is not what it must be.
    """
    return run_dag(NIGHTLY, scheduled_at(as_of, settings), run_conf)


def run_dag(
    dag_id: str, logical_date: datetime, run_conf: Mapping[str, object] | None = None
) -> "DagRun":
    """Run a DAG in this process, from end to end.

    Args:
        dag_id: its name.
        logical_date: as the scheduler would give it.
        run_conf: params of the run.

    Returns:
        The finished run; its state tells whether it succeeded.

    Raises:
        RisklineError: the DAG cannot be loaded, or a param is not what it must be.
    """
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.sdk.exceptions import ParamValidationError

    # A fresh object each time: a run's params stay in the one it ran.
    folder = REPOSITORY / "dags"
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    dag = bag.get_dag(dag_id)
    if dag is None:
        reasons = " ".join(str(reason) for reason in bag.import_errors.values())
        raise RisklineError(f"DAG {dag_id} cannot be loaded from {folder}: {reasons[-300:]}")
    try:
        run: DagRun = dag.test(
            logical_date=logical_date,
            run_conf=None if run_conf is None else dict(run_conf),
        )
    except ParamValidationError as error:
        raise RisklineError(str(error).splitlines()[0]) from error
    return run


def scheduled_at(as_of: date, settings: Settings) -> datetime:
    """When the schedule runs a night: 02:00 in the bank's time zone on the day after."""
    local = close_of(as_of, settings.timezone).astimezone(settings.timezone)
    return local.replace(hour=2)


@contextmanager
def services(settings: Settings, port: int = UI_PORT) -> Iterator[str]:
    """Airflow's own services for as long as the block lasts, which Ctrl-C and SIGTERM end.

    Yields:
        The address of the UI; its user is admin, the password is in passwords.json.

    Raises:
        RisklineError: the port is taken, or a service does not come up.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, also while the services come up.
    """
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise RisklineError(f"port {port} is taken; stop what uses it, or give --port")
    env = {**os.environ, **environment(settings, port)}
    home = Path(env["AIRFLOW_HOME"])
    airflow = [sys.executable, "-m", "airflow"]
    running: list[subprocess.Popen[bytes]] = []
    before = {kind: signal.signal(kind, signal.default_int_handler) for kind in STOPS}
    try:
        _migrate(airflow, env, home / "migrate.log")
        for service in SERVICES:
            log_file = home / f"{service[0]}.log"
            with log_file.open("wb") as log:
                # Created by Airflow: passwords and logs are for their owner only.
                running.append(
                    subprocess.Popen(  # noqa: S603 - fixed commands
                        [*airflow, *service],
                        env=env,
                        stdout=log,
                        stderr=log,
                        umask=0o077,
                        # Ctrl-C is for us alone: we stop them, in order.
                        start_new_session=True,
                    )
                )
            if service[0] == "api-server":
                # Tasks call it: a scheduler that comes up first fails its first ones.
                _wait_for(f"{env['AIRFLOW__API__BASE_URL']}/api/v2/version", running[0], log_file)
        yield env["AIRFLOW__API__BASE_URL"]
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            # What is left of it, and of the workers that it started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _migrate(airflow: list[str], env: Mapping[str, str], log_file: Path) -> None:
    with log_file.open("wb") as log:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [*airflow, "db", "migrate"], env=env, check=False, stdout=log, stderr=log, umask=0o077
        )
    if done.returncode != 0:
        raise RisklineError(f"Airflow's database could not be brought up to date; see {log_file}")


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own loopback
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise RisklineError(f"Airflow's API server did not come up; see {log_file}")


def _kept(file: Path, content: str) -> str:
    """What a file for its owner alone says; where there is none yet, the content given."""
    if not file.exists():
        temporary = file.with_name(f"{file.name}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(content)
        # link, not rename: where two processes make one at once, both then read the first.
        try:
            os.link(temporary, file)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return file.read_text()
