"""Great Expectations' pandas data source, made to filter a batch by a row condition only once.

Importing this module imports Great Expectations, which takes seconds, and adds the source to its
data contexts as ``add_lake``.
"""

from typing import Any, ClassVar, Literal

import pandas as pd
from great_expectations.datasource.fluent.pandas_datasource import (
    DataFrameAsset,
    PandasDatasource,
)
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine


class FilterOnceEngine(PandasExecutionEngine):
    """Asks one metric after another of the rows that a row condition leaves.

    Its parent copies those rows anew for each metric, which takes most of the time of a suite.
    """

    _kept: tuple[pd.DataFrame, str, pd.DataFrame] | None = None

    def forget(self) -> None:
        """Let go of the rows, and of those that a condition left."""
        self._kept = None
        self.batch_manager.reset_batch_cache()
        self.batch_manager.batch_data_cache.clear()

    def _apply_row_condition_filter(
        self, data: pd.DataFrame, row_condition: Any, domain_kwargs: dict[str, Any]
    ) -> pd.DataFrame:
        condition = repr(row_condition)
        if self._kept is None or self._kept[0] is not data or self._kept[1] != condition:
            rows = super()._apply_row_condition_filter(data, row_condition, domain_kwargs)
            self._kept = (data, condition, rows)
        return self._kept[2]


class LakeDatasource(PandasDatasource):
    """Frames that were read from the lake."""

    asset_types: ClassVar[list[type]] = [DataFrameAsset]
    execution_engine_override: ClassVar[type] = FilterOnceEngine

    # Great Expectations tells its data sources apart by this name, which each class must have of
    # its own; its parent's type allows that parent's name alone.
    type: Literal["lake"] = "lake"  # type: ignore[assignment] # see above
