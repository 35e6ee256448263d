"""The dimension-additive model: how it is built, trained, measured and kept."""

import os

# LightGBM's threads wait for each other by spinning, unless told otherwise before its library is
# loaded: two trainings at once on two cores then take a hundred times as long as one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
