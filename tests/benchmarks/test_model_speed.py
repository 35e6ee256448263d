"""What the benchmark of the model measures at length, briefly."""

from tests.benchmarks.model_timed import explaining, training


def test_contributions_cost_less_than_a_plain_predict_and_far_less_than_tree_shap() -> None:
    # Few rows, and a machine that does other things too: the bounds leave room for noise.
    took = explaining(40_000, 60, sample=200, trees=40)
    assert took.contributions < took.plain
    assert took.tree_shap > 15 * took.contributions


def test_training_holds_few_copies_of_the_rows() -> None:
    few, many = training(1_000, 60, trees=3), training(50_000, 60, trees=3)
    # The rows of both sets as they come, and what more they take while a model is trained.
    rows_gb = 1.2 * 50_000 * 60 * 8 / 2**30
    assert many.peak_gb - few.peak_gb < 5 * rows_gb
