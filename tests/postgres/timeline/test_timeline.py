"""The timeline verb on a server: against what is true of a log, before and after the migration."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from cutting import migrate_here
from graphs import IdStyle, make_table, seeds
from llamactl.model import (
    DanglingPolicy,
    ErrorCode,
    LlamactlError,
    Subject,
    SubjectKind,
    Timeline,
    TimelineRow,
)
from llamactl.timeline import read_timeline, spool
from llamactl.timeline.filters import Filters
from odd_names import ODD_NAMES, rename
from oracle import Options, Row, ask, parent_of, present
from pages import CHECKOUT
from roles import new_role
from sessions import session, settings_for
from stored_roots import stored_roots

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]
Show = Callable[..., Timeline]
BEGIN = datetime(2025, 6, 1, tzinfo=UTC)
ALBUM, ARTIST, TRACK = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2, 3))


def shown(dsn: str, kind: str, id_: str, filters: Filters = Filters(), **flags: Any) -> Timeline:
    with session(dsn, **flags) as opened:
        return read_timeline(opened, settings_for(dsn, **flags), Subject(SubjectKind(kind), id_), filters)


@pytest.fixture
def show(database: str) -> Show:
    """A function: the timeline of a kind of thing with this id in `database`."""
    return lambda kind, id_, flags={}, **filters: shown(database, kind, id_, Filters(**filters), **flags)


def row(job: str | None, parent: str | None, minute: int, **values: Any) -> dict[str, Any]:
    created = datetime(2025, 6, 1, 10, minute)
    return {"job_id": job, "parent_job_id": parent, "created_at": created, **values}


# An album's job, what it caused, what came before, and another job that touched its artist.
HISTORY = [
    row(None, None, 0, entity_id=ALBUM, category="CREATED", operation="old"),
    row("enrich", "album", 12, entity_id=ALBUM, operation="enriched"),
    row("album", None, 11, entity_id=ALBUM, category="CREATED", operation="created"),
    row(
        "artist", "album", 13, entity_type="ARTIST", entity_id=ARTIST, category="CREATED", operation="artist"
    ),
    row("track", "enrich", 14, entity_type="TRACK", album_id=ALBUM, category="FAILED", operation="failed"),
    row("other", None, 20, entity_type="ARTIST", entity_id=ARTIST, operation="other"),
    row("x", "y", 21, entity_type="TRACK", artist_id=ARTIST, operation="cyclic"),
    row("y", "x", 22, operation="cyclic too"),
]
INTO_TABLES = f"""
INSERT INTO albums (id, title) VALUES ('{ALBUM}', 'Blue Train');
INSERT INTO artists (id, name) VALUES ('{ARTIST}', 'John Coltrane');
INSERT INTO tracks (id, title) VALUES ('{TRACK}', 'Locomotion')
"""


@pytest.fixture(params=["before", "after"])
def history(request: pytest.FixtureRequest, database: str, connection: Connection, insert: Insert) -> str:
    """The conninfo of a log with HISTORY, before and after its migration."""
    connection.execute(INTO_TABLES.encode())
    insert(HISTORY)
    if request.param == "after":
        assert migrate_here(database).code == 0
    return database


def operations(found: Timeline) -> list[str | None]:
    return [one.operation for one in found.rows]


# --- what belongs to it -----------------------------------------------------------------------------------


def test_an_album(history: str, show: Show) -> None:
    found = show("album", ALBUM)
    assert operations(found) == ["old", "created", "enriched", "artist", "failed"]
    assert (found.of.name, found.total, found.orphans, found.failed) == ("Blue Train", 5, 1, 1)
    assert (found.created_at, found.first_linked_at) == ("2025-06-01T10:00:00", None)
    assert [one.origin_unknown for one in found.rows] == [True, False, False, False, False]
    assert [one.is_root for one in found.rows] == [False, True, False, False, False]
    old, created, _, artist, failed = found.rows
    assert (old.root_job_id, created.root_job_id, failed.root_job_id) == (None, "album", "album")
    assert (artist.entity_name, failed.entity_name, failed.album_name) == (
        "John Coltrane",
        None,
        "Blue Train",
    )


def test_an_artist_of_several_roots(history: str, show: Show) -> None:
    found = show("artist", ARTIST)
    # What is below a cycle has no root: only the row that carries the id belongs here.
    assert operations(found) == ["created", "enriched", "artist", "failed", "other", "cyclic"]
    assert (found.of.name, found.orphans, found.created_at) == ("John Coltrane", 1, "2025-06-01T10:13:00")


def test_a_root(history: str, show: Show) -> None:
    found = show("root", "album")
    assert operations(found) == ["created", "enriched", "artist", "failed"]
    assert (found.of.name, found.created_at, found.first_linked_at) == (None, "2025-06-01T10:11:00", None)
    for job in ("enrich", "x", "nobody", "ALBUM", "album "):
        with pytest.raises(LlamactlError, match="No row of the log has the root"):
            show("root", job)


def test_when_it_was_linked(database: str, connection: Connection, insert: Insert, show: Show) -> None:
    connection.execute(INTO_TABLES.encode())
    assert migrate_here(database).code == 0
    insert(
        [
            row("a", None, 5, category="LINKED", entity_id=ALBUM),
            row("b", None, 3, category="LINKED", entity_id=ALBUM),
            row("b", None, 2, category="LINKED", entity_type="TRACK", album_id=ALBUM),
            row("c", None, 9, category="CREATED", album_id=ALBUM),
        ]
    )
    found = show("album", ALBUM)
    assert (found.created_at, found.first_linked_at) == ("2025-06-01T10:09:00", "2025-06-01T10:03:00")


def test_dangling_parents_are_roots_where_they_fill(insert: Insert, show: Show) -> None:
    insert([row("a", "gone", 1, entity_id=ALBUM), row(None, "gone", 2)])
    assert len(show("root", "gone").rows) == len(show("album", ALBUM).rows) == 2
    null = {"dangling": DanglingPolicy.NULL}
    assert [one.job_id for one in show("album", ALBUM, flags=null).rows] == ["a"]
    with pytest.raises(LlamactlError):
        show("root", "gone", flags=null)


def test_rows_whose_root_is_not_stored_or_wrong(
    database: str, connection: Connection, insert: Insert, show: Show
) -> None:
    insert([row("r", None, 1), row("k", "r", 2, entity_id=ALBUM), row("s", None, 3), row("c", "k", 4)])
    insert([row(None, "k", 5), row("r", None, 6)])
    assert migrate_here(database).code == 0
    insert([row("new", "c", 7, entity_id=ALBUM, status="FAILED"), row("r", None, 8), row(None, "new", 9)])
    connection.execute("""UPDATE "LlamaLog" SET root_job_id = NULL WHERE job_id = 'r'""")
    for kind, id_ in (("root", "r"), ("album", ALBUM)):
        found = show(kind, id_)
        assert [one.job_id for one in found.rows] == ["r", "k", "c", None, "r", "new", "r", None]
        assert ({one.root_job_id for one in found.rows}, found.orphans, found.failed) == ({"r"}, 0, 1)
    with pytest.raises(LlamactlError, match="No row of the log has the root"):
        show("root", "k")
    connection.execute("""UPDATE "LlamaLog" SET parent_job_id = 's' WHERE job_id = 'k'""")
    assert [one.job_id for one in show("root", "r").rows] == ["r", "r", "r"]
    for kind, id_ in (("root", "s"), ("album", ALBUM)):
        found = show(kind, id_)
        assert [one.job_id for one in found.rows] == ["k", "s", "c", None, "new", None]
        assert {one.root_job_id for one in found.rows} == {"s"}


def test_rows_between_that_were_deleted(
    database: str, connection: Connection, insert: Insert, show: Show
) -> None:
    insert([row("r", None, 1), row("a", "r", 2), row("b", "a", 3, entity_id=ALBUM), row("c", "b", 4)])
    assert migrate_here(database).code == 0
    connection.execute("""DELETE FROM "LlamaLog" WHERE job_id = 'a'""")
    for kind, id_ in (("root", "r"), ("album", ALBUM)):
        assert [one.job_id for one in show(kind, id_).rows] == ["r", "b", "c"]
    connection.execute("""DELETE FROM "LlamaLog" WHERE job_id = 'r'""")
    for kind, id_ in (("root", "r"), ("album", ALBUM)):
        assert [one.job_id for one in show(kind, id_).rows] == ["b", "c"]


# --- filters and pages ------------------------------------------------------------------------------------


def test_what_is_left_out_is_counted(history: str, show: Show) -> None:
    at = datetime(2025, 6, 1, 10, 12)
    found = show("album", ALBUM, no_orphans=True, categories=("created", "ENRICHED"), since=at, limit=1)
    assert operations(found) == ["enriched"]
    assert found.omitted == {"--no-orphans": 1, "--category": 1, "--since": 1, "--limit": 1}
    assert (found.total, found.orphans, found.failed) == (5, 1, 1)
    rest = show("album", ALBUM, until=datetime(2025, 6, 1, 12, 13, tzinfo=UTC) - timedelta(hours=2))
    assert (operations(rest), rest.omitted) == (["old", "created", "enriched"], {"--until": 2})
    nothing = show("album", ALBUM, categories=("LINKED",))
    assert ([*nothing.rows], nothing.omitted, nothing.total) == ([], {"--category": 5}, 5)


def test_times_with_and_without_zone(history: str, connection: Connection, show: Show) -> None:
    at = datetime.fromisoformat("2025-06-01T12:12:00+02:00")
    assert show("root", "album", since=at).omitted == {"--since": 1}
    connection.execute(
        """ALTER TABLE "LlamaLog" ALTER created_at TYPE timestamptz USING created_at AT TIME ZONE 'UTC'"""
    )
    connection.execute(f"""ALTER DATABASE {connection.info.dbname} SET timezone = 'Asia/Tokyo'""".encode())
    assert show("root", "album", since=at).omitted == {"--since": 1}
    assert show("root", "album", since=at.astimezone(UTC).replace(tzinfo=None)).omitted == {"--since": 1}


def test_a_cursor_goes_on_where_rows_have_one_time(database: str, insert: Insert, show: Show) -> None:
    insert([row("a", None if number else "", 0) for number in range(7)])
    whole = [one.id for one in show("root", "a").rows]
    first = show("root", "a", limit=3)
    insert([row("a", None, minute) for minute in (1, 2)])  # newer ones do not shift the pages
    second = show("root", "a", limit=5, after=first.next_cursor)
    assert [one.id for one in (*first.rows, *second.rows)][:7] == whole
    assert second.omitted == {"--after": 3, "--limit": 1}
    last = show("root", "a", after=second.next_cursor)
    assert (len(last.rows), last.next_cursor, last.omitted) == (1, None, {"--after": 8})


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "e30", "W10", "\0"])
def test_what_is_no_cursor(insert: Insert, show: Show, cursor: str) -> None:
    insert([row("a", None, 1), row("a", None, 2), row("b", None, 1), row("b", None, 2)])
    with pytest.raises(LlamactlError, match="not a cursor") as raised:
        show("root", "a", after=cursor)
    assert raised.value.code is ErrorCode.USAGE
    others = show("root", "b", limit=1).next_cursor
    with pytest.raises(LlamactlError, match="not a cursor"):
        show("root", "a", after=others)


# --- what cannot be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", ["", "1", "zz", "\0", "\ud800", ALBUM + "0", "{}", "'; --"])
def test_an_id_that_the_columns_cannot_hold(show: Show, id_: str) -> None:
    with pytest.raises(LlamactlError, match="album_id is uuid and entity_id is uuid") as raised:
        show("album", id_)
    assert raised.value.code is ErrorCode.USAGE


def test_an_id_that_is_written_otherwise(history: str, show: Show) -> None:
    assert show("album", "{" + ALBUM.upper() + "}").of.id == ALBUM


@pytest.mark.parametrize("kind", ["album", "artist", "track"])
def test_an_unknown_one(history: str, show: Show, kind: str) -> None:
    with pytest.raises(LlamactlError) as raised:
        show(kind, "ffffffff-0000-0000-0000-000000000000")
    assert raised.value.code is ErrorCode.NOT_FOUND


def test_columns_that_are_not_there(history: str, connection: Connection, show: Show) -> None:
    with pytest.raises(LlamactlError, match="unknown category"):
        show("album", ALBUM, categories=("NEW",))
    connection.execute('ALTER TABLE "LlamaLog" DROP entity_id, DROP created_at, DROP category')
    found = show("album", ALBUM)
    assert (operations(found), found.created_at) == (["failed"], None) or len(found.rows) == 4
    assert any("no created_at" in note for note in found.notes)
    for flag, filters in (
        ("--since", {"since": BEGIN}),
        ("--until", {"until": BEGIN}),
        ("--category", {"categories": ("CREATED",)}),
    ):
        with pytest.raises(LlamactlError, match=f"{flag} needs a column") as raised:
            show("album", ALBUM, **filters)
        assert raised.value.code is ErrorCode.CONFIG
    connection.execute('ALTER TABLE "LlamaLog" DROP album_id')
    with pytest.raises(LlamactlError, match="has no column for album ids") as raised:
        show("album", ALBUM)
    assert raised.value.code is ErrorCode.CONFIG


def test_days(insert: Insert, connection: Connection, show: Show) -> None:
    insert([row("a", None, 1, created_at=f"2025-06-0{day}") for day in (3, 1, 2)])
    connection.execute('ALTER TABLE "LlamaLog" ALTER created_at TYPE date')
    first = show("root", "a", limit=1)
    assert [one.created_at for one in first.rows] == ["2025-06-01"]
    assert len(show("root", "a", after=first.next_cursor).rows) == 2
    noon = datetime(2025, 6, 2, 12)
    assert show("root", "a", since=noon).omitted == {"--since": 2}
    assert show("root", "a", until=noon).omitted == {"--until": 1}
    assert show("root", "a", since=noon.replace(hour=0)).omitted == {"--since": 1}


# --- names ------------------------------------------------------------------------------------------------


def test_names_that_the_role_may_not_read(history: str) -> None:
    with new_role(history) as role:
        role.granted("GRANT USAGE ON SCHEMA public TO {}", history)
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', history)
        found = shown(role.conninfo, "album", ALBUM)
        assert (found.of.name, {one.entity_name for one in found.rows}) == (None, {None})
        assert [note for note in found.notes if "GRANT SELECT (id, title) ON public.albums" in note]
        role.granted("GRANT SELECT (id, title) ON albums TO {}", history)
        found = shown(role.conninfo, "album", ALBUM)
        assert (found.of.name, {one.entity_name for one in found.rows}) == (
            "Blue Train",
            {"Blue Train", None},
        )


def test_row_security_hides_names_and_not_rows(history: str, connection: Connection) -> None:
    connection.execute("ALTER TABLE albums ENABLE ROW LEVEL SECURITY")
    with new_role(history) as role:
        role.granted("GRANT USAGE ON SCHEMA public TO {}", history)
        role.granted('GRANT SELECT ON "LlamaLog", albums, artists TO {}', history)
        found = shown(role.conninfo, "album", ALBUM)
        assert (found.of.name, len(found.rows)) == (None, 5)
        assert "John Coltrane" in {one.entity_name for one in found.rows}


def test_other_peoples_tables(history: str, connection: Connection, show: Show) -> None:
    """A name before a title; a key of another column; none where there is neither."""
    connection.execute("""ALTER TABLE albums ADD name varchar(20) DEFAULT 'by name'""")
    connection.execute('ALTER TABLE albums RENAME id TO "the key"')
    connection.execute('ALTER TABLE albums RENAME TO "my albums"')
    connection.execute("ALTER TABLE artists RENAME name TO label")
    found = show("album", ALBUM)
    assert (found.of.name, {one.entity_name for one in found.rows}) == ("by name", {"by name", None})


@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_odd_names(database: str, connection: Connection, insert: Insert, names: Any) -> None:
    connection.execute(INTO_TABLES.encode())
    insert(HISTORY)
    rename(connection, names)
    columns = {ours: theirs for ours, theirs in names.columns.items() if ours != theirs}
    flags = {"schema": names.schema, "table": names.table, "columns": columns}
    found = shown(database, "album", ALBUM, Filters(categories=("CREATED",), limit=2), **flags)
    assert (operations(found), found.of.name) == (["old", "created"], "Blue Train")


# --- against what is true ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with what a timeline asks of it."""

    row: Row
    created: datetime | None
    category: str
    carries: frozenset[tuple[str, str]]
    """(column, id)."""
    entity_type: str | None


