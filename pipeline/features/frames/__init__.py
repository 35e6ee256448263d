"""The rows that features are computed over: a frame has one row a thing that happened."""
