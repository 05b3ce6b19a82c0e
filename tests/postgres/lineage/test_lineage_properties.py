"""Lineage in the database against the oracle, on tables with every fault mixed in: not one row may differ."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from psycopg import sql

from graphs import (
    LOOKS_LIKE_NOTHING,
    LOOKS_LIKE_SYNTAX,
    IdStyle,
    Table,
    flatten,
    make_table,
    seeds,
    small_tables,
)
from llamactl.config.settings import Flags, Settings, load_settings
from llamactl.db.session import Session, open_session
from llamactl.lineage.resolve import count_rows, find_cycles, prepare_lineage, resolve_roots
from llamactl.model import Relation
from llamactl.sqlfiles.load import parse_query
from llamactl.sqlfiles.names import Names
from llamactl.table.table import Table as OpenTable
from oracle import ALL_OPTIONS, BLANKS, Answer, Options, Row, ask

EVERYTHING = 1_000_000_000
"""A sample that leaves nothing out."""

ROOTS = "SELECT rooted.row_id, rooted.computed FROM :rooted AS rooted;"
JOBS = """
SELECT DISTINCT rooted.job,
  CASE WHEN rooted.outcome <> 'a' THEN coalesce(rooted.computed, node.job) END,
  rooted.depth, rooted.outcome = 'a', rooted.dangling
FROM :rooted AS rooted
LEFT JOIN cut ON cut.job = rooted.job
LEFT JOIN lineage ON lineage.job = rooted.parent
LEFT JOIN node ON node.number = coalesce(cut.top, lineage.top)
WHERE rooted.job IS NOT NULL AND rooted.outcome <> 'y'
UNION ALL
SELECT edge.job, edge.job, 0, false, true FROM edge WHERE edge.kind = 'd';
"""
"""Every known job: those with rows, and dangling parents."""

# One example costs a second, and the fixture's database is to be used again by the next.
SHRINKING = profile(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
# A smaller seed makes no smaller table.
QUICK = profile(SHRINKING, max_examples=3, phases=[Phase.explicit, Phase.reuse, Phase.generate])
LONG = profile(QUICK, max_examples=5)
GRAPHS = 250
"""In each example of the long tests: 12,500 in all, with five examples of each layout."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table to load: its names, the types of its columns, and which it has."""

    label: str
    names: Names
    id_type: str
    job_type: str
    parent_type: str
    style: IdStyle = IdStyle.TEXT
    optional: bool = True
    """Has is_root_job and root_job_id, which are optional."""

    @property
    def types(self) -> dict[str, str]:
        """Column, by our name, -> type."""
        needed = {"id": self.id_type, "job_id": self.job_type, "parent_job_id": self.parent_type}
        return needed | ({"is_root_job": "boolean", "root_job_id": self.job_type} if self.optional else {})

    def held(self, row: Row) -> Row:
        """The row as this table holds it."""
        id_ = str(uuid.UUID(int=int(row.id))) if self.id_type == "uuid" else row.id
        return replace(row, id=id_, **({} if self.optional else {"is_root_job": None, "root_job_id": None}))


ODD = Names(
    schema='of "odd" names',
    table="job logs; 50% of them",
    columns={
        "id": 'Primary "Key"',
        "job_id": "job id",
        "parent_job_id": "100% Parent's",
        "is_root_job": "is\\root?",
        "root_job_id": "root_$1_:'job'",
    },
)
SNAKE = Names(table="llama_logs")
ICU, CASELESS = 'COLLATE "en-x-icu"', "COLLATE caseless"
CREATE_CASELESS = "CREATE COLLATION caseless (provider=icu, locale='und-u-ks-level2', deterministic=false)"
LAYOUTS = [
    Layout("default", Names(), "uuid", "varchar(100)", "varchar(100)"),
    Layout("odd-names", ODD, "bigint", "text", "text"),
    Layout("collated", SNAKE, "text", f"text {ICU}", "varchar"),
    Layout("other-collated", SNAKE, "text", "text", f"text {ICU}"),
    Layout("case-insensitive", SNAKE, "text", f"text {CASELESS}", f"text {CASELESS}"),
    Layout("citext", SNAKE, "text", "citext", "citext"),
    Layout("char", SNAKE, "smallint", "char(120)", "char(110)", IdStyle.CHAR),
    Layout("integer", replace(ODD, root_type="integer"), "integer", "integer", "bigint", IdStyle.INTEGER),
    Layout("uuid", replace(SNAKE, root_type="uuid"), "uuid", "uuid", "uuid", IdStyle.UUID),
    Layout("bare", SNAKE, "bigint", "text", "text", optional=False),
]
each_layout = pytest.mark.parametrize("bench", LAYOUTS, ids=lambda layout: layout.label, indirect=True)


