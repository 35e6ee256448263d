"""The nightly risk-scoring pipeline, from a bank's tables to a published warning list."""
