"""A bank to try the system on: it makes up five source tables and loads them into PostgreSQL."""
