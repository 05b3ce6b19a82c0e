"""A private, durable Postgres with a log shaped like the real one (rows.sql): 11 indexes and foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from meter import Meter

import llamactl
from llamactl.postgres.server import PrivatePostgres

HERE = Path(__file__).parent
LOG_TABLE = Path(llamactl.__file__).parent / "demo" / "log_table.sql"
BASE = "base"
"""The database that contenders get copies of."""
SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "autovacuum": "off"}
"""Else the defaults, fsync included. No checkpoint or autovacuum falls into one contender and not another."""
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = '"LlamaLog"'::regclass AND NOT indisprimary
"""


class Lab:
    """The server, and the databases on it."""

    def __init__(self, server: PrivatePostgres) -> None:
        self.server = server
        self.meter = Meter(server)

    def load(self, rows: int) -> None:
        """Creates BASE."""
        self.admin(f"CREATE DATABASE {BASE}")
        with self.connect(BASE) as connection:
            connection.execute(LOG_TABLE.read_bytes())
            indexes = connection.execute(_INDEXES.encode()).fetchall()
            for name, _ in indexes:
                connection.execute(f"DROP INDEX {name}".encode())
            text = (HERE / "rows.sql").read_text().replace("%(albums)s", str(rows // 9)).replace("%%", "%")
            connection.execute(text.encode())
            connection.execute("SET maintenance_work_mem = '512MB'")
            for _, definition in indexes:
                connection.execute(definition.encode())
            connection.execute("VACUUM ANALYZE")

    def copy(self, name: str) -> str:
        """Creates a fresh copy of BASE, and returns its name."""
        self.admin(f"DROP DATABASE IF EXISTS {name}")
        self.admin(f"CREATE DATABASE {name} TEMPLATE {BASE} STRATEGY file_copy")
        return name

    def drop(self, name: str) -> None:
        self.admin(f"DROP DATABASE IF EXISTS {name}")

    def vacuum(self, name: str) -> None:
        """Leaves the database as autovacuum would: else its first reader writes hint bits for all rows."""
        with self.connect(name) as connection:
            connection.execute("VACUUM ANALYZE")

    def size(self, name: str) -> int:
        """Returns the bytes of the log with its indexes."""
        with self.connect(name) as connection:
            row = connection.execute("""SELECT pg_total_relation_size('"LlamaLog"')""").fetchone()
            assert row is not None
            return int(row[0])

    def connect(self, name: str) -> psycopg.Connection[tuple[str, ...]]:
        """Returns an autocommit connection."""
        return psycopg.connect(self.server.conninfo(name), autocommit=True)

    def admin(self, statement: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(statement.encode())


@contextmanager
def loaded(rows: int) -> Iterator[Lab]:
    """A lab whose BASE has so many rows."""
    with PrivatePostgres(settings=SERVER) as server:
        print(f"Loading {rows:,} rows into Postgres {server.version} ...", flush=True)
        lab = Lab(server)
        lab.load(rows)
        yield lab