def entries(rows: Sequence[Row], seed: int) -> list[Entry]:
    rng = Random(seed)
    made = []
    for one in rows:
        created = None if rng.random() < 0.1 else BEGIN + timedelta(minutes=rng.randrange(8))
        columns = {name: str(rng.randrange(4)) for name in COLUMNS if rng.random() < 0.08}
        type_ = rng.choice([None, "ALBUM", "ARTIST", "TRACK"])
        category = rng.choice(["CREATED", "LINKED", "FAILED"])
        made.append(Entry(one, created, category, frozenset(columns.items()), type_))
    return made


COLUMNS = ("entity_id", "album_id", "artist_id", "track_id")


def belonging(found: Sequence[Entry], roots: dict[str, str | None], kind: str, id_: str) -> list[Entry]:
    """The entries of a timeline in their order, from the definition alone."""

    def carries(entry: Entry) -> bool:
        by_type = entry.entity_type == kind.upper() and ("entity_id", id_) in entry.carries
        return by_type or (f"{kind}_id", id_) in entry.carries

    mine = {id_} if kind == "root" else {roots[one.row.id] for one in found if carries(one)} - {None}
    belong = [one for one in found if roots[one.row.id] in mine or (carries(one) and not roots[one.row.id])]

    def place(one: Entry) -> tuple[Any, ...]:
        job = present(one.row.job_id)
        is_root = job is not None and job == roots[one.row.id]
        return one.created is None, one.created or BEGIN, not is_root, one.row.id.encode()

    return sorted(belong, key=place)


