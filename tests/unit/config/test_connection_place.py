"""Where a connection leads, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamactl.config.dsn import read_dsn
from llamactl.db.connect import planned_target


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://app:hush@db.example.com/app", "host db.example.com, database app"),
        ("postgresql://app@db.example.com:5432/app", "host db.example.com, database app"),
        ("postgresql://app@db.example.com:6432/app", "host db.example.com, port 6432, database app"),
        ("postgresql://app@[::1]:5433/app", "host ::1, port 5433, database app"),
        ("postgresql://a@h1:5432,h2:5433/app", "hosts h1, h2, ports 5432, 5433, database app"),
        ("postgresql://a@h1,h2/app", "hosts h1, h2, database app"),
        ("postgresql://a@%2Fvar%2Frun%2Fpostgresql/app", "socket /var/run/postgresql, database app"),
        ("host=/tmp port=5433 dbname=app", "socket /tmp, port 5433, database app"),
        ("host=@pooler dbname=app", "socket @pooler, database app"),
        ("hostaddr=10.0.0.1 dbname=app", "host 10.0.0.1, database app"),
        ("user=app dbname=music", "the local socket, database music"),
        ("user=app host=db", "host db, database app"),  # libpq's default: the user's name
        ("postgresql://app@db/music?schema=x&connection_limit=5", "host db, database music"),
    ],
)
def test_place(dsn: str, place: str) -> None:
    assert planned_target(read_dsn(dsn, "--dsn", Path())).place == place


def test_place_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "db", "PGDATABASE": "music", "PGPORT": "6543"}.items():
        monkeypatch.setenv(name, value)
    assert planned_target(read_dsn("user=app", "--dsn", Path())).place == "host db, port 6543, database music"
