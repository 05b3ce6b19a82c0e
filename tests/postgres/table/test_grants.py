"""Hints about rights: each GRANT that is printed works as it stands, is enough, and is not too much."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cutting import Done, run_here
from llamactl.sqlfiles.keywords import KEYWORDS
from llamactl.sqlfiles.quoting import ident
from servers import Server

STATEMENT = re.compile(r"\b(?:GRANT|ALTER TYPE)\b(?:[^;\"']|\"(?:[^\"]|\"\")*\"|'[^']*')*;")
ROLES = [
    "user",
    'd"quo;te ünï',
    pytest.param("Sel\\ect", marks=pytest.mark.slow),
]
SCHEMA, TABLE, DATABASE = "order", 'Log "x"', "Job; logs"
TABLES = ("--schema", SCHEMA, "--table", TABLE)


def test_identifiers_are_quoted_as_the_server_does(each_server: Server) -> None:
    """Each keyword, and names of all kinds; words that are keywords of another version may be quoted."""
    names = ["", "a", "A", "_a1", "1a", "a$", "a b", 'a"b', "ä", "a-b", "a\n", "a.b"]
    with each_server.admin() as connection:
        found = connection.execute("SELECT word, catcode <> 'U', quote_ident(word) FROM pg_get_keywords()")
        for word, quoted, text in found.fetchall():
            assert ident(word) == text or word in KEYWORDS, word
            assert not quoted or word in KEYWORDS
        for name in names[1:]:
            assert connection.execute("SELECT quote_ident(%s)", [name]).fetchone() == (ident(name),)
        if connection.info.server_version >= 180000:
            row = connection.execute(
                "SELECT array_agg(word) FROM pg_get_keywords() WHERE catcode <> 'U'"
            ).fetchone()
            assert row is not None
            assert set(row[0]) == KEYWORDS


# A database in which nobody may do anything ---------------------------------------------------------------


class World:
    """A database with a log of odd names; `role` may log in and do nothing else, `owner` owns the log."""

    def __init__(self, server: Server, name: str, role: str) -> None:
        self.server, self.name, self.role, self.owner = server, name, role, f"Owner of {role}"
        self.admin = psycopg.connect(server.conninfo(name), autocommit=True)

    def run(self, statement: str, *names: str) -> None:
        self.admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def dsn(self, role: str | None = None) -> str:
        return self.server.conninfo(self.name, user=self.role if role is None else role)

    def done(self, *words: str, role: str | None = None, **options: str) -> Done:
        given = TABLES if words[0] != "explain" else ()
        dsn = make_conninfo(self.dsn(role), **options)
        return run_here(*words, *given, "--dsn", dsn)

    def until_it_works(self, *words: str, rounds: int = 1) -> list[str]:
        """Executes what the command prints, and repeats it: it works then. Returns what was executed."""
        executed: list[str] = []
        for _ in range(rounds + 1):
            done = self.done(*words)
            told = STATEMENT.findall(done.out + done.err)
            if done.code != 3:
                assert not [one for one in told if "LlamaLog" not in one and words[0] == "verify"]
                return executed
            assert told, done.err
            assert not set(told) & set(executed), done.err
            for statement in told:
                self.execute(statement)
            executed += told
        raise AssertionError(f"still refused: {done.err}")

    def execute(self, statement: str) -> None:
        self.admin.execute(statement.encode())
        assert not self.is_powerful(), statement

    def is_powerful(self) -> bool:
        """The role has become a superuser, or a member of the owner or of a superuser."""
        row = self.admin.execute(
            """SELECT bool_or(pg_has_role(%(role)s, r.oid, 'MEMBER') OR (r.rolname = %(role)s AND r.rolsuper))
            FROM pg_roles AS r
            WHERE r.rolsuper OR r.rolbypassrls OR r.rolname = %(owner)s AND r.rolname <> %(role)s""",
            {"role": self.role, "owner": self.owner},
        ).fetchone()
        assert row is not None
        return bool(row[0])


@pytest.fixture(params=ROLES)
def world(request: pytest.FixtureRequest, each_server: Server) -> Iterator[World]:
    with made(each_server, request.param) as world:
        yield world


@pytest.fixture
def plain(each_server: Server) -> Iterator[World]:
    with made(each_server, 'Sel"ect') as world:
        yield world


@contextmanager
def made(server: Server, role: str) -> Iterator[World]:
    with server.admin() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*_names(DATABASE, server.template)))
    world = World(server, DATABASE, role)
    try:
        world.run("CREATE ROLE {} LOGIN", world.role)
        world.run("CREATE ROLE {} LOGIN", world.owner)
        world.run("CREATE SCHEMA {}", SCHEMA)
        for table in ("LlamaLog", "albums", "artists", "tracks"):
            world.run("ALTER TABLE {} SET SCHEMA {}", table, SCHEMA)
        world.run("ALTER TABLE {}.{} RENAME TO {}", SCHEMA, "LlamaLog", TABLE)
        world.run("ALTER TABLE {}.{} OWNER TO {}", SCHEMA, TABLE, world.owner)
        world.run("ALTER TYPE {} OWNER TO {}", "LlamaLogCategory", world.owner)
        for job, parent, flagged in (("a", None, True), ("b", "a", False), ("c", "b", True)):
            world.admin.execute(
                sql.SQL(
                    "INSERT INTO {}.{} (entity_type, operation, category, status, job_id, parent_job_id,"
                    " is_root_job, created_at) VALUES ('ALBUM', 'X', 'ENRICHED', 'SUCCESS', %s, %s, %s,"
                    " now() - interval '1 day')"
                ).format(*_names(SCHEMA, TABLE)),
                [job, parent, flagged],
            )
        world.run("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        world.run("REVOKE ALL ON DATABASE {} FROM PUBLIC", DATABASE)
        world.run("GRANT CONNECT ON DATABASE {} TO PUBLIC", DATABASE)
        yield world
    finally:
        world.admin.close()
        server.drop(DATABASE)
        with server.admin() as admin:
            for name in (world.role, world.owner):
                admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _names(*names: str) -> tuple[sql.Identifier, ...]:
    return tuple(map(sql.Identifier, names))


def hand_over(world: World) -> None:
    """The role owns the log, and has no other rights."""
    world.run("ALTER TABLE {}.{} OWNER TO {}", SCHEMA, TABLE, world.role)
    world.run("ALTER TYPE {} OWNER TO {}", "LlamaLogCategory", world.role)
    world.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, world.role)


# Reading ------------------------------------------------------------------------------------------------

READING = (
    ("verify",),
    ("tree", "c"),
    ("timeline", "--root", "a"),
    ("stats",),
    ("migrate", "--dry-run"),
    ("migrate", "--dry-run", "--online"),
    ("sql",),
    ("status",),
    ("guard", "status"),
    ("undo", "--dry-run"),
)


def test_a_reader(world: World) -> None:
    """From nothing to all that a reader needs, in the order in which rights are missed."""
    executed = [one for words in READING for one in world.until_it_works(*words, rounds=2)]
    role = ident(world.role)
    assert set(executed) == {
        f'GRANT USAGE ON SCHEMA "order" TO {role};',
        f'GRANT SELECT ON "order"."Log ""x""" TO {role};',
        f'GRANT TEMPORARY ON DATABASE "Job; logs" TO {role};',
    }
    # Notes and findings print GRANTs too, and the command needs none of them.
    for words in (("timeline", "--root", "a"), ("preflight",)):
        told = STATEMENT.findall(world.done(*words).out + world.done(*words).err)
        assert told, words
        for statement in told:
            world.execute(statement)
        again = world.done(*words)
        assert not STATEMENT.findall(again.out + again.err), words


