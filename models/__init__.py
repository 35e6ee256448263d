"""The dimension-additive model: how it is built, trained, measured and kept."""
