from pathlib import Path

import pytest

from pipeline.features.declaration import Feature
from pipeline.features.registry import FEATURES


@pytest.mark.parametrize("feature", FEATURES.values(), ids=lambda feature: feature.name)
def test_every_feature_has_a_spec_in_the_file_of_its_dimension(feature: Feature) -> None:
    file = Path(__file__).with_name(f"test_{feature.dimension}.py")
    assert f'"{feature.name}"' in file.read_text(encoding="utf-8")