def test_a_reader_of_a_migrated_log(plain: World) -> None:
    assert plain.done("migrate", "--yes", role="postgres").code == 0
    assert plain.done("migrate", "--online", "--yes", role="postgres").code == 0
    plain.run("UPDATE {}.{} SET root_job_id = NULL", SCHEMA, TABLE)
    executed = [one for words in READING for one in plain.until_it_works(*words, rounds=2)]
    for table in ("run", "step", "cleared_parent"):
        assert any(f"ON llamactl.{table} TO" in one for one in executed)
    assert all(
        one.startswith(("GRANT SELECT ON", "GRANT USAGE ON", "GRANT TEMPORARY ON")) for one in executed
    )


def test_columns_alone_do_not_do_for_a_tree(plain: World) -> None:
    plain.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    columns = "id, job_id, parent_job_id, is_root_job, created_at"
    plain.run(f"GRANT SELECT ({columns}) ON {{}}.{{}} TO {{}}", SCHEMA, TABLE, plain.role)
    assert len(plain.until_it_works("tree", "c")) == 1
    plain.run("REVOKE SELECT ON {}.{} FROM {}", SCHEMA, TABLE, plain.role)
    plain.run(f"GRANT SELECT ({columns}) ON {{}}.{{}} TO {{}}", SCHEMA, TABLE, plain.role)
    assert len(plain.until_it_works("timeline", "--root", "a")) == 1


