"""Where settings come from, and in which order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llamactl
from llamactl.config.settings import Flags, Settings, duration_ms, load_settings
from llamactl.model import DanglingPolicy, ErrorCode, LlamactlError


def url(host: str) -> str:
    return f"postgresql://app:hush@{host}/music"


def refusal(flags: Flags, cwd: Path) -> LlamactlError:
    with pytest.raises(LlamactlError) as caught:
        load_settings(flags, {}, cwd)
    return caught.value


def source_of(flags: Flags, env: dict[str, str], cwd: Path) -> tuple[str | None, str]:
    settings = load_settings(flags, env, cwd)
    return settings.dsn.params.get("host"), settings.dsn.source


def test_order_of_the_sources(tmp_path: Path):
    (tmp_path / "prisma").mkdir()
    (tmp_path / ".env").write_text(f'DATABASE_URL="{url("h5")}"\nDIRECT_URL={url("h4")}\n')
    (tmp_path / "prisma/.env").write_text(f"DATABASE_URL='{url('h7')}'\nDIRECT_URL={url('h6')}\n")
    env = {
        "LLAMACTL_DSN": url("h1"),
        "DIRECT_URL": url("h2"),
        "DATABASE_URL": url("h3"),
        "PGHOST": "h8",
    }
    assert source_of(Flags(dsn=url("h0")), env, tmp_path) == ("h0", "--dsn")
    for host, name in [("h1", "LLAMACTL_DSN"), ("h2", "DIRECT_URL"), ("h3", "DATABASE_URL")]:
        assert source_of(Flags(), env, tmp_path) == (host, name)
        del env[name]
    for direct, other, path in [("h4", "h5", ".env"), ("h6", "h7", "prisma/.env")]:
        shown = path if "/" in path else f"./{path}"
        assert source_of(Flags(), env, tmp_path) == (direct, f"DIRECT_URL in {shown}")
        (tmp_path / path).write_text(f"DATABASE_URL={url(other)}\n")
        assert source_of(Flags(), env, tmp_path) == (other, f"DATABASE_URL in {shown}")
        (tmp_path / path).unlink()
    assert source_of(Flags(), env, tmp_path) == (None, "PG* variables and service files")
    assert source_of(Flags(), {}, tmp_path)[1].startswith("libpq's defaults")


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ('DATABASE_URL="postgresql://app:pa$word@db/x"', "pa$word"),
        ("DATABASE_URL=postgresql://app:pa$HOME@db/x", "pa$HOME"),
        ('SECRET=one\nDATABASE_URL="postgresql://app:${SECRET}@db/x"', "one"),
        ('DATABASE_URL="postgresql://app:${FROM_ENV}@db/x"', "environment"),
        ('FROM_ENV=file\nDATABASE_URL="postgresql://app:${FROM_ENV}@db/x"', "environment"),
        ("A=${B}\nB=two\nDATABASE_URL=postgresql://app:${A}@db/x", "two"),
        ("EMPTY=\nDATABASE_URL=postgresql://app:x${EMPTY}@db/x", "x"),
        (r"DATABASE_URL=postgresql://app:\${SECRET}@db/x", "${SECRET}"),
        ("A=a${A}\nDATABASE_URL=postgresql://app:${A}@db/x", "aaaaaaaa"),
        ("export DATABASE_URL=postgresql://app:pw@db/x # comment", "pw"),
        ("\ufeffDATABASE_URL=postgresql://app:pw@db/x", "pw"),
    ],
)
def test_env_files_expand_as_in_prisma(tmp_path: Path, line: str, password: str):
    (tmp_path / ".env").write_text(line + "\n", encoding="utf-8")
    before = dict(os.environ)
    settings = load_settings(Flags(), {"FROM_ENV": "environment"}, tmp_path)
    assert settings.dsn.params["password"] == password
    assert dict(os.environ) == before


def test_no_password_in_repr(tmp_path: Path):
    settings = load_settings(Flags(dsn=url("db")), {"PGPASSWORD": "pg-hush"}, tmp_path)
    assert "hush" not in repr(settings)
    assert settings.dsn.scrub("pg-hush hush") == "*** ***"


def test_defaults(tmp_path: Path):
    settings = load_settings(Flags(), {}, tmp_path)
    assert settings == Settings(
        dsn=settings.dsn, lock_timeout_ms=2000, statement_timeout_ms=0, depth_alert=8, notes=settings.notes
    )
    assert (settings.dangling, settings.trust_root_flag) == (DanglingPolicy.FILL, True)


FILE = """
schema = "log"
table = "job_log"
dangling = "null"
trust-root-flag = false
lock_timeout = "3s"
statement-timeout = 90
[{prefix}thresholds]
depth = 5
table_bytes = "2GB"
timeline-ms = 250
unrooted_rows = 7
[{prefix}columns]
job_id = "jobId"
parent_job_id = "parentJobId"
"""


@pytest.mark.parametrize("name", ["llamactl.toml", "pyproject.toml"])
def test_a_configuration_file_of_a_folder_above(tmp_path: Path, name: str):
    header = "[tool.llamactl]\n" if name == "pyproject.toml" else ""
    text = header + FILE.format(prefix="tool.llamactl." if header else "")
    (tmp_path / name).write_text(text)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    # A pyproject.toml that does not speak of llamactl is passed by.
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 110\n")
    settings = load_settings(Flags(), {}, below)
    assert (settings.schema, settings.table) == ("log", "job_log")
    assert settings.columns == {"job_id": "jobId", "parent_job_id": "parentJobId"}
    assert (settings.dangling, settings.trust_root_flag) == (DanglingPolicy.NULL, False)
    assert (settings.lock_timeout_ms, settings.statement_timeout_ms, settings.depth_alert) == (
        3000,
        90_000,
        5,
    )
    assert (settings.table_bytes_alert, settings.timeline_ms_alert, settings.unrooted_rows_alert) == (
        2 * 2**30,
        250,
        7,
    )
    assert settings.details == (f"Settings: {tmp_path / name}",)


@pytest.mark.parametrize(
    ("text", "size"),
    [("12345", 12345), ('"8kB"', 8192), ('"500MB"', 524_288_000), ('"1 GB"', 2**30), ('"3TB"', 3 * 2**40)],
)
def test_sizes(tmp_path: Path, text: str, size: int):
    (tmp_path / "llamactl.toml").write_text(f"[thresholds]\ntable_bytes = {text}\n")
    assert load_settings(Flags(), {}, tmp_path).table_bytes_alert == size


def test_a_flag_wins_over_the_file_and_the_file_over_the_url(tmp_path: Path):
    (tmp_path / "llamactl.toml").write_text(FILE.format(prefix=""))
    flags = Flags(
        dsn=f"{url('db')}?schema=from_url",
        table="other",
        columns=["job_id=job"],
        dangling=DanglingPolicy.FILL,
        trust_root_flag=True,
        lock_timeout="500ms",
        sample=3,
    )
    settings = load_settings(flags, {}, tmp_path)
    assert (settings.schema, settings.table) == ("log", "other")
    assert settings.columns == {"job_id": "job", "parent_job_id": "parentJobId"}
    assert (settings.dangling, settings.trust_root_flag) == (DanglingPolicy.FILL, True)
    assert (settings.lock_timeout_ms, settings.sample) == (500, 3)
    assert load_settings(Flags(schema="flag"), {}, tmp_path).schema == "flag"
    (tmp_path / "llamactl.toml").unlink()
    assert load_settings(flags, {}, tmp_path).schema == "from_url"


def test_both_files_in_one_folder(tmp_path: Path):
    (tmp_path / "llamactl.toml").write_text('table = "one"\n')
    (tmp_path / "pyproject.toml").write_text('[tool.llamactl]\ntable = "two"\nschema = "log"\n')
    settings = load_settings(Flags(), {}, tmp_path)
    assert (settings.table, settings.schema) == ("one", None)
    assert "[tool.llamactl] in the pyproject.toml beside it is ignored" in settings.notes[0]


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('tabel = "x"', "'tabel'", "table"),
        ('dsn = "postgresql://app:hush@db/x"', "'dsn'", "schema"),
        ("[thresholds]\ndeepth = 3", "'deepth'", "depth"),
        ('[columns]\njobid = "x"', "'jobid'", "job_id"),
        ("[columns]\njob_id = 3", "job_id", ""),
        ("columns = 3", "must be a table", ""),
        ("thresholds = 3", "must be a table", ""),
        ("trust_root_flag = true\ntrust-root-flag = true", "twice", ""),
        ('trust_root_flag = "yes"', "true or false", ""),
        ('dangling = "drop"', "fill or null", ""),
        ('lock_timeout = "soon"', "'soon'", "2s"),
        ("lock_timeout = 0", "wait forever", "2s"),
        ("statement_timeout = true", "duration", "2s"),
        ("[thresholds]\ndepth = 0", "1 or more", ""),
        ('[thresholds]\ntable_bytes = "much"', "must be a size", "500MB"),
        ('[thresholds]\ntable_bytes = "0MB"', "must be a size", "500MB"),
        ("[thresholds]\ntable_bytes = 1.5", "must be a size", "500MB"),
        ("[thresholds]\ntable_bytes = 0", "1 or more", ""),
        ("[thresholds]\ntable_bytes = true", "1 or more", ""),
        ("[thresholds]\ntimeline_ms = 0", "1 or more", ""),
        ("[thresholds]\nunrooted_rows = -1", "0 or more", ""),
        ("schema = 3", "must be a name", ""),
        ('table = ""', "must be a name", ""),
        ("table = ", "llamactl.toml", ""),
    ],
)
def test_what_a_file_cannot_say(tmp_path: Path, text: str, said: str, hint: str):
    (tmp_path / "llamactl.toml").write_text(text)
    error = refusal(Flags(), tmp_path)
    assert error.code is ErrorCode.CONFIG
    assert said in error.message
    assert "llamactl.toml" in error.message
    assert hint in error.hint
    assert "hush" not in error.message + error.hint


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\nllamactl = 3"])
def test_a_pyproject_that_is_no_table(tmp_path: Path, text: str):
    (tmp_path / "pyproject.toml").write_text(text)
    if text == "tool = 3":
        assert load_settings(Flags(), {}, tmp_path).details == ()
    else:
        assert refusal(Flags(), tmp_path).code is ErrorCode.CONFIG


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (Flags(columns=["job_id"]), "--column job_id"),
        (Flags(columns=["job_id="]), "ours=theirs"),
        (Flags(columns=["jobid=x"]), "'jobid'"),
        (Flags(columns=["job_id=a", "job_id=b"]), "twice"),
        (Flags(lock_timeout="2 weeks"), "--lock-timeout"),
        (Flags(lock_timeout="0"), "forever"),
        (Flags(statement_timeout="-1"), "--statement-timeout"),
        (Flags(sample=-1), "--sample"),
        (Flags(table=""), "--table"),
    ],
)
def test_what_a_flag_cannot_say(tmp_path: Path, flags: Flags, said: str):
    error = refusal(flags, tmp_path)
    assert error.code is ErrorCode.USAGE
    assert said in error.message


def test_a_column_may_hold_an_equals_sign(tmp_path: Path):
    assert load_settings(Flags(columns=["job_id=a=b"]), {}, tmp_path).columns == {"job_id": "a=b"}


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        *(("2s", 2000), ("500ms", 500), ("10m", 600_000), ("10min", 600_000), ("1h", 3_600_000)),
        *(("3", 3000), ("1.5s", 1500), ("0.25", 250), (" 2 s ", 2000), ("0", 0), ("596h", 2_145_600_000)),
    ],
)
def test_durations(text: str, milliseconds: int):
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "s", "2d", "-2s", "1e3", "2S", "0.1ms", "597h", "٣s", "inf"])
def test_what_is_no_duration(text: str):
    with pytest.raises(ValueError, match="is "):
        duration_ms(text)


def test_settings_do_not_load_the_driver():
    code = (
        "import sys, llamactl.config.settings;"
        " print(*({'psycopg', 'sqlglot', 'dotenv'} & sys.modules.keys()))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(llamactl.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert (result.stdout, result.stderr) == ("\n", "")
