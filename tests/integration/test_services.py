"""Airflow's services by `riskline airflow`: they come together and leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

RISKLINE = Path(sys.executable).with_name("riskline")


def services_of(home: Path) -> dict[int, str]:
    """Processes of the home's Airflow, by their number; the embedded server is none of them."""
    mark = f"AIRFLOW_HOME={home}/airflow".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().decode()
        except OSError:
            continue  # it has ended meanwhile, or is another user's
    return found


def start(home: Path, port: int) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RISK_")}
    return subprocess.Popen(
        [RISKLINE, "airflow", "--port", str(port)],
        env={**kept, "RISK_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_taken_port_is_one_line(module_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output, errors = start(module_home, port).communicate(timeout=60)
    assert errors == f"riskline: port {port} is taken; stop what uses it, or give --port\n"
    assert "UI" not in output
    assert not services_of(module_home)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds processes by /proc")
def test_stopped_while_it_comes_up_it_leaves_nothing_running(module_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start(module_home, port)
    deadline = time.monotonic() + 120
    while not any("api" in command for command in services_of(module_home).values()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # As a service manager, or the machine's own shutdown, would.
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "stopped"
    assert not services_of(module_home)
