"""A bank to try the system on: it makes up twelve source tables, for PostgreSQL or Parquet."""
