"""llamactl: migrates and audits the lineage of a job log in Postgres."""

__version__ = "0.1.0"