class Bench:
    """A table to be filled again for each example, and a session that resolves it."""

    def __init__(
        self, layout: Layout, loader: psycopg.Connection[Any], session: Session, settings: Settings
    ) -> None:
        self.layout, self.loader, self.session, self.settings = layout, loader, session, settings
        self.table = sql.Identifier(layout.names.schema, layout.names.table)
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(layout.names.columns[ours]), sql.SQL(type_))
            for ours, type_ in layout.types.items()
        ]
        loader.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(layout.names.schema)))
        loader.execute(sql.SQL("CREATE TABLE {} ({})").format(self.table, sql.SQL(", ").join(columns)))

    def fill(self, rows: Sequence[Row]) -> list[Row]:
        """Replaces the table's rows; returns them as it holds them."""
        ours = list(self.layout.types)
        columns = map(sql.Identifier, (self.layout.names.columns[name] for name in ours))
        held = [self.layout.held(row) for row in rows]
        with self.loader.transaction(), self.loader.cursor() as cursor:
            cursor.execute(sql.SQL("TRUNCATE {}").format(self.table))
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(self.table, sql.SQL(", ").join(columns))
            with cursor.copy(statement) as copy:
                for row in held:
                    copy.write_row([getattr(row, name) for name in ours])
        return held

    def select(self, statement: str) -> list[tuple[Any, ...]]:
        return list(self.session.tuples(parse_query("test", statement, self.layout.names)))

    def opened(self, settings: Settings) -> OpenTable:
        """Without the catalogs' answer, which the lineage does not ask: these tables have no key."""
        return OpenTable(self.session, settings, cast("Relation", None), self.layout.names)

    @contextmanager
    def resolved(self, options: Options) -> Iterator[None]:
        """With the temporary relations filled."""
        settings = replace(self.settings, dangling=options.dangling, trust_root_flag=options.trust_root_flag)
        with self.session.snapshot():
            table = self.opened(settings)
            prepare_lineage(table)
            self.session.read_only()
            resolve_roots(table)
            yield

    def check(self, table: Table) -> None:
        """Resolves the rows under all options, and compares everything with the oracle."""
        held = self.fill(table.rows)
        graph_of = {row.id: table.graph_of[made.id] for row, made in zip(held, table.rows, strict=True)}
        for options in ALL_OPTIONS:
            answer = ask(held, options)
            with self.resolved(options):
                roots = dict(self.select(ROOTS))
                if roots != answer.roots:
                    pytest.fail(tell(held, graph_of, answer, roots, options))
                self.check_jobs(answer)
                empty = [row.id for row in held if row.root_job_id is None]
                lacking = sum(answer.roots[id_] is not None for id_ in empty)
                counts = count_rows(self.opened(self.settings))
                assert counts == (answer.counts, lacking), options
                self.check_cycles(answer)

    def check_jobs(self, answer: Answer) -> None:
        found = {job: facts for job, *facts in self.select(JOBS)}
        assert found.keys() == answer.jobs.keys()
        for job, (root, depth, ambiguous, dangling) in found.items():
            ends = answer.jobs[job].ends
            assert (depth, ambiguous) == (answer.jobs[job].depth, len(ends) > 1), job
            if not ambiguous:
                assert ({root}, dangling) == (ends, root not in answer.logged), job

    def check_cycles(self, answer: Answer) -> None:
        cycles, total = find_cycles(self.opened(self.settings), EVERYTHING)
        assert [list(cycle.jobs) for cycle in cycles] == answer.cycles
        assert [cycle.size for cycle in cycles] == [len(cycle) for cycle in answer.cycles]
        assert total == len(answer.cycles)


def tell(
    rows: Sequence[Row],
    graph_of: dict[str, int],
    answer: Answer,
    roots: dict[str, str | None],
    options: Options,
) -> str:
    """What is wrong in the smallest of the graphs that have wrong rows."""
    wrong = {row.id for row in rows if roots.get(row.id, "no such row") != answer.roots[row.id]}
    graphs: dict[int, list[Row]] = {graph_of[id_]: [] for id_ in wrong}
    for row in rows:
        if graph_of[row.id] in graphs:
            graphs[graph_of[row.id]].append(row)
    lines = [f"{options}: {len(wrong)} wrong rows in {len(graphs)} graphs; extra: {roots.keys() - graph_of}"]
    smallest = min(graphs.values(), key=len, default=[])
    for row in sorted(smallest, key=lambda row: row.id not in wrong)[:60]:
        lines.append(f"{row}: {roots.get(row.id, 'no such row')!r}, should be {answer.roots[row.id]!r}")
    return "\n".join(lines)


