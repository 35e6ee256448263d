"""The dictionary of features: every declaration in words, generated, so that it says what is built.

``python -m pipeline.features.dictionary`` writes it to ``pipeline/features/README.md``, and the
contract of the features to ``data_contracts/lake/features.odcs.yaml``.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.features.contract import contract_text
from pipeline.features.declaration import Dimension, Feature, Risk
from pipeline.features.registry import FEATURES
from pipeline.settings import REPOSITORY

PAGE = REPOSITORY / "pipeline" / "features" / "README.md"
CONTRACT = REPOSITORY / "data_contracts" / "lake" / "features.odcs.yaml"

TITLES = {
    Dimension.CREDIT_HISTORY: ("How the customer has paid so far", "信用历史"),
    Dimension.REPAYMENT_CAPACITY: ("What there is to pay with", "还款能力"),
    Dimension.STABILITY: ("How settled life or business is", "稳定性"),
    Dimension.PROSPECTS: ("Where income and industry are heading", "发展前景"),
    Dimension.RELATIONSHIP: ("How long and how closely the bank is known", "客户关系"),
    Dimension.BEHAVIOUR: ("How the accounts and the credit are used of late", "行为特征"),
    Dimension.NETWORK: ("Who stands behind the customer, and how they fare", "关联网络"),
}
DIRECTIONS = {Risk.RISES: "rises", Risk.FALLS: "falls", Risk.UNORDERED: "either way"}

INTRODUCTION = """\
# Features

Generated from the declarations in this folder (`python -m pipeline.features.dictionary`); do not
edit it. There are {count} features in seven dimensions; each belongs to one.

- **Risk** says what happens to it when the value grows: the model can only learn what agrees.
- **Nothing** is the value of a customer of whom no row counts, in a bank that has the tables; an
  empty cell is null, there is nothing to compute the feature from. In a bank that lacks one of the
  tables that the feature itself reads, it is null for everybody.
- **From** names the tables whose rows it comes from, as they were known at the close of the as-of
  date.
- **Reason** is what is said of a customer whose risk the feature raises.
- 3 months are the as-of date and the 91 days before it, 6 are 182, 12 are 365, 24 are 730.
- Money is in the bank's currency; for firms, income is revenue and expense is cost.
"""


def page() -> str:
    """The whole page as Markdown."""
    sections = [_section(dimension) for dimension in Dimension]
    return "\n".join([INTRODUCTION.format(count=len(FEATURES)), *sections])


def write(page_file: Path = PAGE, contract_file: Path = CONTRACT) -> None:
    """Write the page, and the contract beside the others."""
    page_file.write_text(page(), encoding="utf-8")
    contract_file.write_text(contract_text(), encoding="utf-8")


def _section(dimension: Dimension) -> str:
    english, chinese = TITLES[dimension]
    features = [f for f in FEATURES.values() if f.dimension is dimension]
    return "\n".join(
        [
            f"## {dimension.value}\n",
            f"{english} ({chinese}): {len(features)} features.\n",
            _table(
                ["feature", "what it says", "unit", "risk", "nothing", "from", "reason", "原因"],
                [_cells(feature) for feature in features],
            ),
        ]
    )


def _cells(feature: Feature) -> list[str]:
    return [
        f"`{feature.name}`",
        feature.description,
        feature.unit.value,
        DIRECTIONS[feature.risk],
        "" if feature.of_nothing is None else f"{feature.of_nothing:g}",
        ", ".join(feature.sources),
        feature.reason.english,
        feature.reason.chinese,
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    write()
