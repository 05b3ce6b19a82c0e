"""What a statement returns under a lock fits the connection: no timeout ends a session that cannot send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from commands import COMMANDS, run_all
from cutting import run_here
from proxy import Answer, proxied

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]
MOST_BYTES = 64 * 1024
LONG = "x" * 100_000
"""An id, which compresses well enough for an index."""
HOSTILE = """
ALTER TABLE "LlamaLog" ALTER job_id TYPE text, ALTER parent_job_id TYPE text;
DO $$
BEGIN
    EXECUTE 'ALTER TABLE "LlamaLog" ' || (
        SELECT string_agg(format('ADD %I integer', rpad('c' || n, 63, 'x')), ', ')
        FROM generate_series(1, 1500) AS n);
    FOR n IN 1 .. 1500 LOOP
        EXECUTE format('ALTER TYPE "LlamaLogCategory" ADD VALUE %L', rpad('v' || n, 63, 'x'));
    END LOOP;
    FOR n IN 1 .. 40 LOOP
        EXECUTE format('CREATE INDEX %I ON "LlamaLog" (job_id, (entity_id || %L))', rpad('i' || n, 63, 'x'),
                       repeat('y', 5000));
        EXECUTE format('CREATE INDEX %I ON "LlamaLog" (job_id)', rpad('j' || n, 63, 'x'));
        EXECUTE format('CREATE POLICY %I ON "LlamaLog"', rpad('p' || n, 63, 'x'));
    END LOOP;
END $$;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '%', repeat('n', 1000);
    RAISE WARNING '%', repeat('n', 1000);
    RETURN NEW;
END $$;
DO $$
BEGIN
    FOR n IN 1 .. 150 LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION shout()',
                       rpad('t' || n, 63, 'x'));
    END LOOP;
END $$;
"""
LONG_CHAIN = [(LONG + "a", None), (LONG + "b", LONG + "a"), (LONG + "k", LONG + "a", True)] + [
    (f"{LONG}c{number}", f"{LONG}{number % 7}gone") for number in range(40)
]


def inside_a_change(answers: list[Answer]) -> list[Answer]:
    """Those of transactions that change something: a reader's are REPEATABLE READ."""
    found, change = [], False
    for answer in answers:
        if answer.text.startswith("BEGIN"):
            change = "READ COMMITTED" in answer.text
        if change:
            found.append(answer)
            change = answer.inside
    return found


def assert_small(answers: list[Answer]) -> None:
    found = inside_a_change(answers)
    assert len(found) > 20
    largest = max(found, key=lambda answer: answer.size)
    assert largest.size <= MOST_BYTES, largest


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in COMMANDS if case != "verify"])
def test_what_a_statement_returns_under_a_lock(
    case: str, insert: Insert, database: str, connection: Connection
) -> None:
    """However long ids are, and however many columns, labels, indexes, policies and triggers there are."""
    connection.execute(HOSTILE.encode())
    insert(LONG_CHAIN)
    with proxied(database) as (dsn, proxy):
        found = run_all(dsn, connection, COMMANDS[case])
        assert {code for code, _ in found} == {0}, found
    assert_small(proxy.answers)


def test_what_a_refusal_returns_under_a_lock(insert: Insert, database: str, connection: Connection) -> None:
    """Dangling parents that do not fit: however many of them are asked for."""
    connection.execute('ALTER TABLE "LlamaLog" ALTER parent_job_id TYPE text')
    insert([(f"c{number}", f"{number} {LONG}") for number in range(300)])
    with proxied(database) as (dsn, proxy):
        done = run_here("migrate", "--yes", "--sample", "300", "--dsn", dsn)
    assert (done.code, "LL009" in done.err or "do not fit" in done.err) == (2, True), done.err
    assert_small(proxy.answers)
