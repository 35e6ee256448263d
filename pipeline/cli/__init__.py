"""The command `riskline`."""

import logging
import sys
from typing import NoReturn

import typer

# Imported for the commands that they hang on the program.
from pipeline.cli import models_and_policy, nights, services
from pipeline.cli.app import app
from pipeline.errors import RisklineError, of_the_machine

__all__ = ["app", "main", "models_and_policy", "nights", "services"]


def main() -> None:
    """Run the command line; what a person can put right ends in one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except RisklineError as error:
        _end(str(error))
    except OSError as error:
        _end(str(of_the_machine(error)))


def _end(message: str) -> NoReturn:
    typer.echo(f"riskline: {message}", err=True)
    sys.exit(1)