@contextmanager
def open_bench(layout: Layout, dsn: str, directory: Path) -> Iterator[Bench]:
    settings = load_settings(Flags(dsn=dsn), {}, directory)
    with psycopg.connect(dsn, autocommit=True) as loader, open_session(settings, verb="test") as session:
        yield Bench(adapted(layout, loader), loader, session, settings)


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, new_database: Callable[..., str], tmp_path: Path
) -> Iterator[Bench]:
    with open_bench(request.param, new_database(empty=True), tmp_path) as bench:
        yield bench


def adapted(layout: Layout, loader: psycopg.Connection[Any]) -> Layout:
    """The layout as this server can have it: the wheel's has neither ICU nor citext."""
    icu = loader.execute("SELECT FROM pg_collation WHERE collname = 'en-x-icu'").fetchall()
    if icu:
        loader.execute(CREATE_CASELESS)
    citext = loader.execute("SELECT FROM pg_available_extensions WHERE name = 'citext'").fetchall()
    if citext:
        loader.execute("CREATE EXTENSION citext")

    def plain(type_: str) -> str:
        type_ = type_ if icu else type_.replace(ICU, 'COLLATE "POSIX"').replace(CASELESS, 'COLLATE "POSIX"')
        return type_ if citext else type_.replace("citext", "varchar")

    return replace(layout, job_type=plain(layout.job_type), parent_type=plain(layout.parent_type))


@each_layout
@given(seed=seeds)
@QUICK
def test_tables_with_every_fault(bench: Bench, seed: int) -> None:
    bench.check(make_table(seed, 25, bench.layout.style))


@pytest.mark.parametrize("bench", LAYOUTS[:1], ids=lambda layout: layout.label, indirect=True)
@given(tables=st.lists(small_tables(), min_size=10, max_size=40))
@SHRINKING
def test_small_graphs_of_any_kind(bench: Bench, tables: list[list[Row]]) -> None:
    """Where these fail, hypothesis shrinks them to a few rows."""
    rows = flatten(tables)
    bench.check(Table(rows, {row.id: 0 for row in rows}))


@pytest.mark.slow
@each_layout
def test_ten_thousand_graphs_with_every_fault(bench: Bench) -> None:
    done: set[int] = set()

    @given(seed=seeds)
    @LONG
    def check(seed: int) -> None:
        done.add(seed)
        bench.check(make_table(seed, GRAPHS, bench.layout.style))

    check()
    assert len(done) * GRAPHS * len(LAYOUTS) >= 10_000


@pytest.mark.parametrize("bench", LAYOUTS[:1], ids=lambda layout: layout.label, indirect=True)
def test_empty_table(bench: Bench) -> None:
    bench.check(Table([], {}))


@pytest.mark.parametrize("bench", LAYOUTS[:1], ids=lambda layout: layout.label, indirect=True)
@pytest.mark.parametrize("sample", [0, 1, 2, 3])
def test_sample_cuts_cycles_and_their_jobs(bench: Bench, sample: int) -> None:
    links = [("é", "é"), ("b", "c"), ("c", "d"), ("d", "b"), ("Z", "a"), ("a", "Z"), ("t", "a")]
    bench.fill([Row(str(number), *link) for number, link in enumerate(links)])
    with bench.resolved(Options()):
        cycles, total = find_cycles(bench.opened(bench.settings), sample)
    expected = [["Z", "a"], ["b", "c", "d"], ["é"]]
    assert [list(cycle.jobs) for cycle in cycles] == [jobs[:sample] for jobs in expected[:sample]]
    assert [cycle.size for cycle in cycles] == [len(jobs) for jobs in expected[:sample]]
    assert total == 3


@pytest.mark.parametrize("layout", [LAYOUTS[1], LAYOUTS[4]], ids=lambda layout: layout.label)
def test_ids_that_look_like_nothing(layout: Layout, each_database: str, tmp_path: Path) -> None:
    """Or like syntax. `\\v` is a letter before Postgres 17; other collations take U+200B for nothing."""
    links: list[tuple[str | None, str | None]] = []
    for id_ in (*LOOKS_LIKE_NOTHING, *LOOKS_LIKE_SYNTAX):
        links += [(id_, None), (id_ + id_, id_), (None, id_)]
    for blank in ("", *BLANKS, BLANKS):
        links += [(blank, blank), (blank, "v"), ("k", blank)]
    rows = [Row(str(number), *link) for number, link in enumerate(links)]
    with open_bench(layout, each_database, tmp_path) as bench:
        bench.check(Table(rows, {row.id: 0 for row in rows}))
