"""A SQL_ASCII database may hold any bytes: every command reads them, and shows them as escapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import psycopg
import pytest
from psycopg import sql
from psycopg.adapt import Dumper

from cutting import run_here
from servers import LOG_TABLE, Server

INSERT = """INSERT INTO "LlamaLog" (entity_type, category, operation, status, job_id, parent_job_id,
  is_root_job, error_message, created_at)
VALUES ('ALBUM', 'ENRICHED', $1, $2, $3, $4::text, $4::text IS NULL, $5, now() - interval '1 day')"""
ROWS = (
    (b"fetch", b"SUCCESS", b"root-\xff", None, None),
    (b"caf\xe9", b"FAILED", b"child-\xe9", b"root-\xff", b"na\xefve"),
    (b"fetch", b"SUCCESS", b"child-\xe8", b"root-\xff", "ü".encode()),
    (b"fetch", b"SUCCESS", b"grandchild", b"child-\xe8", None),
)


class Raw(bytes):
    """Text as it is."""


class RawDumper(Dumper):
    def dump(self, obj: Raw) -> bytes:
        return bytes(obj)


@pytest.fixture
def raw(each_server: Server) -> Iterator[str]:
    """Conninfo of a SQL_ASCII database with a log whose ids, names and messages are Latin-1."""
    name = "raw bytes"
    create = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    with each_server.admin() as admin:
        admin.execute(sql.SQL(create).format(sql.Identifier(name)))
    dsn = each_server.conninfo(name)
    try:
        fill(dsn)
        yield dsn
    finally:
        each_server.drop(name)


def fill(dsn: str) -> None:
    with psycopg.connect(dsn, client_encoding="SQL_ASCII", autocommit=True) as connection:
        connection.execute(LOG_TABLE.encode())
        connection.adapters.register_dumper(Raw, RawDumper)
        with psycopg.RawCursor(connection) as cursor:
            for row in ROWS:
                cursor.execute(INSERT.encode(), [value and Raw(value) for value in row])


def test_every_command_reads_it(raw: str) -> None:
    for migrated in (False, True):
        if migrated:
            assert run_here("migrate", "--yes", "--dsn", raw).code == 0
            assert run_here("verify", "--dsn", raw).code == 0
        for words in (
            ("preflight",),
            ("stats",),
            ("tree", "grandchild"),
            ("timeline", "--root", "grandchild"),
            ("verify",),
            ("migrate", "--dry-run"),
        ):
            for format_ in ("text", "json"):
                done = run_here(*words, "--dsn", raw, "--format", format_)
                assert done.code in (0, 1), done.err
                assert "error:" not in done.err or "timeline" in words
                if format_ == "json":
                    json.loads(done.out)
                (done.out + done.err).encode()  # nothing that no stream can write
        tree = run_here("tree", "grandchild", "--dsn", raw).out
        for shown in ("root-\\xff", "child-\\xe9", "child-\\xe8", "caf\\xe9", "na\\xefve"):
            assert shown in tree, tree
        nodes = json.loads(run_here("tree", "grandchild", "--dsn", raw, "--format", "json").out)["nodes"]
        ids = [node["job_id"] for node in nodes]
        assert sorted(ids) == ["child-\\xe8", "child-\\xe9", "grandchild", "root-\\xff"]
        report = run_here("tree", "grandchild", "--dsn", raw, "--format", "html", "-o", "-")
        assert report.code == 0, report.err
        assert ET.fromstring(run_here("preflight", "--dsn", raw, "--format", "junit").out) is not None


def test_an_online_migration_and_a_repair(raw: str) -> None:
    assert run_here("migrate", "--online", "--yes", "--dsn", raw).code == 0
    assert run_here("verify", "--grace", "0", "--dsn", raw).code == 0
    with psycopg.connect(raw, client_encoding="SQL_ASCII", autocommit=True) as connection:
        found = connection.execute('SELECT DISTINCT root_job_id FROM "LlamaLog"').fetchall()
        assert found == [(b"root-\xff",)]
        connection.execute("SET llamactl.filling = 'on'; UPDATE \"LlamaLog\" SET root_job_id = NULL")
    assert run_here("repair", "--yes", "--dsn", raw).code == 0
    assert run_here("verify", "--grace", "0", "--dsn", raw).code == 0
