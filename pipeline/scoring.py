"""Scores the customers of a night by a model, and says what raises their risk."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa

from models import registry
from models.reason_codes import reason_codes
from models.registry import Registered
from pipeline.decisions.measures import CONTRIBUTION, WATCHED_FEATURES
from pipeline.decisions.warnings import Reason, Why
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID, SEGMENT
from pipeline.features.registry import FEATURES


def model_of(home: Path, as_of: date) -> Registered:
    """The model that scores a night: one that learnt only from what was known by its close.

    Raises:
        RisklineError: there is none, or it is not what was registered.
    """
    model = registry.scorer_of(home, as_of)
    if model is not None:
        return model
    champion = registry.champion(home)
    if champion is None:
        raise RisklineError(f"no model has been trained; run: riskline train --as-of {as_of}")
    raise RisklineError(
        f"the champion, version {champion.version}, learnt from what was known on "
        f"{champion.as_of}, which the night of {as_of} must not know, and so did each one before "
        f"it; run riskline train --as-of {as_of}, and riskline promote --past-only for the version "
        "that it makes"
    )


def score_customers(model: Registered, features: pa.Table, threads: int) -> pa.Table:
    """Every customer's PD and what it is made of, with what decisions look at beside it.

    Args:
        model: of the registry.
        features: of a night, a row a customer.
        threads: of LightGBM; they do not change the result.
    """
    frame = features.to_pandas().set_index(CUSTOMER_ID)
    explanation = model.model.explain(frame, num_threads=threads)
    scored = pd.DataFrame(
        {
            SEGMENT: frame[SEGMENT],
            "pd": explanation.default_probability,
            "log_odds": explanation.log_odds,
            "intercept": explanation.intercept,
            **explanation.contributions.add_prefix(CONTRIBUTION).to_dict("series"),
            "joint_effect": explanation.joint_effect,
            "data_completeness": frame[list(FEATURES)].notna().mean(axis=1),
            "exposure": frame["exposure"].fillna(0.0),
            "days_past_due": frame["days_past_due"].fillna(0).astype("int64"),
            **frame[list(WATCHED_FEATURES)].to_dict("series"),
            "model_version": model.version,
            "model_hash": model.model.content_hash,
        },
        index=frame.index,
    )
    return pa.Table.from_pandas(scored.reset_index(), preserve_index=False)


def reasons_by(model: Registered, features: pa.Table, threads: int) -> Why:
    """What raises the risk of some customers most, by the model that scored them."""

    def why(customers: Sequence[str]) -> Mapping[str, Sequence[Reason]]:
        if not customers:
            return {}
        rows = features.to_pandas().set_index(CUSTOMER_ID).loc[list(customers)]
        adds = model.model.feature_contributions(rows, num_threads=threads)
        codes = reason_codes(adds, {name: feature.topic for name, feature in FEATURES.items()})
        return {
            customer: [
                Reason(code, FEATURES[code].reason.english, FEATURES[code].reason.chinese)
                for code in found
            ]
            for customer, found in zip(customers, codes, strict=True)
        }

    return why
