"""What knows an engine: everything else speaks Ibis expressions and Arrow tables."""
