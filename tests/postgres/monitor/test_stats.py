"""stats: the monitors, their thresholds, and what can be told where little may be done."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import Statement, migrate_here, run_here
from llamactl.model import Monitor, OutputFormat, StatsReport
from llamactl.render import lines
from llamactl.render.console import Screen
from pages import CHECKOUT
from reports import LONG, NASTY, PIPE, TABLE, TERMINAL, same_as_golden
from roles import new_role
from servers import Server

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]
NEVER = "2025-01-01"
"""Long ago: no row of it is one of the last days."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the configuration file is the test's own."""
    monkeypatch.chdir(tmp_path)


def stats(dsn: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the document with its monitors by id."""
    done = run_here("stats", "--dsn", dsn, "--format", "json", *arguments)
    document = json.loads(done.out)
    assert "monitors" in document, done.err
    return done.code, {**document, **{monitor["id"]: monitor for monitor in document["monitors"]}}


def thresholds(text: str) -> None:
    Path("llamactl.toml").write_text(f"[thresholds]\n{text}\n")


def chain(length: int, **values: Any) -> list[dict[str, Any]]:
    """Jobs 0, 1, 2 ..., each the parent of the next, long ago unless `values` say otherwise."""
    return [
        {
            "job_id": str(number),
            "parent_job_id": str(number - 1) if number else None,
            "created_at": NEVER,
            **values,
        }
        for number in range(length)
    ]


def ago(**parts: float) -> str:
    """A moment before now, as the column takes it."""
    return (datetime.now(UTC) - timedelta(**parts)).replace(tzinfo=None).isoformat()


def written(dsn: str, count: int, days: str, root: str = "r", parent: str | None = None) -> None:
    """So many rows of jobs of their own below a root, created at even distances over the days."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO "LlamaLog"
              ("operation", "category", "status", "job_id", "parent_job_id", "created_at")
            SELECT 'x', 'CREATED', 'SUCCESS', %(root)s || number, %(parent)s,
                   (now() AT TIME ZONE 'UTC') - %(days)s::interval * number / %(count)s
            FROM generate_series(1, %(count)s) AS number
            """,
            {"root": root, "count": count, "days": days, "parent": parent},
        )


def test_the_document(database: str, insert: Insert) -> None:
    insert(chain(3))
    code, found = stats(database)
    assert (code, found["ok"], found["schema_version"], found["command"]) == (0, True, 2, "stats")
    assert [monitor["id"] for monitor in found["monitors"]] == ["depth", "size", "timeline", "unrooted"]
    for monitor in found["monitors"]:
        assert set(monitor) == {"id", "title", "ok", "value", "threshold", "unit", "detail"}
    assert [monitor["threshold"] for monitor in found["monitors"]] == [8, 500 * 2**20, 100, 0]
    assert found["table"]["rows"] == 3
    assert found["table"]["bytes"] == found["size"]["value"]


@pytest.mark.parametrize("migrated", [False, True], ids=["before", "after"])
def test_depth_of_recent_jobs(database: str, insert: Insert, migrated: bool) -> None:
    insert(chain(30))
    if migrated:
        assert migrate_here(database).code == 0
    code, found = stats(database)
    assert (code, found["depth"]["ok"], found["depth"]["value"]) == (0, True, 0)
    detail = found["depth"]["detail"]
    assert (detail["jobs"], detail["sample"], detail["deepest"], detail["depths"]["0"]) == (0, [], 29, 1)
    insert(
        [
            {"job_id": "new", "parent_job_id": "6"},
            {"job_id": "late", "parent_job_id": "8", "created_at": ago(hours=25)},
        ]
    )
    code, found = stats(database)
    assert (found["depth"]["ok"], found["depth"]["value"], found["depth"]["detail"]["jobs"]) == (True, 7, 0)
    _, found = stats(database, "--since", "26h")
    depth = found["depth"]
    assert (depth["ok"], depth["value"], depth["detail"]["sample"]) == (False, 9, ["late"])
    insert(
        [
            {"job_id": "a", "parent_job_id": "7"},
            {"job_id": "a", "parent_job_id": "7"},
            {"job_id": "b", "parent_job_id": "20"},
        ]
    )
    code, found = stats(database)
    assert (code, found["ok"], found["depth"]["ok"], found["depth"]["value"]) == (1, False, False, 21)
    assert (found["depth"]["detail"]["jobs"], found["depth"]["detail"]["sample"]) == (2, ["b", "a"])
    assert len(stats(database, "--sample", "1")[1]["depth"]["detail"]["sample"]) == 1


def test_depth_without_times_is_that_of_all_jobs(
    database: str, connection: Connection, insert: Insert
) -> None:
    insert(chain(9))
    connection.execute('ALTER TABLE "LlamaLog" DROP COLUMN "created_at"')
    _, found = stats(database)
    assert (found["depth"]["ok"], found["depth"]["value"], found["depth"]["detail"]["since"]) == (
        False,
        8,
        None,
    )
    assert found["depth"]["title"] == "Deepest chain"


@pytest.mark.parametrize("type_", ["timestamptz", "timestamp(0)", "date"])
def test_recent_means_the_same_whatever_the_type_and_the_time_zone(
    database: str, connection: Connection, insert: Insert, type_: str
) -> None:
    insert(chain(9))
    insert([{"job_id": "old", "parent_job_id": "7", "created_at": ago(days=3)}])
    insert([{"job_id": "new", "parent_job_id": "8", "created_at": ago(minutes=1)}])
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f'ALTER TABLE "LlamaLog" ALTER COLUMN "created_at" TYPE {type_}'.encode())
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET TimeZone = 'Asia/Tokyo'".encode())
    for since, jobs in (("48h", ["new"]), ("100h", ["new", "old"])):
        assert stats(database, "--since", since)[1]["depth"]["detail"]["sample"] == jobs, since


def test_an_index_on_created_at_serves(database: str, connection: Connection, insert: Insert) -> None:
    connection.execute(
        """INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "created_at")
        SELECT 'x', 'CREATED', 'SUCCESS', number, now() - number * interval '1 hour'
        FROM generate_series(1, 20000) AS number"""
    )
    connection.execute('CREATE INDEX "by_time" ON "LlamaLog" ("created_at")')
    connection.execute('ANALYZE "LlamaLog"')
    plans: list[str] = []

    def explain(statement: Statement) -> None:
        if "deep_jobs" in statement.text:
            cursor = (
                connection.cursor()
            )  # the temporary relations are not this session's: only the scan is looked at
            bare = 'SELECT FROM "public"."LlamaLog" AS log WHERE "created_at" >= $1 OR $2::text IS NULL'
            assert """WHERE "created_at" >= $1 OR $1::text IS NULL""" in statement.text
            since = ago(hours=24)
            cursor.execute(f"EXPLAIN {bare.replace('$1', repr(since)).replace('$2', repr(since))}".encode())
            plans.extend(line for (line,) in cursor.fetchall())

    assert run_here("stats", "--dsn", database, before=explain).code == 0
    assert "by_time" in " ".join(plans)


@pytest.mark.parametrize("migrated", [False, True], ids=["before", "after"])
def test_size_and_growth(database: str, connection: Connection, insert: Insert, migrated: bool) -> None:
    insert([{"job_id": "old", "created_at": NEVER}, {"created_at": NEVER}])
    written(database, 60, "30 days")
    written(database, 240, "30 days", "child", parent="r1")
    if migrated:
        assert migrate_here(database).code == 0
    code, found = stats(database)
    size, detail = found["size"], found["size"]["detail"]
    (total,) = connection.execute("""SELECT pg_total_relation_size('"LlamaLog"')""").fetchone() or (0,)
    assert (code, size["ok"], size["value"]) == (0, True, total)
    assert (detail["rows"], detail["roots"]) == (302, 61)
    assert detail["rows_per_root"] == pytest.approx(302 / 61, abs=0.1)
    assert detail["bytes_per_root"] == pytest.approx(total / 61, abs=0.1)
    # The last of each is 30 days old, and a moment.
    assert detail["days"] == 30
    assert detail["rows_per_day"] == pytest.approx(298 / 30, abs=0.1)
    assert detail["roots_per_day"] == pytest.approx(59 / 30, abs=0.1)
    daily = 298 / 30 * total / 302
    assert detail["bytes_per_day"] == pytest.approx(daily, abs=1)
    assert detail["days_until_threshold"] == pytest.approx((500 * 2**20 - total) / daily, rel=0.01)


def test_a_young_log_is_not_thought_a_month_old(database: str) -> None:
    written(database, 50, "5 days")
    detail = stats(database)[1]["size"]["detail"]
    assert (detail["days"], detail["rows_per_day"], detail["roots_per_day"]) == (5, 10, 10)


def test_a_log_of_one_hour_is_thought_a_day_old(database: str) -> None:
    written(database, 50, "1 hour")
    assert stats(database)[1]["size"]["detail"]["rows_per_day"] == 50


def test_a_log_that_does_not_grow(database: str, insert: Insert) -> None:
    insert(chain(2))
    detail = stats(database)[1]["size"]["detail"]
    assert (detail["rows_per_day"], detail["bytes_per_day"]) == (0, 0)
    assert detail["days_until_threshold"] is None


def test_past_the_size(database: str, insert: Insert) -> None:
    insert(chain(2))
    written(database, 10, "5 days")
    bytes_ = stats(database)[1]["size"]["value"]
    thresholds(f"table_bytes = {bytes_}")
    assert stats(database)[0] == 0
    thresholds(f"table_bytes = {bytes_ - 1}")
    code, found = stats(database)
    assert (code, found["size"]["ok"], found["size"]["detail"]["days_until_threshold"]) == (1, False, 0)


def test_timeline_of_the_largest_roots(database: str, insert: Insert) -> None:
    insert(
        [
            {"job_id": job, "created_at": NEVER}
            for job, count in zip("abcdefg", range(1, 8), strict=True)
            for _ in range(count)
        ]
    )
    code, found = stats(database)
    assert (found["timeline"]["ok"], found["timeline"]["value"]) == (None, None)
    assert found["timeline"]["detail"] == {"reason": "the table is not migrated yet"}
    assert migrate_here(database).code == 0
    code, found = stats(database)
    roots = found["timeline"]["detail"]["roots"]
    assert [(root["root_job_id"], root["rows"], root["rows_read"]) for root in roots] == [
        *(("g", 7, 7), ("f", 6, 6), ("e", 5, 5), ("d", 4, 4), ("c", 3, 3)),
    ]
    assert found["timeline"]["value"] == max(root["median_ms"] for root in roots) > 0
    assert (code, found["timeline"]["ok"]) == (0, True)


def test_timeline_past_its_threshold(database: str, connection: Connection, insert: Insert) -> None:
    """All columns are read, and brought here: 20 MB take more than a millisecond."""
    insert(chain(3))
    assert migrate_here(database).code == 0
    connection.execute(
        """UPDATE "LlamaLog" SET "metadata" = to_jsonb(repeat('long', 5000000)) WHERE "job_id" = '1'"""
    )
    thresholds("timeline_ms = 1")
    code, found = stats(database)
    assert (code, found["ok"], found["timeline"]["ok"]) == (1, False, False)
    assert found["timeline"]["value"] > 1


def test_a_huge_timeline_is_read_in_part(
    database: str, insert: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llamactl.monitor import stats as module

    insert([{"job_id": "a", "created_at": NEVER}] * 50)
    assert migrate_here(database).code == 0
    _, found = stats(database)
    monkeypatch.setattr(module, "MOST_BYTES", found["size"]["value"] // 5)
    _, found = stats(database)
    (root,) = found["timeline"]["detail"]["roots"]
    assert (root["rows"], root["rows_read"]) == (50, 10)
    done = run_here("stats", "--dsn", database)
    assert "a  (the first 10 rows)" in done.out


def test_the_timeline_uses_the_index(database: str, connection: Connection) -> None:
    written(database, 5000, "30 days")
    assert migrate_here(database).code == 0
    plans: list[str] = []

    def explain(statement: Statement) -> None:
        if "SELECT log.*" in statement.text:
            text = statement.text.replace("$1", "'r7'").replace("$2", "100000")
            plans.extend(line for (line,) in connection.execute(f"EXPLAIN {text}".encode()))

    assert run_here("stats", "--dsn", database, after=explain).code == 0
    assert any("LlamaLog_root_job_id_idx" in line for line in plans)


def test_recent_rows_whose_root_is_missing(database: str, connection: Connection, insert: Insert) -> None:
    insert(chain(2))
    assert stats(database)[1]["unrooted"]["detail"] == {"reason": "the table is not migrated yet"}
    assert migrate_here(database).code == 0
    insert([{"job_id": "late", "parent_job_id": "1", "created_at": "2025-01-02"}])  # not of the last day
    insert([("root", None), ("blank", " "), (None, None)])  # no parent
    code, found = stats(database)
    assert (code, found["unrooted"]["ok"], found["unrooted"]["value"]) == (0, True, 0)
    insert([("new", "1"), (None, "0")])
    code, found = stats(database)
    unrooted = found["unrooted"]
    assert (code, unrooted["ok"], unrooted["value"]) == (1, False, 2)
    assert {(row["job"], row["parent"]) for row in unrooted["detail"]["sample"]} == {
        ("new", "1"),
        (None, "0"),
    }
    assert len(stats(database, "--sample", "1")[1]["unrooted"]["detail"]["sample"]) == 1
    thresholds("unrooted_rows = 2")
    assert stats(database)[0] == 0
    connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = '0' WHERE "parent_job_id" IN ('0', '1')""")
    assert stats(database)[1]["unrooted"]["value"] == 0