class Logs:
    """The same entries in a table before the migration and in one after it."""

    def __init__(self, style: IdStyle, connection: Connection, dsn: str) -> None:
        self.style, self.connection, self.dsn = style, connection, dsn
        job = "bigint" if style is IdStyle.INTEGER else "varchar(120)"
        for table, root in (("before", ""), ("slow", ""), ("after", f", root_job_id {job}")):
            columns = f"id text PRIMARY KEY, job_id {job}, parent_job_id {job}, is_root_job boolean, "
            columns += "created_at timestamptz, category text, entity_type text, "
            columns += ", ".join(f"{column} text" for column in COLUMNS) + root
            connection.execute(f'CREATE TABLE "{table}" ({columns})'.encode())
            if table != "slow":
                for column in ("job_id", "parent_job_id", *COLUMNS, *(["root_job_id"] if root else [])):
                    connection.execute(f'CREATE INDEX ON "{table}" ({column})'.encode())

    def fill(self, found: Sequence[Entry], roots: dict[str, str | None]) -> None:
        """`roots`: row id -> what the root column stores."""
        names = ["id", "job_id", "parent_job_id", "is_root_job"]
        for table in ("before", "slow", "after"):
            columns = [*names, "created_at", "category", "entity_type", *COLUMNS]
            columns += ["root_job_id"] if table == "after" else []
            with self.connection.transaction(), self.connection.cursor() as cursor:
                cursor.execute(f'TRUNCATE "{table}"'.encode())
                with cursor.copy(f'COPY "{table}" ({", ".join(columns)}) FROM STDIN'.encode()) as copy:
                    for one in found:
                        carried = dict(one.carries)
                        values = [getattr(one.row, name) for name in names]
                        values += [one.created, one.category, one.entity_type, *map(carried.get, COLUMNS)]
                        copy.write_row([*values, *([roots[one.row.id]] if table == "after" else [])])


