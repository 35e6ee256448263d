"""The warehouse: PostgreSQL, where every night is published and every report reads."""
