"""How quickly customers are explained, and in how much memory a model is trained.

python -m pytest tests/benchmarks/bench_model.py -s, with the number of customers in
RISK_BENCH_CUSTOMERS (1,000,000 if it is not set). Training is measured with 90 features, explaining
with 151. The memory is bounded for 1,000,000 customers.
"""

import os

import pytest

from tests.benchmarks.model_timed import explaining, training

CUSTOMERS = int(os.environ.get("RISK_BENCH_CUSTOMERS", "1000000"))
MOST_OF_A_PLAIN_PREDICT = 1.5
TIMES_TREE_SHAP = 50
# As packaged, where TreeSHAP has the least to do, and as LightGBM grows trees unless told.
LEAVES = (8, 31)
MOST_GB = 6.0


@pytest.mark.parametrize("leaves", LEAVES)
def test_explaining(leaves: int) -> None:
    took = explaining(CUSTOMERS, 151, sample=min(CUSTOMERS, 2_000), leaves=leaves)
    print(f"{CUSTOMERS:,} customers x 151 features, {leaves} leaves, {took}")
    assert took.contributions < MOST_OF_A_PLAIN_PREDICT * took.plain
    assert took.tree_shap > TIMES_TREE_SHAP * took.contributions


def test_training() -> None:
    took = training(CUSTOMERS, 90)
    print(f"{CUSTOMERS:,} customers x 90 features: {took.seconds:.0f} s, {took.peak_gb:.2f} GB")
    assert took.peak_gb < MOST_GB