@pytest.fixture
def logs(request: pytest.FixtureRequest, new_database: Callable[..., str]) -> Iterator[Logs]:
    dsn = new_database(empty=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Logs(request.param, connection, dsn)


ONE = profile(
    max_examples=1,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
styles = pytest.mark.parametrize("logs", [IdStyle.TEXT, IdStyle.INTEGER], indirect=True)
options_of_any_kind = st.builds(Options, st.sampled_from(DanglingPolicy), st.booleans())


def check(logs: Logs, seed: int, options: Options, graphs: int, most: int) -> None:
    rows = [replace(one, root_job_id=None) for one in make_table(seed, graphs, logs.style).rows]
    answer = ask(rows, options)
    found = entries(rows, seed)
    logs.fill(found, stored_roots(rows, options, Random(seed)))
    roots = sorted({root for root in answer.roots.values() if root})
    rng = Random(seed)
    subjects = [("root", one) for one in rng.sample(roots, min(most, len(roots)))]
    subjects += [(kind, str(rng.randrange(4))) for kind in ("album", "artist", "track") for _ in range(most)]
    flags = {"dangling": options.dangling, "trust_root_flag": options.trust_root_flag}
    for kind, id_ in dict.fromkeys(subjects):
        wanted = belonging(found, dict(answer.roots), kind, id_)
        for table in ("before", "slow", "after"):
            if wanted:
                against(wanted, answer.roots, options, rng, logs.dsn, kind, id_, {**flags, "table": table})


def against(
    wanted: Sequence[Entry],
    roots: Any,
    options: Options,
    rng: Random,
    dsn: str,
    kind: str,
    id_: str,
    flags: Any,
) -> None:
    whole = shown(dsn, kind, id_, **flags)
    assert [one.id for one in whole.rows] == [one.row.id for one in wanted]
    assert whole.omitted == {}
    for told, one in zip(whole.rows, wanted, strict=True):
        assert told.root_job_id == roots[one.row.id]
        assert told.origin_unknown == (roots[one.row.id] is None)
        assert (told.job_id, told.parent_job_id) == (present(one.row.job_id), parent_of(one.row, options))
    filters = Filters(
        no_orphans=rng.random() < 0.5,
        categories=tuple(rng.sample(["CREATED", "LINKED", "FAILED"], rng.randrange(3))),
        since=BEGIN + timedelta(minutes=rng.randrange(4)) if rng.random() < 0.5 else None,
        until=BEGIN + timedelta(minutes=rng.randrange(4, 9)) if rng.random() < 0.5 else None,
    )
    expected = [one for one in wanted if passes(one, filters, roots)]
    pages = list(paged(dsn, kind, id_, replace(filters, limit=max(1, len(wanted) // 3)), flags))
    assert [one.id for page in pages for one in page.rows] == [one.row.id for one in expected]
    for page in pages:
        assert page.total == len(wanted) == len(page.rows) + sum(page.omitted.values())


def passes(one: Entry, filters: Filters, roots: Any) -> bool:
    if filters.no_orphans and roots[one.row.id] is None:
        return False
    if filters.categories and one.category not in filters.categories:
        return False
    if one.created is None:
        return filters.since is None and filters.until is None
    after = filters.since is None or one.created >= filters.since
    return after and (filters.until is None or one.created < filters.until)


def paged(dsn: str, kind: str, id_: str, filters: Filters, flags: Any) -> Iterator[Timeline]:
    while True:
        page = shown(dsn, kind, id_, filters, **flags)
        yield page
        if page.next_cursor is None:
            return
        filters = replace(filters, after=page.next_cursor)


@styles
@given(seed=seeds, options=options_of_any_kind)
@ONE
def test_any_log(logs: Logs, seed: int, options: Options) -> None:
    check(logs, seed, options, graphs=10, most=2)


@pytest.mark.slow
@styles
@given(seed=seeds, options=options_of_any_kind)
@profile(ONE, max_examples=5)
def test_many_logs(logs: Logs, seed: int, options: Options) -> None:
    check(logs, seed, options, graphs=30, most=4)


# --- many rows --------------------------------------------------------------------------------------------


def test_rows_that_are_kept_on_disk_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 5)
    made = [TimelineRow(*[str(number)] * 20) for number in range(23)]
    kept = spool.Spool(made[at : at + 4] for at in range(0, 23, 4))
    assert [*kept] == [*kept] == made
    ahead, behind = iter(kept), iter(kept)
    assert [next(ahead) for _ in made[:15]] == made[:15]
    assert [*zip(behind, made, strict=True)] == [(one, one) for one in made]
    assert [*ahead] == made[15:]
    assert (len(kept), kept.last, made[22] in kept, "x" in kept) == (23, made[22], True, False)


def test_an_index_that_is_missing_is_named(history: str, connection: Connection, show: Show) -> None:
    before = show("album", ALBUM)
    assert not [note for note in before.notes if "album_id" in note]
    connection.execute('DROP INDEX "LlamaLog_album_id_idx", "LlamaLog_entity_type_entity_id_idx"')
    found = show("album", ALBUM)
    assert [*found.rows] == [*before.rows]
    told = " ".join(found.notes)
    assert 'CREATE INDEX CONCURRENTLY ON "public"."LlamaLog" (album_id);' in told
    assert 'CREATE INDEX CONCURRENTLY ON "public"."LlamaLog" (entity_type, entity_id);' in told


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Filled with what the server did for each statement of carrying.sql, counts.sql and rows.sql."""
    found: list[Any] = []

    def watch(kind: Any, command: bytes) -> None:
        execute = kind.execute

        def explained(cursor: Any, query: bytes, params: Any = None, **rest: Any) -> Any:
            if b"log.ctid" in query and not query.startswith(b"EXPLAIN"):
                with psycopg.RawCursor(cursor.connection) as plain:
                    plain.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) " + command + query, params)
                    found.append(next(plain)[0][0]["Plan"])
            return execute(cursor, query, params, **rest)

        monkeypatch.setattr(kind, "execute", explained)

    watch(psycopg.RawCursor, b"")
    watch(psycopg.RawServerCursor, b"DECLARE it CURSOR FOR ")
    return found


def scans(plan: Any) -> Iterator[Any]:
    """Yields the nodes of a plan that read the log, but for those that were never executed."""
    if plan.get("Relation Name") == "LlamaLog" and plan["Actual Loops"]:
        yield plan
    for below in plan.get("Plans", ()):
        yield from scans(below)


def rows_read(plan: Any) -> int:
    """How many rows of the log were read, whatever came of them."""
    return round(
        sum(
            (one["Actual Rows"] + one.get("Rows Removed by Filter", 0)) * one["Actual Loops"]
            for one in scans(plan)
        )
    )


def test_a_page_reads_only_the_rows_that_it_shows(
    connection: Connection, plans: list[Any], show: Show
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    connection.execute(
        """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id, root_job_id,
                                   created_at)
           SELECT 'o', 'CREATED', 'SUCCESS', 'a' || n, CASE WHEN n > 0 THEN 'a0' END, 'a0',
                  timestamp '2025-06-01' + n % 5000 * interval '1 minute'
           FROM generate_series(0, 19999) AS n"""
    )
    for columns in ("root_job_id, created_at", "job_id", "parent_job_id"):
        connection.execute(f'CREATE INDEX ON "LlamaLog" ({columns})'.encode())
    connection.execute('VACUUM ANALYZE "LlamaLog"')
    after = None
    for _ in range(3):
        plans.clear()
        page = show("root", "a0", limit=50, after=after)
        assert (page.total, len(page.rows)) == (20_000, 50)
        counts, rows = plans
        assert rows_read(counts) == 20_000
        # Of its last moment all four are read, and of the first one as well; each row is then read whole.
        assert rows_read(rows) <= 2 * (50 + 4 + 4)
        after = page.next_cursor
    plans.clear()
    late = show("root", "a0", limit=50, since=datetime(2025, 6, 3, tzinfo=UTC), until=datetime(2025, 6, 4))
    assert (late.omitted, len(late.rows)) == ({"--since": 11520, "--until": 2720, "--limit": 5710}, 50)
    assert rows_read(plans[-1]) <= 2 * (50 + 4 + 4)


@pytest.mark.slow
def test_a_million_rows_are_not_scanned(
    database: str, connection: Connection, plans: list[Any], show: Show
) -> None:
    indexes = connection.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
           WHERE indrelid = '"LlamaLog"'::regclass AND NOT indisprimary"""
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}".encode())
    rows = (CHECKOUT / "benchmarks" / "rows.sql").read_text()
    connection.execute(rows.replace("%(albums)s", "111112").replace("%%", "%").encode())
    for _, definition in indexes:
        connection.execute(definition.encode())
    connection.execute('CREATE INDEX ON "LlamaLog" (job_id)')
    connection.execute('ANALYZE "LlamaLog"')
    ids = "SELECT md5('album 777')::uuid::text, md5('artist 194')::uuid::text, md5('track 777/1')::uuid::text"
    (held,) = connection.execute(ids.encode()).fetchall()
    asked = dict(zip(("album", "artist", "track"), held, strict=True))
    asked["root"] = f"album-create-{asked['album'].replace('-', '')}"
    for migrated in (False, True):
        if migrated:
            assert migrate_here(database).code == 0
            connection.execute('ANALYZE "LlamaLog"')
        for kind, id_ in asked.items():
            plans.clear()
            found = show(kind, id_, limit=50)
            assert (found.total, found.notes) == (99 if kind == "artist" else 9, ())
            assert plans
            for plan in plans:
                ways = {one["Node Type"] for one in scans(plan)}
                assert ways
                assert "Seq Scan" not in ways, plan


# --- the command ------------------------------------------------------------------------------------------


def test_the_command(history: str, run_cli: Callable[..., Any]) -> None:
    done = run_cli("timeline", "--album", ALBUM, "--dsn", history, "--format", "json", "--limit", "2")
    document = json.loads(done.stdout)
    assert (done.returncode, document["schema_version"], document["command"]) == (0, 2, "timeline")
    assert document["of"] == {"kind": "album", "id": ALBUM, "name": "Blue Train"}
    assert (document["total"], document["omitted"]) == (5, {"--limit": 3})
    assert [one["operation"] for one in document["rows"]] == ["old", "created"]
    rest = run_cli(
        *("timeline", "--album", ALBUM, "--dsn", history, "--format", "json"),
        *("--after", document["next_cursor"], "--until", "2025-06-01T10:14Z"),
    )
    assert [one["operation"] for one in json.loads(rest.stdout)["rows"]] == ["enriched", "artist"]
    text = run_cli("timeline", "--album", ALBUM, "--dsn", history, env={"PYTHONIOENCODING": "ascii"})
    assert text.stdout.isascii()
    assert text.stdout.count("[Origin unknown]") == 2  # and in the legend
    none = run_cli("timeline", "--dsn", history, "--format", "json", "--track", ARTIST)
    assert (none.returncode, json.loads(none.stdout)["error"]["code"]) == (1, "not_found")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--root", "a", "--album", ALBUM],
        ["--root", "a", "--since", "yesterday"],
        ["--root", "a", "--until", "2025-13-01"],
        ["--root", "a", "--limit", "0"],
    ],
)
def test_wrong_usage(run_cli: Callable[..., Any], words: list[str]) -> None:
    done = run_cli("timeline", *words, "--format", "json", "--dsn", "postgresql://nowhere.invalid/x")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "usage"), done.stderr