def test_row_security_asks_for_no_rights(plain: World) -> None:
    plain.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    plain.run("GRANT SELECT ON {}.{} TO {}", SCHEMA, TABLE, plain.role)
    plain.run("ALTER TABLE {}.{} ENABLE ROW LEVEL SECURITY", SCHEMA, TABLE)
    done = plain.done("tree", "a")
    assert done.code == 3
    assert f"Connect as the owner, {ident(plain.owner)}" in done.err
    assert "ALTER ROLE" not in done.err
    assert plain.done("tree", "a", role=plain.owner).code == 3  # the schema is not the owner's to use
    plain.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, plain.owner)
    assert plain.done("tree", "a", role=plain.owner).code == 0


# Changing -----------------------------------------------------------------------------------------------


def test_the_owner_migrates(world: World) -> None:
    hand_over(world)
    executed = world.until_it_works("migrate", "--yes", rounds=2)
    role = ident(world.role)
    assert executed == [
        f"GRANT USAGE ON SCHEMA public TO {role};",
        f'GRANT TEMPORARY ON DATABASE "Job; logs" TO {role};',
        f'GRANT CREATE ON SCHEMA "order" TO {role};',
        f'GRANT CREATE ON DATABASE "Job; logs" TO {role};',
    ]
    assert world.done("verify", "--grace", "0").code == 0


