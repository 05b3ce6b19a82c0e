"""Each line of what a Prisma URL may hold, and URLs that cannot be read: no message quotes a password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from psycopg import pq

from llamactl.config.dsn import Dsn, read_dsn
from llamactl.config.url_parameters import LIBPQ
from llamactl.db.connect import open_connection, parameters, planned_target
from llamactl.model import ErrorCode, ExitCode, LlamactlError

BASE = "postgresql://app:s3cret@db.example:6543/music"

SOCKET = {"host": "/run/pg", "port": "5433", "dbname": "music"}


def read(url: str, cwd: Path = Path("/nowhere")) -> Dsn:
    return read_dsn(url, "DATABASE_URL", cwd)


def refusal(url: str) -> LlamactlError:
    with pytest.raises(LlamactlError) as caught:
        read(url)
    assert caught.value.code is ErrorCode.CONFIG
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in caught.value.message
    return caught.value


def test_a_plain_url():
    dsn = read(BASE)
    assert dsn.params == {
        "user": "app",
        "password": "s3cret",
        "host": "db.example",
        "port": "6543",
        "dbname": "music",
    }
    assert (dsn.schema, dsn.pgbouncer, dsn.notes, dsn.details) == (None, False, (), ())


def test_schema_is_the_tables_schema():
    dsn = read(f"{BASE}?schema=log%20s")
    assert dsn.schema == "log s"
    assert "schema" not in dsn.params
    assert read(f"{BASE}?schema=").schema is None


@pytest.mark.parametrize(
    "name",
    [
        "connection_limit",
        "pool_timeout",
        "max_connection_lifetime",
        "max_idle_connection_lifetime",
        "statement_cache_size",
        "single_use_connections",
        "socket_timeout",
    ],
)
def test_parameters_of_prismas_pool_are_dropped_and_noted_under_v(name: str):
    dsn = read(f"{BASE}?{name}=3")
    assert dsn.params == read(BASE).params
    assert dsn.notes == ()
    assert len(dsn.details) == 1
    assert name in dsn.details[0]


def test_pgbouncer_is_noted_and_asks_for_the_direct_url():
    dsn = read(f"{BASE}?pgbouncer=true")
    assert dsn.pgbouncer
    assert "pgbouncer" not in dsn.params
    assert "direct" in dsn.notes[0]
    assert not read(f"{BASE}?pgbouncer=false").pgbouncer


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
def test_sslmode_has_libpqs_words(mode: str):
    assert read(f"{BASE}?sslmode={mode}").params["sslmode"] == mode


def test_sslmode_no_verify_is_require():
    assert read(f"{BASE}?sslmode=no-verify").params["sslmode"] == "require"


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("sslaccept=strict", "verify-full"),
        ("sslmode=require&sslaccept=strict", "verify-full"),
        ("sslmode=disable&sslaccept=strict", "disable"),
        ("sslaccept=accept_invalid_certs", "require"),
        ("sslmode=prefer&sslaccept=accept_invalid_certs", "prefer"),
        ("ssl=true", "require"),
        ("ssl=0", "disable"),
    ],
)
def test_sslaccept_and_ssl_become_an_sslmode(query: str, mode: str):
    params = read(f"{BASE}?{query}").params
    assert params["sslmode"] == mode
    assert not {"sslaccept", "ssl"} & params.keys()


def test_sslcert_is_the_servers_ca_and_said(tmp_path: Path):
    dsn = read(f"{BASE}?sslcert=ca.pem")
    assert dsn.params["sslrootcert"] == "ca.pem"
    assert "sslcert" not in dsn.params
    assert "CA" in dsn.notes[0]
    # Prisma looks beside its schema.
    (tmp_path / "prisma").mkdir()
    (tmp_path / "prisma" / "ca.pem").touch()
    assert read(f"{BASE}?sslcert=ca.pem", tmp_path).params["sslrootcert"] == f"{tmp_path}/prisma/ca.pem"


def test_sslcert_with_a_key_is_the_clients_as_in_libpq():
    dsn = read(f"{BASE}?sslcert=client.pem&sslkey=key.pem")
    assert (dsn.params["sslcert"], dsn.params["sslkey"], dsn.notes) == ("client.pem", "key.pem", ())


def test_sslidentity_says_to_convert_the_file():
    error = refusal(f"{BASE}?sslidentity=me.p12&sslpassword=hush")
    assert "PKCS#12" in error.message
    assert "openssl pkcs12" in error.hint
    assert "hush" not in error.message + error.hint


def test_connect_timeout_is_5_seconds_unless_given(monkeypatch: pytest.MonkeyPatch):
    for name in ("PGCONNECT_TIMEOUT", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    assert parameters(read(BASE), "test")["connect_timeout"] == "5"
    assert parameters(read(f"{BASE}?connect_timeout=30"), "test")["connect_timeout"] == "30"
    # What the environment or a service file says is libpq's to find.
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")
    assert "connect_timeout" not in parameters(read(BASE), "test")
    assert "connect_timeout" not in parameters(read("service=music"), "test")


@pytest.mark.parametrize("named", ["in the URL", "in the environment"])
def test_what_a_service_file_leaves_out_is_ours(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    services = tmp_path / "pg_service.conf"
    services.write_text("[music]\nhost=db.example.com\nuser=app\ndbname=music\nkeepalives_idle=7\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGSERVICE", "another" if named == "in the URL" else "music")
    dsn = read("service=music" if named == "in the URL" else "sslmode=disable")
    found = parameters(dsn, "test")
    assert "keepalives_idle" not in found
    assert found["tcp_user_timeout"] == "30000"
    assert str(planned_target(dsn)) == "db.example.com:5432/music as app"
    assert os.environ["PGSERVICE"] == ("another" if named == "in the URL" else "music")


@pytest.mark.parametrize("scheme", ["prisma", "prisma+postgres"])
def test_prismas_own_protocol_needs_the_direct_url(scheme: str):
    error = refusal(f"{scheme}://accelerate.prisma-data.net/?api_key=topsecretkey")
    assert f"{scheme}://" in error.message
    assert "direct URL" in error.hint
    assert "topsecretkey" not in error.message + error.hint


@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_quotes_copied_from_a_file_are_taken_off(quote: str):
    assert read(f" {quote}{BASE}{quote}\n").params == read(BASE).params


def test_postgres_and_sqlalchemy_schemes():
    plain = read(BASE).params
    assert read(BASE.replace("postgresql://", "postgres://")).params == plain
    dsn = read(BASE.replace("postgresql://", "postgresql+psycopg://"))
    assert dsn.params == plain
    assert "+psycopg" in dsn.notes[0]


@pytest.mark.parametrize(
    ("password", "named"),
    [
        ("left/right", "/"),
        ("left@right", "@"),
        ("left#right", "#"),
        ("left?right", "?"),
        ("99/right", "/"),
        ("99?right", "?"),
        ("left@x/right", "/"),
        ("left?k=right", "?"),
        ("left/x?right", "/"),
        ("le@ft?right", "?"),
    ],
)
@pytest.mark.parametrize("rest", ["db.example:6543/music", "db.example/music?schema=public", "db.example"])
def test_an_unescaped_character_in_the_password_is_named(password: str, named: str, rest: str):
    error = refusal(f"postgresql://app:{password}@{rest}")
    assert f"unescaped `{named}`" in error.message
    assert "%2F" in error.hint
    for piece in ("left", "right", "99"):
        assert piece not in error.message + error.hint


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("a%2Fb%40c%23d%3F", "a/b@c#d?"),
        ("50%", "50%"),
        ("%zz", "%zz"),
        ("a:b", "a:b"),
        ("a$b${HOME}", "a$b${HOME}"),
        ("a+b", "a+b"),
        ("%C3%BC", "ü"),
        ("it's", "it's"),
    ],
)
def test_a_password_is_read_as_prisma_reads_it(written: str, password: str):
    assert read(f"postgresql://app:{written}@db/music").params["password"] == password


@pytest.mark.parametrize(
    ("url", "params"),
    [
        ("postgresql://", {}),
        ("postgresql:///music", {"dbname": "music"}),
        ("postgresql://db", {"host": "db"}),
        ("postgresql:///music?host=/run/pg&port=5433", SOCKET),
        ("postgresql://%2Frun%2Fpg:5433/music", SOCKET),
        ("postgresql://[::1]:5433/music", {"host": "::1", "port": "5433", "dbname": "music"}),
        ("postgresql://a:1,b,c:3/music", {"host": "a,b,c", "port": "1,,3", "dbname": "music"}),
        (
            "postgresql://db?user=me@home&options=-c%20a%3Db",
            {"host": "db", "user": "me@home", "options": "-c a=b"},
        ),
    ],
)
def test_libpqs_forms(url: str, params: dict[str, str]):
    assert read(url).params == params


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("host=db dbname = music", {"host": "db", "dbname": "music"}),
        (r"password='it\'s a secret' user=app", {"password": "it's a secret", "user": "app"}),
        (r"password=a\ b\\c", {"password": r"a b\c"}),
        ("password='' host=''", {"password": "", "host": ""}),
        ("", {}),
    ],
)
def test_key_value_strings(text: str, params: dict[str, str]):
    assert read(text).params == params


@pytest.mark.parametrize(
    "text",
    [
        "host=db password=left right",
        "host=db password='left right",
        "app:left@db/music",
        "left",
        "mysql://app:left@db/music",
        "jdbc:postgresql://db/music?password=left",
        "file:./left.db",
        "postgresql://app:left",
        "postgresql://app:x@db:left/music",
        "postgresql://app:x@db:99999/music",
        "postgresql://app:x@db/music?left",
        "postgresql://app:left%ff@db/music",
        "postgresql://app:left%00@db/music",
        "host=db port=left",
    ],
)
def test_what_cannot_be_read_is_said_without_quoting_it(text: str):
    error = refusal(text)
    assert "left" not in error.message + error.hint
    assert "right" not in error.message + error.hint
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("uselibpqcompat=true", "uselibpqcompat"),
        ("pool=true", "pool"),
        ("sslmode=require&supa=base-pooler.x", "supa"),
        ("workaround=supabase-pooler.vercel&prepare=false", "workaround, prepare"),
        ("uselibpqcompat=true&connection_limit=1&pool=true&sslmode=require", "uselibpqcompat, pool"),
        (
            "statement_timeout=5000&query_timeout=3&keepAlive=true",
            "statement_timeout, query_timeout, keepAlive",
        ),
        ("pool_max_conns=10&default_query_exec_mode=exec", "pool_max_conns, default_query_exec_mode"),
        (
            "ApplicationName=a&prepareThreshold=0&tcpKeepAlive=true",
            "ApplicationName, prepareThreshold, tcpKeepAlive",
        ),
        ("max=5&timezone=UTC&encoding=utf8&x=", "max, timezone, encoding, x"),
        ("email=a%40b", "email"),
    ],
)
def test_what_libpq_does_not_know_is_dropped_and_named(query: str, named: str):
    dsn = read(f"{BASE}?{query}")
    assert {**dsn.params, "sslmode": ""} == {**read(BASE).params, "sslmode": ""}
    assert dsn.params.get("sslmode") == ("require" if "sslmode" in query else None)
    assert dsn.notes == (f"Ignored {named} in DATABASE_URL: libpq has no such parameter",)


@pytest.mark.parametrize(
    ("parameter", "meant"),
    [
        *(("sslmod", "sslmode"), ("sslMode", "sslmode"), ("SSLMODE", "sslmode"), ("ssl_mode", "sslmode")),
        *(("tls", "sslmode"), ("sslfactory", "sslmode"), ("ssl-root-cert", "sslrootcert")),
        *(("database", "dbname"), ("db", "dbname"), ("db_name", "dbname"), ("hosts", "host")),
        *(("username", "user"), ("usr", "user"), ("User", "user"), ("passwrd", "password")),
        *(("currentSchema", "schema"), ("search_path", "schema"), ("Schema", "schema")),
        *(("role", "options"), ("option", "options"), ("targetServerType", "target_session_attrs")),
    ],
)
def test_a_dangerous_parameter_is_refused_with_what_to_delete(parameter: str, meant: str):
    error = refusal(f"{BASE}?{parameter}=hush")
    assert repr(parameter) in error.message
    assert f"Delete `{parameter}=...`" in error.hint
    assert f"`{meant}" in error.hint
    assert "hush" not in error.message + error.hint


def test_libpqs_parameters_are_those_that_it_lists():
    """This release of libpq; an older one refuses those that it lacks when it connects."""
    listed = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    assert listed <= LIBPQ
    if pq.version() >= 180000:
        assert listed == LIBPQ


def test_a_password_with_a_question_mark_makes_no_parameters():
    error = refusal("postgresql://app:99?left=right@db.example/music")
    assert "unescaped `?`" in error.message
    assert "left" not in error.message + error.hint


@pytest.mark.parametrize("value", ["require", "yes", ""])
def test_an_ssl_that_is_no_yes_or_no_is_refused(value: str):
    assert "Delete `ssl=...`" in refusal(f"{BASE}?ssl={value}").hint


def test_an_unknown_parameter_of_a_key_value_string_is_refused_with_near_names():
    with pytest.raises(LlamactlError, match="'sslmod'") as caught:
        open_connection(read("host=127.0.0.1 port=1 sslmod=require"), "test")
    assert caught.value.code is ErrorCode.CONFIG
    assert "sslmode" in caught.value.hint


@pytest.mark.parametrize("query", ["sslmode=sometimes", "connect_timeout=soon"])
def test_a_value_that_libpq_refuses_is_a_configuration_error(query: str):
    with pytest.raises(LlamactlError) as caught:
        open_connection(read(f"postgresql://app:s3cret@127.0.0.1:1/music?{query}"), "test")
    assert caught.value.code is ErrorCode.CONFIG
    assert query.partition("=")[2] in caught.value.message


def test_no_secret_in_repr_and_scrubbed_from_any_text():
    dsn = read_dsn("postgresql://app:p%40ss%20w@db/music?sslpassword=hush", "--dsn", Path(), ["from-env"])
    assert repr(dsn) == str(dsn)
    for secret in ("p@ss w", "p%40ss", "hush", "from-env"):
        assert secret not in repr(dsn)
    text = 'host "p@ss w" (p%40ss%20w), hush, from-env, app'
    assert dsn.scrub(text) == 'host "***" (***), ***, ***, app'


def test_a_password_that_is_the_users_name_does_not_hide_the_user():
    dsn = read("postgresql://postgres:postgres@db/postgres")
    assert dsn.scrub('user "postgres"') == 'user "postgres"'
