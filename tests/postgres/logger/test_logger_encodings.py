"""Databases in other encodings than UTF-8: a row loses no more than the characters that there are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from llamactl.logger import AsyncLlamaLogger, LlamaLogger
from logging_jobs import ADD_LINKED, ADD_ROOT, Either, adds_up, rows_of, run_with, wrong_roots
from servers import LOG_TABLE, Server

NOTHING = ("ALBUM", None)
# The encoding, characters that it has, and how some others are written.
ENCODINGS = {
    "LATIN1": ("é", {"日": "\\u65e5", "€": "\\u20ac", "😀": "\\U0001f600"}),
    "LATIN9": ("é€", {"日": "\\u65e5", "¤": "\\xa4"}),
    "WIN1252": ("é€…", {"日": "\\u65e5", "ж": "\\u0436"}),
    "WIN1251": ("жЖ", {"é": "\\xe9", "日": "\\u65e5"}),
    "KOI8R": ("жЖ", {"é": "\\xe9"}),
    "EUC_JP": ("日本", {"é": None, "😀": "\\U0001f600"}),
    "EUC_KR": ("한글", {"😀": "\\U0001f600"}),
    "EUC_CN": ("中文", {"😀": "\\U0001f600"}),
    "EUC_TW": ("", {"é": "\\xe9", "😀": "\\U0001f600"}),  # of which Python has no table
    "SQL_ASCII": ("é日😀", {}),
    "UTF8": ("é日😀", {}),
}


@pytest.fixture(params=[LlamaLogger, AsyncLlamaLogger], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def encoded(server: Server) -> Iterator[Callable[[str], str]]:
    """A function: conninfo of a database in an encoding, with a migrated log whose entities are texts."""
    made: list[str] = []

    def new(encoding: str) -> str:
        name = f"{server.template}_{encoding.lower()}"
        made.append(name)
        statement = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'"
        with server.admin() as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(encoding)))
        conninfo = server.conninfo(name, client_encoding="UTF8")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(LOG_TABLE)
            connection.execute(ADD_LINKED)
            connection.execute(ADD_ROOT)
            connection.execute("""
                ALTER TABLE "LlamaLog" DROP CONSTRAINT "LlamaLog_album_id_fkey", ALTER album_id TYPE text,
                    ALTER entity_id TYPE text, ALTER user_id TYPE text
            """)
        return conninfo

    yield new
    for name in made:
        server.drop(name)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_characters_that_the_database_lacks_are_escaped(
    encoding: str, encoded: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    kept, lacking = ENCODINGS[encoding]
    given = f"a{kept}" + "".join(lacking)
    stored = f"a{kept}" + "".join(escape or character for character, escape in lacking.items())
    dsn = encoded(encoding)

    async def body(log: Either) -> None:
        job = log.logger.root("before", NOTHING, job_id="before")
        for number in range(20):
            job.log(reason=str(number))
        job = log.logger.root(given, ("ALBUM", given), job_id=given, triggered_by=given, user_id=given)
        job.log(
            reason=given,
            sources=[given, "b"],
            fields_enriched=[given],
            data_quality_before=given,
            data_quality_after=given,
            error_message=given,
            error_code=given,
            metadata={given: [given, {given: given}], "n": 1.5},
        )
        job.child("child", NOTHING).failed(given, attempted={given: given})
        job.log(reason="after")
        assert await log.flush()

    counters = run_with(LlamaLogger, dsn, body)
    assert (counters.recorded, counters.written, counters.refused) == (23, 23, 0)
    assert adds_up(counters, dsn)
    row = next(row for row in rows_of(dsn) if row["reason"] == stored)
    texts = ("operation", "entity_id", "job_id", "root_job_id", "triggered_by", "user_id", "error_message")
    more = ("data_quality_before", "data_quality_after", "error_code")
    assert {name: row[name] for name in (*texts, *more)} == dict.fromkeys((*texts, *more), stored)
    assert (row["sources"], row["fields_enriched"]) == ([stored, "b"], [stored])
    assert row["metadata"] == {stored: [stored, {stored: stored}], "n": 1.5}
    child = next(row for row in rows_of(dsn) if row["operation"] == "child")
    assert (child["parent_job_id"], child["root_job_id"]) == (stored, stored)
    assert child["metadata"] == {"attemptedData": {stored: stored}}
    assert wrong_roots(dsn) == []
    changed = any(lacking.values())
    assert (f"Characters that {encoding} cannot represent" in caplog.text) == changed
    assert (counters.mended > 0) == changed


def test_what_no_encoding_has(kind: type[Any], encoded: Callable[[str], str]) -> None:
    """NUL and lone surrogates are replaced, and what replaces them is escaped where it must be."""
    dsn = encoded("LATIN1")

    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        job.log(reason="a\0b", metadata={"\ud800": "\0é", "n": float("nan")})
        job.log(reason="\udcff\\u65e5 é")

    counters = run_with(kind, dsn, body)
    first, second = rows_of(dsn)
    assert (first["reason"], first["metadata"]) == ("a\\ufffdb", {"?": "\\ufffdé", "n": "nan"})
    assert second["reason"] == "?\\u65e5 é"
    assert (counters.written, counters.refused) == (2, 0)


@pytest.mark.parametrize(
    ("encoding", "given", "stored"),
    [
        ("LATIN1", "é" * 101, "é" * 97 + "..."),
        ("LATIN1", "日" * 20, "\\u65e5" * 16 + "\\..."),
        ("WIN1252", "é" * 101, "é" * 99 + "…"),
        ("EUC_JP", "日" * 101, "日" * 99 + "…"),
        ("SQL_ASCII", "é" * 60, "é" * 48 + "…"),
        ("SQL_ASCII", "日" * 60, "日" * 32 + "…"),
        ("SQL_ASCII", "é" * 50, "é" * 50),
    ],
)
def test_texts_are_cut_as_the_database_counts_them(
    encoding: str, given: str, stored: str, encoded: Callable[[str], str]
) -> None:
    """In characters that it has; in bytes where it knows no characters."""
    dsn = encoded(encoding)

    async def body(log: Either) -> None:
        log.logger.root(given, NOTHING).log()

    counters = run_with(LlamaLogger, dsn, body)
    assert (counters.written, counters.refused) == (1, 0)
    assert rows_of(dsn)[0]["operation"] == stored


def test_a_list_of_bounded_texts(kind: type[Any], database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('ALTER TABLE "LlamaLog" ALTER sources TYPE varchar(5)[]')

    async def body(log: Either) -> None:
        log.logger.root("o", NOTHING).log(sources=["123456", "12345", "1"])

    counters = run_with(kind, database, body)
    assert (counters.written, counters.mended) == (1, 1)
    assert rows_of(database)[0]["sources"] == ["1234…", "12345", "1"]


def test_where_pythons_table_is_not_the_servers(encoded: Callable[[str], str]) -> None:
    """Some characters of EUC_JP are others there: then all but ASCII is escaped, in that row alone."""
    odd = [chr(code) for code in range(0xA0, 0xFFFF) if can(chr(code), "euc_jp")]
    dsn = encoded("EUC_JP")

    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        for character in odd:
            job.log(reason=f"日{character}")
        assert await log.flush(100)

    counters = run_with(LlamaLogger, dsn, body)
    assert (counters.written, counters.refused) == (len(odd), 0)
    reasons = {row["reason"] for row in rows_of(dsn)}
    whole = {f"日{character}" for character in odd} & reasons
    assert len(whole) > 0.95 * len(odd)
    assert any(reason.startswith("\\u65e5\\") for reason in reasons - whole)


def can(character: str, codec: str) -> bool:
    try:
        return len(character.encode(codec)) > 0
    except UnicodeEncodeError:
        return False


def test_ids_are_looked_up_as_they_are_stored(
    kind: type[Any], encoded: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    dsn = encoded("LATIN1")

    async def body(log: Either) -> None:
        with log.logger.root("o", ("ALBUM", "日"), job_id="r日") as root:
            root.created()
        assert await log.flush()
        log.logger.job("o", NOTHING, job_id="below", parent_job_id="r日").log()
        assert await log.flush()
        found = await log.for_entity("later", ("ALBUM", "日"))
        assert (found.parent_job_id, found.root_job_id) == ("r\\u65e5", "r\\u65e5")
        assert (await log.for_entity("later", ("ALBUM", "\0\ud800"))).parent_job_id is None

    run_with(kind, dsn, body)
    assert "no CREATED row of ALBUM" in caplog.text
    assert caplog.text.encode()  # as a handler writes it
    roots = {row["job_id"]: row["root_job_id"] for row in rows_of(dsn)}
    assert roots == {"r\\u65e5": "r\\u65e5", "below": "r\\u65e5"}


def test_names_of_columns_stay_as_they_are(encoded: Callable[[str], str]) -> None:
    """In LATIN1 they have its characters; the last resort, ASCII, is for values alone."""
    dsn = encoded("EUC_TW")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute('ALTER TABLE "LlamaLog" RENAME reason TO "\u7406\u7531"')

    async def body(log: Either) -> None:
        log.logger.root("o", NOTHING).log(reason="日")

    counters = run_with(LlamaLogger, dsn, body, columns={"reason": "\u7406\u7531"})
    assert (counters.written, counters.refused) == (1, 0)
    assert rows_of(dsn)[0]["\u7406\u7531"] == "\\u65e5"


def test_bytes_of_a_sql_ascii_database_that_are_no_utf8(
    kind: type[Any], encoded: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """A root that cannot be read is no reason not to write."""
    dsn = encoded("SQL_ASCII")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id, root_job_id)
               VALUES ('o', 'CREATED', 'SUCCESS', 'top', 'x', convert_from('\\xff', 'SQL_ASCII'))"""
        )

    async def body(log: Either) -> None:
        log.logger.job("o", NOTHING, job_id="below", parent_job_id="top").log()
        assert await log.flush()

    counters = run_with(kind, dsn, body)
    assert (counters.written, counters.refused) == (1, 0)
    assert "Roots could not be looked up" in caplog.text
