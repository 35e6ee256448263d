"""Reasons: the features that raise a customer's risk most, each saying something of its own."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reason_codes import LEAST, MOST, reason_codes
from pipeline.features.registry import FEATURES

TOPICS = {
    "late_3m": "late", "late_12m": "late", "income": "income", "leverage": "leverage",
    "job": "job", "home": "home",
}  # fmt: skip


@pytest.mark.parametrize(
    ("adds", "expected"),
    [
        pytest.param({}, (), id="nothing"),
        pytest.param({"income": 0.4, "job": 0.7}, ("job", "income"), id="the largest first"),
        pytest.param({"income": -3.0, "job": 0.2}, ("job",), id="what lowers the risk is none"),
        pytest.param({"income": LEAST}, (), id="nor is what hardly raises it"),
        pytest.param({"late_3m": 0.5, "late_12m": 0.9, "job": 0.6}, ("late_12m", "job"),
                     id="one of a topic"),
        pytest.param({"job": 0.5, "home": 0.5}, ("home", "job"), id="of equals the first by name"),
        pytest.param({"late_3m": 0.9, "late_12m": 0.8, "income": 0.7, "leverage": 0.6, "job": 0.5,
                      "home": 0.4}, ("late_3m", "income", "leverage", "job"), id="four"),
    ],
)  # fmt: skip
def test_of_one_customer(adds: dict[str, float], expected: tuple[str, ...]) -> None:
    rows = pd.DataFrame([dict.fromkeys(TOPICS, 0.0) | adds])
    assert reason_codes(rows, TOPICS) == [expected]


def test_each_customer_has_its_own_and_no_customer_has_none() -> None:
    rows = pd.DataFrame({"income": [0.5, 0.1], "job": [0.1, 0.5]}, index=["a", "b"])
    assert reason_codes(rows, TOPICS) == [("income", "job"), ("job", "income")]
    assert reason_codes(rows.iloc[:0], TOPICS) == []


@given(st.lists(st.floats(-5, 5), min_size=len(TOPICS), max_size=len(TOPICS)))
def test_whatever_each_adds(adds: list[float]) -> None:
    values = dict(zip(TOPICS, adds, strict=True))
    (found,) = reason_codes(pd.DataFrame([values]), TOPICS)
    assert len(found) <= MOST
    assert all(values[name] > LEAST for name in found)
    topics = [TOPICS[name] for name in found]
    assert len(set(topics)) == len(topics)
    # Nothing that was left out says more, but for one that says the same.
    least = min((values[name] for name in found), default=0.0)
    for name in TOPICS.keys() - set(found):
        if values[name] > max(least, LEAST):
            assert TOPICS[name] in topics


def test_of_the_declared_features_those_of_one_topic_are_of_one_matter() -> None:
    late = {name for name, feature in FEATURES.items() if feature.topic == "late payments"}
    assert {"worst_days_late_3m", "worst_days_late_12m", "late_share_12m"} <= late
    assert "days_past_due" not in late
    assert {"income", "income_to_peers"} == {
        n for n, f in FEATURES.items() if f.topic == "income level"
    }
    topics = {feature.topic for feature in FEATURES.values()}
    # A topic with a feature's name is that feature's, too: no other matter hides behind it.
    assert all(FEATURES[topic].topic == topic for topic in topics & FEATURES.keys())
    named = topics - FEATURES.keys()
    assert named
    for topic in named:
        assert sum(feature.topic == topic for feature in FEATURES.values()) > 1
