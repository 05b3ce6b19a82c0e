"""The temporary disk that resolving takes, also where the planner is wrong about the number of jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from llamactl.config.settings import Flags, load_settings
from llamactl.db.session import open_session
from llamactl.lineage.resolve import count_rows, prepare_lineage, resolve_roots
from llamactl.sqlfiles.load import parse_query
from llamactl.sqlfiles.names import Names
from llamactl.table.table import Table

pytestmark = pytest.mark.slow

ALBUMS = 111_111
MOST_BYTES_PER_ROW = 110
# Nine rows an album, in the shape and with the length of real ids.
LOAD = """
CREATE TABLE llama_logs (id serial PRIMARY KEY, job_id text, parent_job_id text, root_job_id text);
INSERT INTO llama_logs (job_id, parent_job_id, root_job_id)
SELECT job, parent, album
FROM generate_series(1, {albums}) AS a
CROSS JOIN LATERAL (SELECT 'album-create-' || md5('album ' || a) AS album) AS root
CROSS JOIN LATERAL (SELECT 'enrich-' || md5('album ' || a) AS enrich) AS own
CROSS JOIN LATERAL (
  SELECT album, NULL
  UNION ALL
  SELECT enrich, album
  UNION ALL
  SELECT 'artist-create-' || md5(a || '/' || n), album FROM generate_series(1, 2) AS n
  UNION ALL
  SELECT 'track-create-' || md5(a || '/' || n), enrich FROM generate_series(4, 8) AS n
) AS entry (job, parent);
"""
TEMPORARY_FILES = "SELECT temp_bytes::bigint FROM pg_stat_database WHERE datname = current_database()"
TEMPORARY_RELATIONS = """
SELECT sum(pg_total_relation_size(c.oid))::bigint
FROM pg_class AS c
WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind = 'r';
"""
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'llamactl%'"


@dataclass(frozen=True, slots=True)
class Large:
    connection: psycopg.Connection[Any]
    dsn: str

    def temporary_files(self) -> int:
        """Returns the bytes of all temporary files so far, once the sessions that wrote them have ended."""
        while self.number(OPEN):
            time.sleep(0.05)
        self.connection.execute("SELECT pg_stat_clear_snapshot()")
        return self.number(TEMPORARY_FILES)

    def number(self, query: str) -> int:
        row = self.connection.execute(query.encode()).fetchone()
        assert row
        return int(row[0])


@pytest.fixture
def large(new_database: Callable[..., str]) -> Iterator[Large]:
    dsn = new_database(empty=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LOAD.format(albums=ALBUMS).encode())
        yield Large(connection, dsn)


@pytest.mark.parametrize("n_distinct", [None, 10, -1], ids=["measured", "far too few", "all distinct"])
def test_temporary_disk(large: Large, n_distinct: int | None, tmp_path: Path) -> None:
    if n_distinct is not None:
        for column in ("job_id", "parent_job_id"):
            statement = f"ALTER TABLE llama_logs ALTER {column} SET (n_distinct = {n_distinct})"
            large.connection.execute(statement.encode())
    large.connection.execute("VACUUM ANALYZE llama_logs")
    settings = load_settings(Flags(dsn=large.dsn), {}, tmp_path)
    before = large.temporary_files()
    with open_session(settings, verb="test") as session:
        table = Table.open(session, settings)
        with session.snapshot():
            prepare_lineage(table)
            session.read_only()
            resolve_roots(table)
            counts, missing = count_rows(table)
            ((relations,),) = session.tuples(parse_query("test", TEMPORARY_RELATIONS, Names()))
    rows, files = ALBUMS * 9, large.temporary_files() - before
    print(f"temporary relations {relations / rows:.0f}, files {files / rows:.0f} bytes per row")
    assert (counts.total, counts.already_set, missing, counts.max_depth) == (rows, rows, 0, 2)
    assert 0 < relations + files < MOST_BYTES_PER_ROW * rows
