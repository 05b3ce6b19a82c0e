"""What the rows tell of their writers: rows that have each fault, and rows that nearly have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import pytest

from llamactl.checks.preflight import run_preflight
from llamactl.logger import Entity, LlamaLogger
from llamactl.model import DanglingPolicy, Finding, Severity
from roles import new_role
from sessions import session, settings_for

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]
AUDIT = ("LL123", "LL124", "LL125")


def found(conninfo: str, **values: Any) -> dict[str, Finding]:
    """By id, those of the audit only."""
    with session(conninfo, **values) as opened:
        report = run_preflight(opened, settings_for(conninfo, **values), note=lambda line: None)
    assert report.ok
    return {finding.id: finding for finding in report.findings if finding.id in AUDIT}


def row_id(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


# Roots left out ----------------------------------------------------------------------------------------

SINCE = "2026-02-05"
BEFORE, THAT_DAY, AFTER = "2026-02-04 23:59:59.999", f"{SINCE} 00:00", "2026-02-06 12:00"


@pytest.fixture
def migrated(connection: Connection) -> Connection:
    connection.execute('ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)')
    comment(connection, f"(added by llamactl on {SINCE}).")
    return connection


def comment(connection: Connection, dated: str) -> None:
    text = f"The job at the top of this row''s chain of parents {dated} NULL: origin unknown"
    connection.execute(f"""COMMENT ON COLUMN "LlamaLog".root_job_id IS '{text}'""".encode())


def written(number: int, at: str, job: str | None, parent: str | None, root: str | None) -> dict[str, Any]:
    return {
        "id": row_id(number),
        "created_at": at,
        "job_id": job,
        "parent_job_id": parent,
        "root_job_id": root,
    }


def test_rows_without_their_root(database: str, migrated: Connection, insert: Insert) -> None:
    insert(
        [
            written(1, AFTER, "a", None, "a"),
            written(2, BEFORE, "b", "a", None),  # verify counts it, but the writer of today is not at fault
            written(3, THAT_DAY, "c", "a", None),
            written(4, AFTER, None, "a", None),
            written(5, AFTER, "e", "a", "a"),
            written(6, AFTER, "f", None, None),  # names no parent
            written(7, AFTER, None, None, None),
            {**written(8, AFTER, "h", "a", None), "is_root_job": True},  # its parent is disregarded
            written(9, "2026-02-05 00:00:01", "x", "x", None),  # has none
        ]
    )
    finding = found(database)["LL123"]
    assert (finding.severity, finding.count) == (Severity.WARNING, 3)
    assert finding.sample == (row_id(4), row_id(9), row_id(3))  # the newest first
    assert finding.hint.startswith(f"Written since {SINCE}, the day of the migration.")
    assert " A root can be computed for 2 of them: " in finding.hint
    assert found(database, trust_root_flag=False)["LL123"].count == 4
    assert found(database, sample=1)["LL123"].sample == (row_id(4),)


def test_a_root_that_cannot_be_computed(database: str, migrated: Connection, insert: Insert) -> None:
    insert([written(1, AFTER, "a", "gone", None)])
    assert "1 of them" in found(database)["LL123"].hint
    assert "0 of them" in found(database, dangling=DanglingPolicy.NULL)["LL123"].hint


@pytest.mark.parametrize(
    ("dated", "reported"),
    [
        (f"(llamactl, since {SINCE}).", True),
        ("(llamactl, since 2026-02-07).", False),
        ("(llamactl, since 2026-02-31).", False),
        ("(somebody, since 2026-02-01).", False),
    ],
)
def test_the_day_of_the_migration(
    database: str, migrated: Connection, insert: Insert, dated: str, reported: bool
) -> None:
    insert([written(1, AFTER, "a", "gone", None)])
    comment(migrated, dated)
    assert ("LL123" in found(database)) is reported


def test_after_a_migration(database: str, insert: Insert, run_cli: Callable[..., Any]) -> None:
    insert([("a", None), ("b", "a"), ("x", "x")])
    assert "LL123" not in found(database)  # nothing is migrated yet
    assert run_cli("migrate", "--yes", "--dsn", database).returncode == 0
    insert([("c", "b")])
    # What the migration left without a root, for good, is of its day too.
    assert (found(database)["LL123"].count, found(database)["LL123"].sample[0]) == (2, newest(database))


def newest(database: str) -> str:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            'SELECT id::text FROM "LlamaLog" ORDER BY created_at DESC LIMIT 1'
        ).fetchone()
    assert row is not None
    return str(row[0])


# Summaries ---------------------------------------------------------------------------------------------


def summary(metadata: Any, job: str | None = "enrich", **values: Any) -> dict[str, Any]:
    return {"id": row_id(0), "job_id": job, "parent_job_id": "album", "metadata": metadata, **values}


def track(job: str | None, parent: str | None, number: int | None) -> dict[str, Any]:
    entity = None if number is None else row_id(number)
    return {"entity_type": "TRACK", "entity_id": entity, "job_id": job, "parent_job_id": parent}


def rows_of(finding: Finding | None) -> tuple[int, tuple[str, ...]]:
    return (finding.count, finding.sample) if finding else (0, ())


@pytest.mark.parametrize(
    "metadata",
    [
        {"trackCount": 2},
        {"track_count": 2.0},
        {"tracks": [{"title": "Road"}, {"title": "Horn"}]},
        {"trackIds": ["1", "2"], "trackCount": 1},
        {"tracksCreated": 2, "albumId": "a"},
    ],
)
def test_summaries(database: str, insert: Insert, metadata: Mapping[str, Any]) -> None:
    told = f"{row_id(0)}: tells of 2 tracks, job enrich has rows of "
    insert([("album", None), summary(metadata)])
    assert rows_of(found(database).get("LL124")) == (1, (f"{told}0",))
    insert([track("enrich", "album", 1), track("enrich", "album", 1)])
    assert rows_of(found(database).get("LL124")) == (1, (f"{told}1",))
    insert([track("enrich", "album", 2)])
    assert found(database) == {}


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"trackCount": 0},
        {"trackIds": []},
        {"trackNumber": 5, "trackId": row_id(1), "trackDurationMs": 200},
        {"trackCount": "2", "tracks": {"first": 1}, "trackIds": None},
        {"attemptedData": {"trackCount": 2}},
        ["trackCount", "tracks"],
        "tracks",
    ],
)
def test_metadata_that_counts_no_tracks(database: str, insert: Insert, metadata: Any) -> None:
    insert([("album", None), summary(metadata)])
    assert found(database) == {}


def test_where_tracks_are_logged(database: str, insert: Insert) -> None:
    two = {"trackCount": 2}
    insert(
        [
            ("album", None),
            summary(two, id=row_id(1)),
            summary(two, job="album", parent_job_id=None, id=row_id(2)),
        ]
    )
    insert([track("track-1", "enrich", 1), track("track-2", "enrich", None)])  # a failure has no id
    assert found(database) == {}
    # Of another job, of another album, or below no job at all.
    insert([summary(two, job="again", id=row_id(3)), summary(two, None, parent_job_id=None, id=row_id(4))])
    insert([("other", None), track("track-3", "other", 3), track(None, None, 4)])
    assert found(database)["LL124"].sample == (f"{row_id(3)}: tells of 2 tracks, job again has rows of 0",)


def test_a_row_of_a_track_is_no_summary(database: str, insert: Insert) -> None:
    one = {"entity_type": "TRACK", "entity_id": row_id(1)}
    insert([("album", None), summary({"trackCount": 12}, **one)])
    assert found(database) == {}
    insert([summary({"trackCount": 12}, entity_type="TRACK", id=row_id(5))])  # of no track
    (line,) = found(database)["LL124"].sample
    assert line == f"{row_id(5)}: tells of 12 tracks, job enrich has rows of 1"


def test_columns_of_the_users_own(database: str, connection: Connection, insert: Insert) -> None:
    insert([("album", None), summary({"trackCount": 2})])
    own = (
        "keys",
        "key",
        "value",
        "track",
        "job",
        "parent",
        "row_id",
        "kind",
        "entity",
        "root",
        "told_tracks",
    )
    connection.execute(f'ALTER TABLE "LlamaLog" {", ".join(f"ADD {name} date" for name in own)}'.encode())
    assert set(found(database)) == {"LL124"}


def test_columns_that_are_not_there(database: str, connection: Connection, insert: Insert) -> None:
    insert([("album", None), summary({"trackCount": 2})])
    connection.execute('ALTER TABLE "LlamaLog" DROP track_id, DROP entity_type')
    assert set(found(database)) == {"LL124"}
    connection.execute('ALTER TABLE "LlamaLog" ALTER metadata TYPE text')
    assert found(database) == {}
    connection.execute('ALTER TABLE "LlamaLog" DROP metadata, DROP entity_id')
    assert found(database) == {}


def test_columns_that_the_role_may_not_read(database: str, insert: Insert) -> None:
    insert(
        [("album", None), summary({"trackCount": 2}), created("album", None, 1), created("album", None, 1)]
    )
    with new_role(database) as role:
        role.granted("GRANT pg_read_all_stats TO {}", database)
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        role.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        role.granted('ALTER TYPE "LlamaLogCategory" OWNER TO {}', database)
        role.granted("GRANT CREATE ON SCHEMA public TO {}", database)
        assert set(found(role.conninfo)) == {"LL124", "LL125"}
        columns = "id, job_id, parent_job_id, is_root_job, created_at"
        role.granted('REVOKE SELECT ON "LlamaLog" FROM {}', database)
        role.granted(f'GRANT SELECT ({columns}) ON "LlamaLog" TO {{}}', database)
        assert found(role.conninfo) == {}


# Created twice -----------------------------------------------------------------------------------------


def created(job: str | None, parent: str | None, number: int | None, **values: Any) -> dict[str, Any]:
    entity = None if number is None else row_id(number)
    row = {"entity_type": "ARTIST", "category": "CREATED", "entity_id": entity}
    return {**row, "job_id": job, "parent_job_id": parent, **values}


def test_created_twice(database: str, insert: Insert) -> None:
    insert([("a", None), ("b", None)])
    insert(
        [
            created("c", "a", 1),
            created("d", "c", 1),
            created(None, "a", 1),
            created("c", "a", 2),
            created("c", "a", 2),
        ]
    )
    finding = found(database)["LL125"]
    assert (finding.severity, finding.count) == (Severity.WARNING, 2)
    assert finding.sample == (f"ARTIST {row_id(1)}: 3 rows, root a", f"ARTIST {row_id(2)}: 2 rows, root a")


def test_created_once(database: str, insert: Insert) -> None:
    insert([("a", None), ("b", None)])
    insert(
        [
            created("c", "a", 1),
            created("d", "a", 1, category="ENRICHED"),
            created("e", "b", 1),  # below another root
            created("d", "a", 1, entity_type="ALBUM"),
            created("d", "a", 2),
            created("d", "a", None),
            created("d", "a", None),
            created(None, None, 3),  # of no root
            created(None, None, 3),
            created("x", "x", 4),
            created("x", "x", 4),
        ]
    )
    assert found(database) == {}


def test_created_twice_below_a_parent_that_is_not_logged(database: str, insert: Insert) -> None:
    insert([created("a", "gone", 1), created("b", "gone", 1)])
    assert found(database)["LL125"].sample == (f"ARTIST {row_id(1)}: 2 rows, root gone",)
    assert found(database, dangling=DanglingPolicy.NULL) == {}


# Writers that do it right --------------------------------------------------------------------------------


def test_what_the_logger_writes(database: str, run_cli: Callable[..., Any], connection: Connection) -> None:
    assert run_cli("migrate", "--yes", "--dsn", database).returncode == 0
    connection.execute("INSERT INTO albums (id) VALUES (%s)", [row_id(1)])
    connection.execute("INSERT INTO tracks (id) VALUES (%s)", [row_id(2)])
    logger = LlamaLogger(database)
    with logger.root("album:import", Entity("ALBUM", row_id(1))) as job:
        with job.child(
            "tracks:enrich", Entity("ALBUM", row_id(1))
        ) as step:  # its opening row names no entity
            with step.child("track:create", Entity("TRACK", row_id(2))) as last:
                last.created(metadata={"trackNumber": 1})
            step.enriched(metadata={"trackCount": 1})
        job.created()
    logger.close()
    assert logger.counters.lost == 0
    assert found(database) == {}


def test_each_version(each_database: str, insert_into: Callable[[str, Any], None]) -> None:
    insert_into(each_database, [("a", None), summary({"trackIds": [1]}, job="a", parent_job_id=None)])
    insert_into(each_database, [created("a", None, 1), created("a", None, 1)])
    with psycopg.connect(each_database, autocommit=True) as connection:
        connection.execute('ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)')
        comment(connection, f"(llamactl, since {SINCE}).")
    insert_into(each_database, [written(7, AFTER, "b", "a", None)])
    assert set(found(each_database)) == set(AUDIT)
