"""A private Postgres for the demo and the tests."""
