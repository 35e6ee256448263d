"""What the benchmarks measure at length, briefly: no night takes longer with every year."""

from pathlib import Path

from tests.benchmarks.bench_pull_and_check import growth


def test_a_night_does_not_grow_with_the_history(risk_home: Path) -> None:
    # Small enough to be quick; so the bound leaves room for the noise of a busy machine.
    growth(risk_home, days=30, rows_a_day=300, most=2.5)
