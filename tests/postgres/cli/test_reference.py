"""The tables and names in docs/ are those of the code: options, ids, codes, steps, modules."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from llamactl.checks.environment import DISK_PER_BYTE, WAL_PER_BYTE
from llamactl.cli.main import app
from llamactl.config.file import KEYS
from llamactl.config.settings import Flags, load_settings
from llamactl.findings.kinds import FINDINGS
from llamactl.migrate.steps import plan_steps
from llamactl.model import (
    EXIT_CODES,
    CheckPolicy,
    DemoCommand,
    DemoReport,
    ErrorCode,
    ExitCode,
    MarkKind,
)
from llamactl.online.steps import Standing, plan_online_steps
from llamactl.sqlfiles.names import DEFAULT_COLUMNS
from llamactl.table.present import read_present
from llamactl.table.table import Table
from pages import CHECKOUT, PAGES, Block, blocks, every_block
from sessions import session, settings_for
from transcripts import catalogue

DOCS = CHECKOUT / "docs"
FOREIGN = {"--applied", "--strict"}
"""Prisma's, and mypy's."""
PROGRAM = ("--version", "--install-completion", "--show-completion")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*[a-z]|-[ov])\b")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def only(kind: str) -> Block:
    (block,) = every_block(kind)
    return block


def commands() -> Mapping[str, Any]:
    group: Any = get_command(app)
    listed: Mapping[str, Any] = group.commands
    return listed


def options_of(command: str) -> set[str]:
    parameters = commands()[command].params
    options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
    return {"--help"} | {word for option in options for word in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("command", commands())
def test_options_of_a_page_are_those_of_its_command(command: str) -> None:
    page = text_of(DOCS / f"{command}.md")
    section = page.partition("\n## Options\n")[2].partition("\n## ")[0]
    assert set(_OPTION.findall(section)) == options_of(command)


def test_options_of_all_pages_exist() -> None:
    benchmarks = "".join(map(text_of, (CHECKOUT / "benchmarks").glob("*.py")))
    known = FOREIGN | {*PROGRAM, *re.findall(r'add_argument\("(--[a-z-]+)"', benchmarks)}
    known = known.union(*map(options_of, commands()))
    for page in PAGES:
        assert set(_OPTION.findall(text_of(page))) <= known, page


def test_ids_of_all_pages_exist() -> None:
    for page in PAGES:
        shown = re.sub(r"<!--.*?-->", "", text_of(page))
        assert set(re.findall(r"\b(?:LL\d\d\d|V\d\d)\b", shown)) <= set(FINDINGS), page


def test_every_finding_and_check_is_listed() -> None:
    tables = every_block("catalogue")
    for table in tables:
        assert list(table.lines) == catalogue(table.argument), f"{table.where}: scripts/update_docs.py"
    listed = [row[0] for table in tables for row in table.cells()]
    assert sorted(listed) == sorted(FINDINGS)


def test_exit_codes() -> None:
    assert [int(row[0]) for row in only("exits").cells()] == [code.value for code in ExitCode]


def test_error_codes() -> None:
    listed = {row[0].strip("`"): int(row[1]) for row in only("errors").cells()}
    assert listed == {code.value: EXIT_CODES[code].value for code in ErrorCode}


def test_steps_and_their_locks(database: str) -> None:
    with session(database) as opened:
        table = Table.open(opened, settings_for(database))
        planned = [
            (step.name, step.lock or "-") for step in plan_steps(table, read_present(table), CheckPolicy.AUTO)
        ]
    listed = [(row[0].strip("`"), row[2]) for row in only("steps").cells()]
    assert listed == planned


def test_online_steps_and_their_locks(database: str) -> None:
    with session(database) as opened:
        table = Table.open(opened, settings_for(database))
        present = read_present(table)
    standing = Standing(job_index=False, guarded=False, outdated=False, guard_left=True, leftover=True)
    found = plan_online_steps(table.relation, present, standing, CheckPolicy.AUTO, keep_guard=False)
    listed = [(row[0].strip("`"), row[2], row[3]) for row in only("online_steps").cells()]
    planned = [(step.name, step.lock or "-", str(step.blocks)) for step in found]
    assert listed == planned


def test_estimates_of_disk() -> None:
    page = " ".join(text_of(DOCS / "operating.md").split())
    assert f"{DISK_PER_BYTE} times heap and indexes more at the peak, {WAL_PER_BYTE} times as WAL" in page


def test_keys_of_the_demos_json() -> None:
    page = text_of(DOCS / "demo.md")
    assert re.findall(r"`commands\[\]\.(\w+)`", page) == [field.name for field in fields(DemoCommand)]
    assert [field.name for field in fields(DemoReport)] == ["commands"]


def test_marks() -> None:
    assert [row[1].strip("`") for row in only("marks").cells()] == [kind.value for kind in MarkKind]


def test_columns() -> None:
    listed = text_of(DOCS / "settings.md").partition("<!-- columns -->")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(DEFAULT_COLUMNS)


def test_the_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "llamactl.toml").write_text(only("toml").text)
    load_settings(Flags(), {}, tmp_path)
    assert set(tomllib.loads(only("toml").text)) == set(KEYS)


def test_environment_variables() -> None:
    pattern = re.compile(r"\bLLAMACTL_[A-Z_]*[A-Z]\b")
    named = {name for page in PAGES for name in pattern.findall(text_of(page))}
    places = [*(CHECKOUT / "src").rglob("*.py"), CHECKOUT / "tests" / "conftest.py", CHECKOUT / ".ci" / "run"]
    assert named == {name for path in places for name in pattern.findall(text_of(path))}


def test_targets_of_make() -> None:
    makefile = text_of(CHECKOUT / "Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", "".join(map(text_of, PAGES)), re.MULTILINE))
    assert {one or other for one, other in named} == targets - {"help"}


def test_lines_for_a_shell() -> None:
    """Those that no other test runs are known: make, llamactl with its options, and a few more."""
    known = (
        *("make ", "python3 -m venv ", "~/llamactl/bin/", ".venv/bin/python ", "export LLAMACTL_"),
        *("uv tool install ", "pipx install "),
    )
    for page in PAGES:
        shown = [line for block in blocks(page) if block.kind == "run" for line in block.lines]
        for block in blocks(page):
            for line in block.lines if block.language == "sh" else ():
                command = re.match(r"llamactl (\w+)", line)
                if command:
                    typed = line.partition("#")[0]
                    assert set(_OPTION.findall(typed)) <= options_of(command[1]), block.where
                else:
                    assert line.startswith(known) or f"$ {line}" in shown, block.where
            for script in re.findall(r"scripts/\w+\.\w+", block.text):
                assert (CHECKOUT / script).exists(), block.where


def section(title: str) -> str:
    return text_of(DOCS / "development.md").partition(f"## {title}\n")[2].partition("\n## ")[0]


def packages() -> list[str]:
    """What the table of packages names."""
    rows = re.findall(r"^\| (`.*?) \|", section("The packages"), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_package_is_in_the_table() -> None:
    package = CHECKOUT / "src" / "llamactl"
    folders = {f"{path.parent.relative_to(CHECKOUT)}/" for path in package.glob("*/__init__.py")}
    assert folders - set(packages()) == set()


def test_what_the_table_of_packages_names_exists() -> None:
    assert [name for name in packages() if not (CHECKOUT / name).exists()] == []


def test_where_to_change_what() -> None:
    rows = re.findall(r"^\| (?!change|-)(.+?) \| (.+?) \|$", section("Where do I change ...?"), re.MULTILINE)
    assert len(rows) >= 10
    for change, where in rows:
        (path,) = re.findall(r"`([^`]+)`", where)
        assert (CHECKOUT / path).is_file(), change
