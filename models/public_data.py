"""Two public credit tables with published results, with the features an officer would ask for.

They hold no dates and no nights: they measure how well the model ranks, and nothing else. Their
columns are put into the dimensions that they speak of; the others stay without a feature, and what
they say of the person is a dimension of its own, ``profile``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import RisklineError


@dataclass(frozen=True, eq=False)
class PublicData:
    """A table of customers, one row each.

    Attributes:
        title: what it is.
        features: (n, features) numbers, NaN where missing.
        is_default: (n,) 0 or 1, on the same index.
        dimensions: the features of each dimension.
        monotone: +1 for a feature with which risk rises, -1 if it falls; others are not named.
        amount: (n,) what each owes, on the same index, if the table tells.
    """

    title: str
    features: pd.DataFrame
    is_default: pd.Series
    dimensions: Mapping[str, Sequence[str]]
    monotone: Mapping[str, int]
    amount: pd.Series | None = None


def uci_taiwan(folder: Path) -> PublicData:
    """Default of credit card clients, Taiwan 2005 (Yeh and Lien 2009, UCI repository).

    Months count back from September 2005. A payment of a month settles the bill of the month
    before, so a ratio takes the payment of month k to the bill of month k + 1.

    Args:
        folder: holds uci_taiwan/UCI_Credit_Card.csv.gz.

    Raises:
        RisklineError: the file is not there or is another.
    """
    path = folder / "uci_taiwan" / "UCI_Credit_Card.csv.gz"
    table = _read(path, ["DEFAULT", "LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE", "PAY_0"])
    limit = table["LIMIT_BAL"]
    # The months of PAY_ are numbered 0, 2, 3, ... in the file.
    status = table[[f"PAY_{month}" for month in (0, 2, 3, 4, 5, 6)]].set_axis(range(1, 7), axis=1)
    bill = table[[f"BILL_AMT{month}" for month in range(1, 7)]].set_axis(range(1, 7), axis=1)
    paid = table[[f"PAY_AMT{month}" for month in range(1, 7)]].set_axis(range(1, 7), axis=1)

    # 0 is a bill paid in part, -1 in full, -2 no bill: no order of risk, but no delay either.
    late = status.clip(lower=0)
    history = pd.DataFrame(
        {
            **{f"status_{month}": status[month] for month in status},
            **{f"months_late_{month}": late[month] for month in status},
            "months_late_worst": late.max(axis=1),
            "months_late_worst_of_last_3": late[[1, 2, 3]].max(axis=1),
            "months_late_sum": late.sum(axis=1),
            "times_late": (late > 0).sum(axis=1),
            "times_2_months_late": (late >= 2).sum(axis=1),
            "times_paid_in_part": (status == 0).sum(axis=1),
            "times_paid_in_full_or_no_bill": (status < 0).sum(axis=1),
            "months_late_less_mean_before": status[1] - status[[2, 3, 4, 5, 6]].mean(axis=1),
        }
    )
    used = bill.div(limit, axis=0)
    owed = bill.clip(lower=0)
    capacity = pd.DataFrame(
        {
            "credit_limit": limit,
            **{f"bill_{month}": bill[month] for month in bill},
            **{f"paid_{month}": paid[month] for month in paid},
            **{f"utilisation_{month}": used[month] for month in used},
            **{f"paid_to_limit_{month}": paid[month] / limit for month in paid},
            **{
                f"paid_to_bill_{month}": _ratio(paid[month], owed[month + 1]).clip(upper=5)
                for month in range(1, 6)
            },
            "utilisation_mean": used.mean(axis=1),
            "utilisation_max": used.max(axis=1),
            "utilisation_std": used.std(axis=1),
            "utilisation_rise": used[1] - used[6],
            "bill_sum": bill.sum(axis=1),
            "paid_sum": paid.sum(axis=1),
            "paid_least": paid.min(axis=1),
            "paid_sum_to_bill_sum": _ratio(paid.sum(axis=1), owed[[2, 3, 4, 5, 6]].sum(axis=1)),
            "times_nothing_paid": (paid == 0).sum(axis=1),
            "headroom": limit - bill[1],
        }
    )
    profile = table[["SEX", "EDUCATION", "MARRIAGE", "AGE"]].rename(columns=str.lower)
    rises = [
        *(f"months_late_{month}" for month in status),
        "months_late_worst",
        "months_late_worst_of_last_3",
        "months_late_sum",
        "times_late",
        "times_2_months_late",
        "times_nothing_paid",
    ]
    falls = ["credit_limit", "paid_sum", "paid_least", *(f"paid_{month}" for month in paid)]
    return _public(
        "Taiwan",
        table["DEFAULT"],
        {"credit_history": history, "repayment_capacity": capacity, "profile": profile},
        rises,
        falls,
        amount=owed[1],
    )


def gmsc(folder: Path) -> PublicData:
    """Give Me Some Credit (Kaggle 2011): serious delinquency within two years.

    Args:
        folder: holds gmsc/cs-training.csv.gz.

    Raises:
        RisklineError: the file is not there or is another.
    """
    path = folder / "gmsc" / "cs-training.csv.gz"
    late_columns = {
        "times_late_30": "NumberOfTime30-59DaysPastDueNotWorse",
        "times_late_60": "NumberOfTime60-89DaysPastDueNotWorse",
        "times_late_90": "NumberOfTimes90DaysLate",
    }
    table = _read(path, ["SeriousDlqin2yrs", "MonthlyIncome", "age", *late_columns.values()])
    counts = pd.DataFrame({name: table[column] for name, column in late_columns.items()})
    # 96 and 98 are codes, in all three counts at once: the bureau gave no count.
    code = counts["times_late_90"].where(counts["times_late_90"] >= 96)
    counts = counts.mask(counts >= 96)
    lines = table["NumberOfOpenCreditLinesAndLoans"]
    income = table["MonthlyIncome"]
    dependents = table["NumberOfDependents"]
    # Without an income, the debt ratio's column holds the debt's amount itself.
    debt = table["DebtRatio"] * income.where(income.notna(), 1.0)
    history = counts.assign(
        late_code=code,
        times_late=counts.sum(axis=1, min_count=1),
        times_late_weighted=counts.mul([1, 2, 3]).sum(axis=1, min_count=1),
        kinds_of_late=(counts > 0).sum(axis=1),
    )
    capacity = pd.DataFrame(
        {
            "utilisation": table["RevolvingUtilizationOfUnsecuredLines"],
            "debt_ratio": table["DebtRatio"].where(income > 1),
            "debt": debt,
            "income": income,
            "income_less_debt": income - debt,
            "income_a_person": income / (1 + dependents.fillna(0)),
        }
    )
    profile = pd.DataFrame({"age": table["age"], "dependents": dependents})
    relationship = pd.DataFrame(
        {
            "open_lines": lines,
            "real_estate_loans": table["NumberRealEstateLoansOrLines"],
            "other_lines": lines - table["NumberRealEstateLoansOrLines"],
        }
    )
    return _public(
        "Give Me Some Credit",
        table["SeriousDlqin2yrs"],
        {
            "credit_history": history,
            "repayment_capacity": capacity,
            "profile": profile,
            "relationship": relationship,
        },
        [*late_columns, "times_late", "times_late_weighted", "kinds_of_late"],
        [],
    )


def _read(path: Path, expected: Sequence[str]) -> pd.DataFrame:
    if not path.is_file():
        raise RisklineError(f"{path} is not there; models/README.md says where it comes from")
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError, EOFError) as error:
        raise RisklineError(f"{path} is another file: {error}") from error
    if lacking := [name for name in expected if name not in table.columns]:
        raise RisklineError(f"{path} is another file: it lacks {', '.join(lacking)}")
    return table


def _ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Missing where the whole is 0."""
    return part / whole.where(whole != 0)


def _public(
    title: str,
    is_default: pd.Series,
    by_dimension: Mapping[str, pd.DataFrame],
    rises: Iterable[str],
    falls: Iterable[str],
    amount: pd.Series | None = None,
) -> PublicData:
    return PublicData(
        title=title,
        features=pd.concat(by_dimension.values(), axis=1).astype(np.float64),
        is_default=is_default.astype(np.int64),
        dimensions={name: tuple(frame.columns) for name, frame in by_dimension.items()},
        monotone={**dict.fromkeys(rises, 1), **dict.fromkeys(falls, -1)},
        amount=amount,
    )
