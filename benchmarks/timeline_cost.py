"""Times the timeline of one album: all that the verb does on an open connection.

    python benchmarks/timeline_cost.py [--rows 5000000] [--albums 1000]

A log as in bench.py, with the root column filled as the migration would and the indexes that a timeline uses.
Each album is asked for once, in random order.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from pathlib import Path

import psycopg

import llamactl
from llamactl.config.dsn import read_dsn
from llamactl.config.settings import Settings
from llamactl.db.session import open_session
from llamactl.model import Subject, SubjectKind
from llamactl.postgres.server import PrivatePostgres
from llamactl.timeline import read_timeline
from llamactl.timeline.filters import Filters

HERE = Path(__file__).parent
LOG_TABLE = Path(llamactl.__file__).parent / "demo" / "log_table.sql"
SERVER = {"shared_buffers": "1GB", "max_wal_size": "16GB", "autovacuum": "off", "fsync": "off"}
"""Only reading is timed."""

_INDEXES = ("root_job_id", "parent_job_id", "job_id", "album_id", "entity_type, entity_id")
_OTHERS = """
SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = '"LlamaLog"'::regclass AND NOT indisprimary
"""


def load(conninfo: str, rows: int) -> None:
    """Makes the migrated log."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(LOG_TABLE.read_bytes())
        for (name,) in connection.execute(_OTHERS.encode()).fetchall():
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
        text = (HERE / "rows.sql").read_text().replace("%(albums)s", str(rows // 9)).replace("%%", "%")
        # The root is the album's job, whatever the row.
        text = text.replace('"user_id", "created_at")', '"user_id", "created_at", "root_job_id")')
        text = text.replace(
            "n * interval '0.8 seconds'", "n * interval '0.8 seconds', 'album-create-' || md5('album ' || a)"
        )
        connection.execute(text.encode())
        connection.execute("SET maintenance_work_mem = '512MB'")
        for columns in _INDEXES:
            connection.execute(f'CREATE INDEX ON "LlamaLog" ({columns})'.encode())
        connection.execute("VACUUM ANALYZE")


def compare(conninfo: str, rows: int, albums: int) -> list[tuple[str, str]]:
    """Prints and returns the median and the slowest hundredth."""
    with psycopg.connect(conninfo) as connection:
        query = "SELECT md5('album ' || a)::uuid::text FROM unnest(%s::int[]) AS a"
        drawn = random.Random(1).sample(range(1, rows // 9 + 1), albums)
        ids = [id_ for (id_,) in connection.execute(query, [drawn])]
    settings = Settings(read_dsn(conninfo, "--dsn", Path()))
    taken = []
    with open_session(settings, "timeline") as session:
        for id_ in ids:
            begun = time.perf_counter()
            found = read_timeline(session, settings, Subject(SubjectKind.ALBUM, id_), Filters())
            taken.append((time.perf_counter() - begun) * 1000)
            if found.total != 9 or found.notes:
                raise SystemExit(f"album {id_}: {found.total} rows, {found.notes}")
    p99 = statistics.quantiles(taken, n=100)[98]
    told = f"median {statistics.median(taken):.1f} ms, 99th percentile {p99:.1f} ms"
    print(f"timeline of one album in {rows:,} rows, {albums:,} albums: {told}, slowest {max(taken):.1f} ms")
    return [(f"Reading the [timeline](timeline.md) of an album among {rows:,} rows", told)]


def measure(rows: int = 5_000_000, albums: int = 1000) -> list[tuple[str, str]]:
    """The same, on a server of its own."""
    with PrivatePostgres(settings=SERVER) as server:
        print(f"Loading {rows:,} rows into Postgres {server.version} ...", flush=True)
        load(server.conninfo(), rows)
        return compare(server.conninfo(), rows, albums)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--albums", type=int, default=1000)
    arguments = parser.parse_args()
    measure(arguments.rows, arguments.albums)


if __name__ == "__main__":
    main()
