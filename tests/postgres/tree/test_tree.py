"""The tree verb on a server: every way to find a tree gives the same one, before and after the migration."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import networkx as nx
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from cutting import migrate_here
from graphs import IdStyle, flatten, make_table, seeds, small_tables
from llamactl.config.settings import Flags, Settings, load_settings
from llamactl.db.session import open_session
from llamactl.model import DanglingPolicy, ErrorCode, LlamactlError, MarkKind, Node, Tree
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.table import Table
from llamactl.tree import read_tree
from llamactl.tree.cuts import View
from llamactl.tree.log import PROBING, Log
from oracle import Answer, Options, Row, ask, edges, parent_of, present
from stored_roots import stored_roots

BEGIN = datetime(2025, 6, 1, tzinfo=UTC)


def settings_for(dsn: str, directory: Path, **flags: Any) -> Settings:
    return load_settings(Flags(dsn=dsn, **flags), {}, directory)


@pytest.fixture
def show(database: str, tmp_path: Path) -> Callable[..., Tree]:
    """A function: the tree of a job in `database`."""

    def run(job: str, *, flags: dict[str, Any] | None = None, **options: Any) -> Tree:
        settings = settings_for(database, tmp_path, **(flags or {}))
        with open_session(settings, "tree") as session:
            return read_tree(session, settings, View(job, **options))

    return run


def ids(found: Tree) -> list[str | None]:
    return [node.job_id for node in found.nodes]


def add_root(connection: psycopg.Connection[Any]) -> None:
    """As the migration would, for chains."""
    connection.execute('ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)')
    connection.execute(
        """WITH RECURSIVE walk AS (
             SELECT id, job_id, job_id AS root FROM "LlamaLog"
             WHERE job_id IS NOT NULL AND parent_job_id IS NULL
             UNION ALL
             SELECT log.id, log.job_id, walk.root
             FROM walk JOIN "LlamaLog" AS log ON log.parent_job_id = walk.job_id)
           UPDATE "LlamaLog" AS log SET root_job_id = walk.root FROM walk WHERE walk.id = log.id"""
    )
    connection.execute('CREATE INDEX ON "LlamaLog" (root_job_id)')


CHAINS = [("r", None), ("a", "r"), ("b", "a"), ("c", "r"), ("s", None), ("t", "s"), (None, None)]


# --- one job --------------------------------------------------------------------------------------------


def test_any_job_of_a_tree_shows_the_whole_tree(
    show: Callable[..., Tree], insert: Callable[..., None]
) -> None:
    insert(CHAINS)
    for job in ("r", "a", "b", "c"):
        found = show(job)
        assert ids(found) == ["r", "a", "b", "c"]
        assert [node.job_id for node in found.nodes if node.marks] == [job]
        assert (found.root_job_id, found.jobs, found.logs) == ("r", 4, 4)
    assert ids(show("a", subtree=True)) == ["a", "b"]
    assert ids(show("r", depth=1)) == ["r", "a", "c"]
    assert ids(show("r", limit=1)) == ["r", "a", "b"]


@pytest.mark.parametrize("migrated", [False, True], ids=["before", "after"])
def test_a_subtree_has_what_the_whole_tree_draws_elsewhere(
    show: Callable[..., Tree], insert: Callable[..., None], database: str, migrated: bool
) -> None:
    insert([("r", None), ("k", "r"), ("j", "r"), ("x", "j"), ("x", "k")])
    insert([{"job_id": "y", "parent_job_id": "x", "status": "FAILED", "is_root_job": False}])
    if migrated:
        assert migrate_here(database).code == 0
    for job in ("k", "j"):
        found = show(job, subtree=True)
        assert ids(found) == [job, "x", "y"]
        assert (found.failed, found.jobs, found.root_job_id, found.nodes[0].parent_job_id) == (1, 3, "r", "r")
        assert ids(show(job, subtree=True, only="failed")) == [job, "x", "y"]
    assert set(ids(show("r", only="failed"))) == {"r", "k", "j", "x", "y"}


def test_rows_are_told_with_what_they_hold(show: Callable[..., Tree], insert: Callable[..., None]) -> None:
    row = {
        "job_id": "r",
        "operation": "album:created",
        "category": "FAILED",
        "status": "FAILED",
        "entity_type": "ALBUM",
        "entity_id": "00000000-0000-0000-0000-000000000001",
        "duration_ms": 1200,
        "error_message": "503",
        "created_at": "2025-06-01 10:00:00.5",
    }
    insert([row])
    [log] = show("r").nodes[0].logs
    assert (log.operation, log.category, log.status) == ("album:created", "FAILED", "FAILED")
    assert (log.entity_type, log.entity_id) == ("ALBUM", "00000000-0000-0000-0000-000000000001")
    assert (log.duration_ms, log.error_message, log.created_at) == (1200, "503", "2025-06-01T10:00:00.5")


@pytest.mark.parametrize(
    "job", ["nobody", "", " \t", "R", "r ", "\0", "\ud800", "'; --", "%s", "{}", "n" * 500]
)
def test_a_job_that_the_log_does_not_know(
    show: Callable[..., Tree], insert: Callable[..., None], job: str
) -> None:
    insert([*CHAINS, (" \t", "r"), ("x", "gone", True)])
    with pytest.raises(LlamactlError) as raised:
        show(job)
    assert raised.value.code is ErrorCode.NOT_FOUND


def test_a_parent_that_only_a_flagged_row_names_is_not_known(
    show: Callable[..., Tree], insert: Callable[..., None]
) -> None:
    insert([("x", "gone", True)])
    with pytest.raises(LlamactlError):
        show("gone")
    assert ids(show("gone", flags={"trust_root_flag": False})) == ["gone", "x"]
    assert ids(show("x")) == ["x"]


def test_a_dangling_parent_is_a_root_without_rows(
    show: Callable[..., Tree], insert: Callable[..., None]
) -> None:
    insert([("a", "gone"), (None, "gone")])
    for job in ("gone", "a"):
        found = show(job)
        assert (ids(found), found.root_job_id) == (["gone", "a", None], "gone")
        assert found.nodes[0].logs == ()
    found = show("a", flags={"dangling": DanglingPolicy.NULL})
    assert found.root_job_id is None
    assert all(MarkKind.ORIGIN_UNKNOWN in [mark.kind for mark in node.marks] for node in found.nodes)


def test_the_parent_named_in_the_oldest_row_counts_then_the_smallest(
    show: Callable[..., Tree], insert: Callable[..., None]
) -> None:
    def child(parent: str, minute: int) -> dict[str, Any]:
        return {"job_id": "c", "parent_job_id": parent, "created_at": f"2025-01-01 00:0{minute}"}

    insert([("r", None), ("a", "r"), ("b", "r"), child("a", 2), child("b", 1)])
    parents = {node.job_id: node.parent_job_id for node in show("r").nodes}
    assert parents["c"] == "b"
    insert([child("a", 1)])
    assert {node.job_id: node.parent_job_id for node in show("r").nodes}["c"] == "a"


def test_after_the_migration_the_root_column_serves_even_without_the_rows_between(
    show: Callable[..., Tree], insert: Callable[..., None], connection: psycopg.Connection[Any]
) -> None:
    insert(CHAINS)
    add_root(connection)
    connection.execute("""DELETE FROM "LlamaLog" WHERE job_id = 'a'""")
    found = show("r")
    assert ids(found) == ["r", "b", "c"]
    assert [(mark.kind, mark.job_id) for mark in found.nodes[1].marks] == [(MarkKind.PARENT_NOT_LOGGED, "a")]


def test_rows_that_came_after_the_migration_without_a_root_are_found(
    show: Callable[..., Tree], insert: Callable[..., None], connection: psycopg.Connection[Any]
) -> None:
    insert(CHAINS)
    add_root(connection)
    insert([("new", "b"), ("newer", "new"), (None, "newer"), ("newer", None)])
    for job in ("r", "newer"):
        found = show(job)
        assert ids(found) == ["r", "a", "b", "new", "newer", None, "c"]
        assert (found.root_job_id, found.logs) == ("r", 8)


# --- stored roots that the parents contradict ----------------------------------------------------------


def marks(found: Tree, job: str) -> list[tuple[MarkKind, str | None]]:
    [node] = [node for node in found.nodes if node.job_id == job]
    return [(mark.kind, mark.job_id) for mark in node.marks if mark.kind is not MarkKind.ASKED]


def links(found: Tree) -> list[tuple[str | None, str | None]]:
    return [(node.job_id, node.parent_job_id) for node in found.nodes]


DIFFERS = MarkKind.STORED_ROOT_DIFFERS
each_index = pytest.mark.parametrize("index", ["", "job_id"], ids=["default", "job_id"])


@each_index
def test_a_parent_that_changed_moves_the_job(
    show: Callable[..., Tree],
    insert: Callable[..., None],
    connection: psycopg.Connection[Any],
    database: str,
    index: str,
) -> None:
    insert([("r", None), ("k", "r"), ("c", "k"), ("j", "r"), ("s", None), (None, "k")])
    if index:
        connection.execute(f'CREATE INDEX ON "LlamaLog" ({index})'.encode())
    assert migrate_here(database).code == 0
    connection.execute("""UPDATE "LlamaLog" SET parent_job_id = 's' WHERE job_id = 'k'""")
    for job in ("s", "k", "c"):
        found = show(job)
        assert links(found) == [("s", None), ("k", "s"), ("c", "k"), (None, "k")]
        assert (marks(found, "s"), marks(found, "k"), marks(found, "c")) == ([], *[[(DIFFERS, "r")]] * 2)
        assert (found.root_job_id, found.jobs, found.logs) == ("s", 3, 4)
    assert links(show("k", up=True)) == [("s", None), ("k", "s")]
    assert ids(show("k", subtree=True)) == ["k", "c", None]
    found = show("r")
    assert links(found) == [("r", None), ("j", "r")]
    [note] = [note for note in found.notes if "root" in note]
    assert note.startswith("3 jobs store the root r, but their parents lead elsewhere")
    assert "llamactl verify" in note
    assert "repair --overwrite" in note


@each_index
def test_other_changes_of_parents(
    show: Callable[..., Tree],
    insert: Callable[..., None],
    connection: psycopg.Connection[Any],
    database: str,
    index: str,
) -> None:
    insert([("r", None), ("k", "r"), ("c", "k"), ("q", None), ("x", "r"), ("y", "x"), ("g", "r"), ("n", "g")])
    if index:
        connection.execute(f'CREATE INDEX ON "LlamaLog" ({index})'.encode())
    assert migrate_here(database).code == 0
    # k has no parent any more; r has one; x and y are a cycle; the parent of g is none that is logged.
    for parent, job in ((None, "k"), ("q", "r"), ("y", "x"), ("gone", "n")):
        change = 'UPDATE "LlamaLog" SET parent_job_id = %s WHERE job_id = %s'
        connection.execute(change.encode(), [parent, job])
    assert links(show("c")) == links(show("k")) == [("k", None), ("c", "k")]
    assert marks(show("k"), "k") == [(DIFFERS, "r")]
    for job in ("r", "q", "g"):
        found = show(job)
        assert links(found) == [("q", None), ("r", "q"), ("g", "r")]
        assert marks(found, "r") == [(DIFFERS, "r")]
    found = show("y")
    assert {node.job_id for node in found.nodes} == {"x", "y"}
    assert (found.root_job_id, marks(found, "x")[-1], marks(found, "y")[-1]) == (None, *[(DIFFERS, "r")] * 2)
    # r is no root, so what it once caused stays below the parent that it names.
    assert links(show("n")) == [("gone", None), ("n", "gone")]
    connection.execute("""UPDATE "LlamaLog" SET parent_job_id = NULL WHERE job_id = 'r'""")
    found = show("n")
    assert links(found)[0] == ("r", None)
    assert {*links(found)} == {("r", None), ("g", "r"), ("n", "r")}
    assert marks(found, "n") == [(MarkKind.PARENT_NOT_LOGGED, "gone")]


def test_rows_of_the_root_itself_whose_root_is_not_stored(
    show: Callable[..., Tree], insert: Callable[..., None], connection: psycopg.Connection[Any], database: str
) -> None:
    insert([("r", None), ("a", "r"), ("a", None), ("b", "a")])
    before = show("r", flags={})
    assert migrate_here(database).code == 0
    connection.execute("""UPDATE "LlamaLog" SET root_job_id = NULL WHERE parent_job_id IS NULL""")
    for job in ("r", "a", "b"):
        found = show(job)
        assert (links(found), found.logs) == (links(before), 4)


# --- notes and plans ------------------------------------------------------------------------------------


def test_it_says_when_the_whole_table_is_read(
    show: Callable[..., Tree], insert: Callable[..., None], connection: psycopg.Connection[Any]
) -> None:
    insert(CHAINS)
    assert [note.partition(",")[0] for note in show("b").notes] == ["No index leads with job_id"]
    add_root(connection)
    assert show("r").notes == ()
    assert [note.partition(",")[0] for note in show("b").notes] == ["No index leads with job_id"]
    connection.execute('CREATE INDEX ON "LlamaLog" (job_id, operation)')
    assert show("b").notes == ()
    connection.execute('DROP INDEX "LlamaLog_parent_job_id_idx"')
    assert [note.partition(",")[0] for note in show("b").notes] == ["No index leads with parent_job_id"]


def test_an_index_that_cannot_serve_is_none(
    database: str, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    connection.execute('DROP INDEX "LlamaLog_parent_job_id_idx"')
    connection.execute('CREATE INDEX ON "LlamaLog" (parent_job_id) WHERE retry_count > 0')
    connection.execute('CREATE INDEX ON "LlamaLog" (lower(job_id))')
    connection.execute('CREATE INDEX ON "LlamaLog" (job_id COLLATE "C")')
    settings = settings_for(database, tmp_path)
    with open_session(settings, "tree") as session:
        log = Log.open(Table.open(session, settings))
        assert (log.job_index, log.parent_index) == (False, False)
        connection.execute('CREATE INDEX ON "LlamaLog" (parent_job_id) WHERE parent_job_id IS NOT NULL')
        connection.execute('CREATE INDEX ON "LlamaLog" USING hash (job_id)')
        log = Log.open(Table.open(session, settings))
        assert (log.job_index, log.parent_index) == (True, True)


def plan(connection: psycopg.Connection[Any], path: str, **values: Any) -> str:
    """What the server does for a file."""
    statement = load_query(path, Names()).statements[0]
    literal = psycopg.ClientCursor(connection)
    text = statement.sql
    for number, name in sorted(enumerate(statement.parameters, 1), reverse=True):
        text = text.replace(f"${number}", literal.mogrify("%s", [values[name]]))
    return "\n".join(line for (line,) in connection.execute(f"EXPLAIN {text}".encode()))


def test_from_a_root_id_nothing_is_scanned_after_the_migration(
    insert: Callable[..., None], connection: psycopg.Connection[Any]
) -> None:
    connection.execute(
        """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id)
           SELECT 'op', 'CREATED', 'SUCCESS', 'j' || n, CASE WHEN n % 9 > 0 THEN 'j' || n / 9 * 9 END
           FROM generate_series(0, 49999) AS n"""
    )
    add_root(connection)
    connection.execute('ANALYZE "LlamaLog"')
    common = {"trust_root_flag": True, "roots": "{j900}"}
    assert "Seq Scan" not in plan(connection, "tree/rows", jobs="{}", parents="{}", **common)
    job = {"job": "j900", "parent": "j900", "root": "j900", "own": False, "trust_root_flag": True}
    asked = plan(connection, "tree/asked", **job)
    # The rows of the job are looked for only where the root column does not know it.
    assert asked.index("One-Time Filter") < asked.index("Seq Scan")
    for name, value in PROBING.items():
        connection.execute(f"SET {name} = {value}".encode())
    assert "Seq Scan" not in plan(connection, "tree/down", jobs="{j900}", **common)


# --- the command ----------------------------------------------------------------------------------------


def test_the_command(run_cli: Callable[..., Any], database: str, insert: Callable[..., None]) -> None:
    insert(CHAINS)
    done = run_cli("tree", "b", "--dsn", database, "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["root_job_id"], document["jobs"], document["logs"]) == (0, "r", 4, 4)
    assert [node["job_id"] for node in document["nodes"]] == ["r", "a", "b", "c"]
    assert document["nodes"][2]["marks"] == [{"kind": "asked", "job_id": None}]
    text = run_cli("tree", "b", "--dsn", database, "--ascii")
    assert text.stdout.isascii()
    assert "`-- " in text.stdout
    missing = run_cli("tree", "nobody", "--dsn", database, "--format", "json")
    assert (missing.returncode, json.loads(missing.stdout)["error"]["code"]) == (1, "not_found")


# --- every way gives the same tree ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """Types of the id columns, and what ids they hold."""

    job: str
    parent: str
    style: IdStyle = IdStyle.TEXT
    bare: bool = False
    """Has none of the optional columns."""
    root: str = ""
    """The type of the root column, where it is not that of job_id."""


CREATE_CASELESS = "CREATE COLLATION caseless (provider=icu, locale='und-u-ks-level2', deterministic=false)"
LAYOUTS = {
    "varchar": Layout("varchar(100)", "varchar(100)"),
    "collated": Layout('text COLLATE "C"', 'text COLLATE "POSIX"'),
    "text": Layout("text", "varchar(200)", root="varchar(130)"),
    "char": Layout("char(120)", "char(110)", IdStyle.CHAR),
    "integer": Layout("integer", "integer", IdStyle.INTEGER),
    "integers": Layout("integer", "bigint", IdStyle.INTEGER, root="bigint"),
    "uuid": Layout("uuid", "uuid", IdStyle.UUID),
    "bare": Layout("text", "text", bare=True),
    "caseless": Layout("text COLLATE caseless", "text COLLATE caseless"),
}
# Name of the table -> the columns that have an index; `root` tables are filled.
INDEXES = {
    "none": (),
    "parent": ("parent_job_id",),
    "job": ("job_id",),
    "both": ("job_id", "parent_job_id"),
    "root": ("root_job_id",),
    "root_parent": ("parent_job_id", "root_job_id"),
    "root_both": ("job_id", "parent_job_id", "root_job_id"),
}


class Bench:
    """The same rows in several tables, which differ in their indexes and in whether they are migrated."""

    def __init__(
        self, layout: Layout, connection: psycopg.Connection[Any], dsn: str, directory: Path
    ) -> None:
        self.layout, self.connection, self.dsn, self.directory = layout, connection, dsn, directory
        if "caseless" in layout.job:
            connection.execute(CREATE_CASELESS)
        self.tables = [name for name in INDEXES if not (layout.bare and name.startswith("root"))]
        for table in self.tables:
            connection.execute(
                f'CREATE TABLE "{table}" (id text PRIMARY KEY, {self.columns(table)})'.encode()
            )
            for column in INDEXES[table]:
                connection.execute(f'CREATE INDEX ON "{table}" ({column})'.encode())

    def columns(self, table: str) -> str:
        columns = f"job_id {self.layout.job}, parent_job_id {self.layout.parent}"
        columns += "" if self.layout.bare else ", is_root_job boolean, created_at timestamptz"
        return columns + (
            f", root_job_id {self.layout.root or self.layout.job}" if table.startswith("root") else ""
        )

    def fill(self, rows: Sequence[Row], options: Options) -> list[Row]:
        """Returns the rows as a table holds them."""
        held = [replace(row, root_job_id=None) for row in rows]
        if self.layout.bare:
            held = [replace(row, is_root_job=None) for row in held]
        self.stored = stored_roots(held, options, Random(len(rows)))
        for table in self.tables:
            names = ["id", "job_id", "parent_job_id"]
            names += [] if self.layout.bare else ["is_root_job", "created_at"]
            names += ["root_job_id"] if table.startswith("root") else []
            with self.connection.transaction(), self.connection.cursor() as cursor:
                cursor.execute(f'TRUNCATE "{table}"'.encode())
                with cursor.copy(f'COPY "{table}" ({", ".join(names)}) FROM STDIN'.encode()) as copy:
                    for number, row in enumerate(held):
                        created = BEGIN + timedelta(minutes=number * 7 % 5)
                        values = {"created_at": created, "root_job_id": self.stored[row.id]}
                        copy.write_row(
                            [values[name] if name in values else getattr(row, name) for name in names]
                        )
        return held

    @contextmanager
    def opened(self, table: str, options: Options) -> Iterator[Callable[..., Tree]]:
        flags = {"dangling": options.dangling, "trust_root_flag": options.trust_root_flag}
        settings = settings_for(self.dsn, self.directory, table=table, **flags)
        with open_session(settings, "tree") as session:
            yield lambda job, **view: plain(read_tree(session, settings, View(job, **view)))

    def check(self, rows: Sequence[Row], options: Options, most: int) -> None:
        held = self.fill(rows, options)
        answer, graph = ask(held, options), edges(held, options)
        asked = sorted(graph)[:: max(1, len(graph) // most)]
        with self.opened(self.tables[0], options) as show:
            expected = [show(job) for job in asked]
            below = [show(job, subtree=True) for job in asked]
        for job, found in zip(asked, expected, strict=True):
            check_tree(found, job, held, answer, options)
        for job, found in zip(asked, below, strict=True):
            assert {node.job_id for node in found.nodes if node.job_id} == {job, *nx.ancestors(graph, job)}
        for table in self.tables[1:]:
            with self.opened(table, options) as show:
                for job, whole, part in zip(asked, expected, below, strict=True):
                    found = show(job)
                    assert without_stored(found) == whole, (table, job)
                    assert without_stored(show(job, subtree=True)) == part, (table, job)
                    if table.startswith("root"):
                        check_stored(found, self.stored, answer, options)


def without_stored(found: Tree) -> Tree:
    """Without what is said of the stored roots alone."""
    nodes = [
        replace(node, marks=tuple(one for one in node.marks if one.kind is not MarkKind.STORED_ROOT_DIFFERS))
        for node in found.nodes
    ]
    return replace(found, nodes=tuple(nodes))


def check_stored(found: Tree, stored: dict[str, str | None], answer: Answer, options: Options) -> None:
    for node in found.nodes:
        subject = node.job_id if node.job_id is not None else node.parent_job_id
        assert subject is not None
        wrong = {stored[log.id] for log in node.logs} - {None, root_of(subject, answer, options)}
        marks = [mark.job_id for mark in node.marks if mark.kind is MarkKind.STORED_ROOT_DIFFERS]
        assert (set(marks), len(marks)) == (wrong, len(set(marks)))


def plain(found: Tree) -> Tree:
    """With its nodes as values; without the notes, which tell how it was read."""
    return replace(found, nodes=tuple(found.nodes), notes=())


def check_tree(found: Tree, job: str, rows: Sequence[Row], answer: Answer, options: Options) -> None:
    """A tree against the definitions of lineage alone."""
    parents = edges(rows, options)
    shown = [node.job_id for node in found.nodes if node.job_id is not None]
    assert len(set(shown)) == len(shown) == found.jobs
    assert job in shown
    assert set(shown) == {shown[0]} | reachable(parents, shown[0])
    assert found.root_job_id == root_of(job, answer, options)
    if found.root_job_id is not None:
        assert shown[0] == found.root_job_id
    logs = [row.id for node in found.nodes for row in node.logs]
    wanted = [r.id for r in rows if (present(r.job_id) or parent_of(r, options)) in set(shown)]
    assert sorted(logs) == sorted(wanted)
    for node in found.nodes:
        check_node(node, shown[0], parents, answer, options)


def check_node(node: Node, top: str, parents: Any, answer: Answer, options: Options) -> None:
    kinds = [mark.kind for mark in node.marks]
    subject = node.job_id if node.job_id is not None else node.parent_job_id
    assert subject is not None
    assert (MarkKind.ORIGIN_UNKNOWN in kinds) == (root_of(subject, answer, options) is None)
    if node.job_id is not None and node.parent_job_id is not None:
        assert parents.has_edge(node.job_id, node.parent_job_id)
    for mark in node.marks:
        if mark.kind is MarkKind.PARENT_NOT_LOGGED:
            assert mark.job_id not in answer.logged
        if mark.kind is MarkKind.ALSO_UNDER:
            assert mark.job_id in {top, *answer.logged}
            assert parents.has_edge(node.job_id, mark.job_id)
        if mark.kind is MarkKind.CYCLE:
            assert parents.has_edge(mark.job_id, node.job_id)
            assert any({mark.job_id, node.job_id} <= set(cycle) for cycle in answer.cycles)


def reachable(parents: Any, top: str) -> set[str]:
    found: set[str] = set()
    waiting = [top]
    while waiting:
        children = set(parents.predecessors(waiting.pop())) - found
        found |= children
        waiting += children
    return found


def root_of(job: str, answer: Answer, options: Options) -> str | None:
    if job in answer.cyclic or len(answer.jobs[job].ends) > 1:
        return None
    [root] = answer.jobs[job].ends
    return root if root in answer.logged or options.dangling is DanglingPolicy.FILL else None


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    needs_icu = "caseless" in request.param.job
    server = request.getfixturevalue("icu_server" if needs_icu else "server")
    name = server.create()
    with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
        yield Bench(request.param, connection, server.conninfo(name), tmp_path)
    server.drop(name)


# The fixture's database is used again by the next example.
ONE = profile(
    max_examples=1,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
MANY = profile(ONE, max_examples=4)
SHRINKING = profile(ONE, max_examples=3, phases=list(Phase))
options_of_any_kind = st.builds(Options, st.sampled_from(DanglingPolicy), st.booleans())
each_layout = pytest.mark.parametrize("bench", LAYOUTS.values(), ids=LAYOUTS, indirect=True)


@pytest.mark.parametrize(
    "bench",
    [pytest.param(LAYOUTS[name], id=name) for name in ("varchar", "integers", "uuid", "bare")],
    indirect=True,
)
@given(seed=seeds, options=options_of_any_kind)
@ONE
def test_tables_with_every_fault(bench: Bench, seed: int, options: Options) -> None:
    bench.check(make_table(seed, 12, bench.layout.style).rows, options, most=8)


@pytest.mark.parametrize("bench", [LAYOUTS["varchar"]], ids=["varchar"], indirect=True)
@given(tables=st.lists(small_tables(), min_size=3, max_size=6), options=options_of_any_kind)
@SHRINKING
def test_small_tables_of_any_kind(bench: Bench, tables: list[list[Row]], options: Options) -> None:
    """Where these fail, hypothesis shrinks them to a few rows."""
    bench.check(flatten(tables), options, most=8)


@pytest.mark.slow
@each_layout
@given(seed=seeds, options=options_of_any_kind)
@MANY
def test_many_tables_with_every_fault(bench: Bench, seed: int, options: Options) -> None:
    bench.check(make_table(seed, 40, bench.layout.style).rows, options, most=30)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [(), ("job_id",), ("job_id", "root_job_id")], ids="_".join)
def test_a_chain_of_100_000_jobs(
    show: Callable[..., Tree], connection: psycopg.Connection[Any], columns: Sequence[str]
) -> None:
    length = 100_000
    connection.execute(
        """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id)
           SELECT 'requeue', 'CACHED', 'SUCCESS', 'j' || n, CASE WHEN n > 0 THEN 'j' || n - 1 END
           FROM generate_series(0, 99999) AS n"""
    )
    if "root_job_id" in columns:
        connection.execute("""ALTER TABLE "LlamaLog" ADD root_job_id varchar(100) DEFAULT 'j0'""")
    for column in columns:
        connection.execute(f'CREATE INDEX ON "LlamaLog" ({column})'.encode())
    found = show(f"j{length - 1}")
    assert (found.root_job_id, found.jobs, found.depth) == ("j0", length, length - 1)
    assert show("j5", depth=3).omitted == {"--depth": length - 4}