def test_rows_that_rightly_have_no_root_raise_no_alert(database: str, insert: Insert) -> None:
    insert(chain(2))
    assert migrate_here(database).code == 0
    insert([("a", "b"), ("b", "a"), ("below", "a"), (None, "b")])  # a cycle, and below it
    insert([("x", "0"), ("x", "other"), ("other", None)])  # two roots
    code, found = stats(database, "--dangling", "null")
    unrooted = found["unrooted"]
    assert (code, unrooted["ok"], unrooted["value"]) == (0, True, 0)
    assert unrooted["detail"]["without_root"] == {"cyclic": 4, "ambiguous": 2}
    insert([("y", "gone")])
    assert stats(database, "--dangling", "null")[1]["unrooted"]["value"] == 0
    assert stats(database)[1]["unrooted"]["value"] == 1


def test_a_table_without_times(database: str, connection: Connection, insert: Insert) -> None:
    insert(chain(3))
    assert migrate_here(database).code == 0
    connection.execute('ALTER TABLE "LlamaLog" DROP COLUMN "created_at"')
    code, found = stats(database)
    assert (code, found["unrooted"]["ok"]) == (0, None)
    assert found["unrooted"]["detail"] == {"reason": "the table has no created_at column"}
    detail = found["size"]["detail"]
    assert (detail["days"], detail["rows_per_day"], detail["roots_per_day"]) == (None, None, None)
    assert (detail["bytes_per_day"], detail["days_until_threshold"]) == (None, None)
    assert found["timeline"]["ok"] is True