@pytest.mark.parametrize(
    "words", [("migrate", "--online", "--yes"), ("migrate", "--online", "--yes", "--no-guard")], ids=" ".join
)
def test_the_owner_migrates_online(plain: World, words: tuple[str, ...]) -> None:
    hand_over(plain)
    assert len(plain.until_it_works(*words, rounds=2)) == 4
    assert plain.done("verify", "--grace", "0").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("migrate", "--yes"),
        ("migrate", "--online", "--yes"),
        ("repair", "--yes"),
        ("guard", "install", "--yes"),
    ],
    ids=" ".join,
)
def test_the_owner_beside_what_another_role_made(plain: World, words: tuple[str, ...]) -> None:
    """A superuser migrated, before the log was the role's; then rows came."""
    assert plain.done("migrate", "--yes", role="postgres").code == 0
    assert plain.done("migrate", "--online", "--yes", "--no-guard", role="postgres").code == 0
    plain.run("UPDATE {}.{} SET root_job_id = NULL", SCHEMA, TABLE)
    plain.run("UPDATE {}.{} SET parent_job_id = 'b' WHERE job_id = 'c'", SCHEMA, TABLE)
    hand_over(plain)
    plain.run("GRANT CREATE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    plain.run("GRANT TEMPORARY ON DATABASE {} TO {}", DATABASE, plain.role)
    executed = plain.until_it_works(*words, rounds=2)
    assert executed
    assert not [one for one in executed if "GRANT ALL" in one or "DATABASE" in one]


def test_repair_by_somebody_else(world: World) -> None:
    assert world.done("migrate", "--yes", role="postgres").code == 0
    world.run("UPDATE {}.{} SET root_job_id = NULL", SCHEMA, TABLE)
    world.run("UPDATE {}.{} SET parent_job_id = 'b' WHERE job_id = 'c'", SCHEMA, TABLE)
    world.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, world.role)
    world.run("GRANT SELECT ON {}.{} TO {}", SCHEMA, TABLE, world.role)
    world.run("GRANT TEMPORARY ON DATABASE {} TO {}", DATABASE, world.role)
    executed = world.until_it_works("repair", "--yes", rounds=3)
    table, role = '"order"."Log ""x"""', ident(world.role)
    assert f"GRANT UPDATE (root_job_id) ON {table} TO {role};" in executed
    assert f"GRANT UPDATE (parent_job_id) ON {table} TO {role};" in executed
    assert world.done("verify", "--grace", "0").code == 0


def test_an_owner_that_lacks_a_right_of_its_own(plain: World) -> None:
    hand_over(plain)
    plain.run("REVOKE ALL ON {}.{} FROM {}", SCHEMA, TABLE, plain.role)
    executed = plain.until_it_works("migrate", "--yes", rounds=3)
    assert any(one.startswith("GRANT UPDATE ON") for one in executed)


# Where no GRANT is right -----------------------------------------------------------------------------------

OWNERS = ("migrate --yes", "migrate --online --yes", "guard install --yes", "undo --yes")


@pytest.mark.parametrize("command", OWNERS)
def test_the_owners_rights_are_never_to_be_granted(world: World, command: str) -> None:
    words = command.split()
    if words[0] in ("guard", "undo"):
        assert world.done("migrate", "--yes", role="postgres").code == 0
    world.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, world.role)
    world.run("GRANT SELECT ON {}.{} TO {}", SCHEMA, TABLE, world.role)
    world.run("GRANT TEMPORARY ON DATABASE {} TO {}", DATABASE, world.role)
    for _ in range(3):
        done = world.done(*words)
        assert done.code == 3
        for statement in STATEMENT.findall(done.err):
            world.execute(statement)
    assert f"Connect as the owner, {ident(world.owner)}" in done.err


def test_a_superusers_table(plain: World) -> None:
    plain.run("ALTER TABLE {}.{} OWNER TO postgres", SCHEMA, TABLE)
    plain.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    plain.run("GRANT SELECT ON {}.{} TO {}", SCHEMA, TABLE, plain.role)
    done = plain.done("migrate", "--yes")
    assert "Connect as the owner, postgres." in done.err
    assert "GRANT postgres" not in done.err


