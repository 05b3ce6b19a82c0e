"""The commands that change something, on a small log."""

from __future__ import annotations

from typing import Any

import psycopg

from cutting import Hook, run_here

CHAIN = [("a", None), ("b", "a"), ("c", "b"), ("k", "c", True)]
COMMANDS = {
    "migrate": [("migrate", "--yes")],
    "migrate with an index there": [("migrate", "--yes"), "NEW ROOTS", ("migrate", "--yes")],
    "undo": [("migrate", "--yes"), ("guard", "install", "--yes"), ("undo", "--yes")],
    "guard": [("migrate", "--yes"), ("guard", "install", "--yes"), ("guard", "remove", "--yes")],
    "online": [("migrate", "--online", "--yes", "--grace", "0s")],
    "online without a guard": [("migrate", "--online", "--yes", "--grace", "0s", "--no-guard")],
    "repair": [("migrate", "--yes"), "NEW ROOTS", ("repair", "--yes", "--overwrite", "--grace", "0s")],
    "verify": [("migrate", "--yes"), ("verify",)],
}
NEW_ROOTS = """
UPDATE "LlamaLog" SET root_job_id = NULL WHERE job_id <> 'a';
INSERT INTO "LlamaLog" (entity_type, operation, category, status, job_id, parent_job_id, is_root_job)
VALUES ('ALBUM', 'ENRICH', 'ENRICHED', 'SUCCESS', 'n', 'a', true)
"""


def run_all(
    dsn: str, connection: psycopg.Connection[Any], commands: list[Any], before: Hook | None = None
) -> list[tuple[int, str]]:
    """Runs them; returns the codes and what was said on stderr."""
    found = []
    for command in commands:
        if command == "NEW ROOTS":
            connection.execute(NEW_ROOTS.encode())
            continue
        done = run_here(command[0], *command[1:], "--dsn", dsn, before=before)
        found.append((done.code, done.err))
    return found


def make_fill_slow(connection: psycopg.Connection[Any], seconds: float) -> None:
    """The first row that is filled takes so long on the server."""
    connection.execute(
        f"""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.job_id = 'a' THEN PERFORM pg_catalog.pg_sleep({seconds}); END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER slow BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION slow();
    """.encode()
    )


WORDS = {"tree": ["a"], "timeline": ["--root", "a"], "preflight": ["--fail-on", "never"]}
ASKING = ("migrate", "undo", "repair", "guard install", "guard remove")
AT_ONCE = ("migrate --online", "repair")
"""No row is too young for them."""


def call(command: str, dsn: str) -> Any:
    words = [*command.split(), *WORDS.get(command, [])]
    if command.startswith(ASKING):
        words.append("--yes")
    if command in AT_ONCE:
        words += ["--grace", "0s"]
    return run_here(*words, "--dsn", dsn)