def test_an_empty_table(database: str) -> None:
    for reason in ("the table is not migrated yet", "no row has a root"):
        code, found = stats(database)
        assert (code, found["depth"]["value"], found["size"]["detail"]["rows_per_root"]) == (0, 0, None)
        assert (found["timeline"]["value"], found["timeline"]["detail"]) == (None, {"reason": reason})
        assert migrate_here(database).code == 0


def test_roots_are_the_computed_ones_while_the_column_is_half_filled(
    database: str, connection: Connection, insert: Insert
) -> None:
    insert([("a", None), ("b", None), ("c", "b")])
    assert migrate_here(database).code == 0
    connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = NULL WHERE "job_id" <> 'a'""")
    assert stats(database)[1]["size"]["detail"]["roots"] == 2


def test_without_temporary_tables(database: str, connection: Connection, insert: Insert) -> None:
    insert(chain(9))
    assert migrate_here(database).code == 0
    with new_role(database) as role:
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {connection.info.dbname} FROM PUBLIC".encode())
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        code, found = stats(role.conninfo)
    assert code == 0
    assert (found["depth"]["ok"], found["depth"]["value"]) == (None, None)
    assert "may not create temporary tables" in found["depth"]["detail"]["reason"]
    assert found["size"]["detail"]["roots"] == 1
    assert found["timeline"]["ok"] is True
    assert found["unrooted"]["ok"] is True


def test_without_the_right_to_read_all_columns(database: str, connection: Connection, insert: Insert) -> None:
    insert(chain(2))
    assert migrate_here(database).code == 0
    with new_role(database) as role:
        columns = '"id", "job_id", "parent_job_id", "root_job_id", "is_root_job", "created_at"'
        role.granted(f'GRANT SELECT ({columns}) ON "LlamaLog" TO {{}}', database)
        code, found = stats(role.conninfo)
    assert [monitor["ok"] for monitor in found["monitors"]] == [True, True, None, True]
    assert "permission denied for table LlamaLog" in found["timeline"]["detail"]["reason"]
    assert code == 0


def test_a_standby(own_server: Server, own_database: str, insert_into: Callable[[str, Any], None]) -> None:
    insert_into(own_database, chain(9))
    assert migrate_here(own_database).code == 0
    assert own_server.private
    own_server.private.stop()
    signal = own_server.private.data / "standby.signal"
    signal.touch()
    owner = own_server.private.data.stat()
    os.chown(signal, owner.st_uid, owner.st_gid)
    own_server.private.start()
    code, found = stats(own_database)
    assert (code, found["depth"]["ok"]) == (0, None)
    assert "standby" in found["depth"]["detail"]["reason"]
    assert [found[name]["ok"] for name in ("size", "timeline", "unrooted")] == [True] * 3
    assert found["size"]["detail"]["roots"] == 1


def test_on_each_version(each_database: str, insert_into: Callable[[str, Any], None]) -> None:
    insert_into(each_database, [*chain(9), {"job_id": "new", "parent_job_id": "8"}])
    assert [monitor["ok"] for monitor in stats(each_database)[1]["monitors"]] == [False, True, None, None]
    assert migrate_here(each_database).code == 0
    insert_into(each_database, [("newer", "8")])
    assert [monitor["ok"] for monitor in stats(each_database)[1]["monitors"]] == [False, True, True, False]


@pytest.mark.parametrize("types", ["integer", "bigint", "uuid"])
def test_ids_of_other_types(database: str, connection: Connection, types: str) -> None:
    id_ = "00000000-0000-0000-0000-00000000000{}" if types == "uuid" else "{}"
    connection.execute(
        f"""CREATE TABLE ids (id int PRIMARY KEY, job_id {types}, parent_job_id {types})""".encode()
    )
    for number in range(3):
        parent = id_.format(number - 1) if number else None
        connection.execute("INSERT INTO ids VALUES (%s, %s, %s)", [number, id_.format(number), parent])
    assert migrate_here(database, "--table", "ids").code == 0
    _, found = stats(database, "--table", "ids")
    assert found["timeline"]["detail"]["roots"][0]["root_job_id"] == id_.format(0)
    assert found["timeline"]["detail"]["roots"][0]["rows"] == 3


def test_a_lock_in_the_way_is_named(database: str, insert: Insert) -> None:
    insert(chain(2))
    with psycopg.connect(database) as other:
        other.execute('LOCK TABLE "LlamaLog" IN ACCESS EXCLUSIVE MODE')
        done = run_here("stats", "--dsn", database, "--lock-timeout", "100ms")
        assert done.code == 3
        assert f"pid {other.info.backend_pid}" in done.err


def test_text(database: str, insert: Insert) -> None:
    insert(chain(9, created_at=ago(minutes=1)))
    done = run_here("stats", "--dsn", database)
    assert done.code == 1
    lines = done.out.splitlines()
    assert re.match(r'public."LlamaLog"  .* \(indexes .*, TOAST .*\), Postgres ', lines[0])
    assert re.match(
        r"ALERT +depth +8 levels +\(alert: 8 levels or more\) +Deepest chain of recent jobs$", lines[2]
    )
    assert re.match(r"ok +size +\d+ kB +\(alert: over 500 MB\) +Table, indexes and TOAST$", lines[3])
    assert re.match(
        r"unknown +timeline +- +\(alert: over 100 ms\) .*: the table is not migrated yet$", lines[4]
    )
    assert len({line.index("(alert") for line in lines[2:6]}) == 1
    at = lines.index("1 job at depth 8 or more")
    assert lines[at + 1] == "  8"
    assert lines[-1] == "ALERT: 1 of 4 monitors past the threshold; 2 unknown."
    assert migrate_here(database).code == 0
    thresholds("depth = 9")
    done = run_here("stats", "--dsn", database)
    assert done.out.splitlines()[-1] == "OK: 4 monitors."


DETAIL = re.compile(r"^\| `(\w+)` \| `(\w+)` \| ", re.MULTILINE)


def test_the_page_names_what_stands_in_detail(database: str, insert: Insert) -> None:
    insert(chain(2))
    assert migrate_here(database).code == 0
    _, found = stats(database)
    listed = DETAIL.findall((CHECKOUT / "docs" / "stats.md").read_text(encoding="utf-8"))
    assert listed == [(monitor["id"], key) for monitor in found["monitors"] for key in monitor["detail"]]


REPORT = StatsReport(
    (
        Monitor(
            "depth",
            "Deepest chain of recent jobs",
            False,
            1400,
            8,
            "levels",
            {"jobs": 482, "sample": ("a", NASTY)},
        ),
        Monitor(
            "size",
            "Table, indexes and TOAST",
            True,
            419_430_400,
            524_288_000,
            "bytes",
            {
                "rows": 1_234_567,
                "roots": 137_174,
                "rows_per_root": 9.0,
                "bytes_per_root": 3057.6,
                "days": 30.0,
                "rows_per_day": 8230.4,
                "roots_per_day": 914.5,
                "bytes_per_day": 2_796_154,
                "days_until_threshold": 37.5,
            },
        ),
        Monitor(
            "timeline",
            "Slowest timeline of the largest roots",
            False,
            312.5,
            100,
            "ms",
            {
                "roots": [
                    {"root_job_id": LONG, "rows": 400_000, "rows_read": 294_337, "median_ms": 312.5},
                    {"root_job_id": NASTY, "rows": 12, "rows_read": 12, "median_ms": 0.42},
                ]
            },
        ),
        Monitor(
            "unrooted",
            "Recent rows whose root is missing",
            None,
            None,
            0,
            "rows",
            {"reason": "the table has no created_at column"},
        ),
    ),
    TABLE,
)


@pytest.mark.parametrize("screen", [pytest.param(TERMINAL, id="terminal"), pytest.param(PIPE, id="pipe")])
def test_how_it_looks(screen: Screen) -> None:
    kind = "terminal" if screen.terminal else "pipe"
    same_as_golden(f"stats.{kind}.txt", lines(REPORT, "stats", OutputFormat.TEXT, screen))