def test_who_may_become_the_owner_is_told_how(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint is pasted into a shell, as it stands."""
    world.run("GRANT ALL ON SCHEMA {} TO {}, {}", SCHEMA, world.owner, world.role)
    world.run("GRANT SELECT ON {}.{} TO {}", SCHEMA, TABLE, world.role)
    world.run("GRANT USAGE ON SCHEMA public TO {}", world.owner)
    world.run("GRANT ALL ON DATABASE {} TO {}", DATABASE, world.owner)
    world.run("ALTER ROLE {} NOINHERIT", world.role)
    world.run("GRANT {} TO {}", world.owner, world.role)
    done = world.done("migrate", "--yes")
    assert done.code == 3
    match = re.search("which this login can become with `PGOPTIONS=(.*?)`", done.err)
    assert match, done.err
    pasted = subprocess.run(["bash", "-c", f"printf %s {match[1]}"], capture_output=True, text=True)
    monkeypatch.setenv("PGOPTIONS", pasted.stdout)
    assert world.done("migrate", "--yes").code == 0


def test_a_membership_that_allows_no_set_role_is_no_way(plain: World) -> None:
    if plain.admin.info.server_version < 160000:
        pytest.skip("before Postgres 16 every member may become the role")
    plain.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    plain.run("GRANT SELECT ON {}.{} TO {}", SCHEMA, TABLE, plain.role)
    plain.run("GRANT {} TO {} WITH INHERIT FALSE, SET FALSE", plain.owner, plain.role)
    done = plain.done("migrate", "--yes")
    assert f"Connect as the owner, {ident(plain.owner)}." in done.err


def test_undo_of_what_another_role_made(plain: World) -> None:
    assert plain.done("migrate", "--yes", role="postgres").code == 0
    hand_over(plain)
    plain.run("GRANT CREATE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    plain.run("GRANT TEMPORARY ON DATABASE {} TO {}", DATABASE, plain.role)
    for statement in STATEMENT.findall(plain.done("undo", "--yes").err):
        plain.execute(statement)
    done = plain.done("undo", "--yes")
    assert done.code == 3
    assert "hint:  Connect as the owner, postgres" in done.err
    assert plain.done("undo", "--yes", role="postgres").code == 0


def test_a_guard_of_another_role(plain: World) -> None:
    assert plain.done("migrate", "--online", "--yes", role="postgres").code == 0
    hand_over(plain)
    plain.run("GRANT CREATE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    for words in (("guard", "install", "--yes"), ("guard", "remove", "--yes")):
        done = plain.done(*words)
        assert done.code == 3
        assert "Connect as its owner, postgres" in done.err


# The effective role ---------------------------------------------------------------------------------------


def test_hints_are_for_the_effective_role(plain: World) -> None:
    """Of a login that works as another role, by its own settings or by the connection's."""
    plain.run("CREATE ROLE {} LOGIN", "log in")
    try:
        plain.run("GRANT {} TO {}", plain.role, "log in")
        for set_by in ("role", "options"):
            options = {}
            if set_by == "role":
                plain.run("ALTER ROLE {} SET role = {}", "log in", plain.role)
            else:
                plain.run("ALTER ROLE {} RESET role", "log in")
                options = {"options": "-crole=" + re.sub(r"([\s\\])", r"\\\1", plain.role)}
            done = plain.done("tree", "c", role="log in", **options)
            assert done.code == 3
            assert f"TO {ident(plain.role)};" in done.err
            assert ident("log in") not in done.err
            done = plain.done("verify", "-v", role="log in", **options)
            assert f"as log in (role {plain.role})" in done.err
        for statement in STATEMENT.findall(plain.done("tree", "c", role="log in", **options).err):
            plain.execute(statement)
        assert plain.done("tree", "c", role="log in", **options).code == 0
    finally:
        plain.run("DROP ROLE {}", "log in")


def test_a_role_that_does_not_inherit(plain: World) -> None:
    """A membership in pg_read_all_stats counts only where it is inherited."""
    plain.run("ALTER ROLE {} NOINHERIT", plain.role)
    plain.run("GRANT USAGE ON SCHEMA {} TO {}", SCHEMA, plain.role)
    plain.run("GRANT SELECT ON {}.{} TO {}", SCHEMA, TABLE, plain.role)
    found = plain.done("preflight").out
    assert "LL119" in found
    told = [one for one in STATEMENT.findall(found) if "pg_read_all_stats" in one]
    for statement in told:
        plain.execute(statement)
    if told:
        assert "LL119" not in plain.done("preflight").out
    else:
        assert plain.admin.info.server_version < 160000
        assert "Connect as a role that inherits the privileges of pg_read_all_stats." in found
