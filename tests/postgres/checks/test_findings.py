"""The catalogue: complete, stable, and its SQL runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import psycopg
import pytest

import llamactl
from llamactl.findings.kinds import FINDINGS, complete_name, find_kind, make_finding
from llamactl.model import ErrorCode, LlamactlError, Severity

SERIES = {"LL0": Severity.ERROR, "LL1": Severity.WARNING, "LL2": Severity.INFO, "V": Severity.ERROR}


@pytest.mark.parametrize("kind", FINDINGS.values(), ids=list(FINDINGS))
def test_each_is_told_in_full(kind: Any) -> None:
    assert re.fullmatch(r"LL[012]\d\d|V\d\d", kind.id)
    assert kind.severity is next(value for start, value in SERIES.items() if kind.id.startswith(start))
    assert re.fullmatch(r"[a-z]+(-[a-z]+){0,4}", kind.slug)
    assert len(kind.slug) <= 26
    assert kind.title
    assert not kind.title.endswith(".")
    assert kind.hint
    assert len(kind.description.split()) >= 25
    if kind.id.startswith("V"):
        assert "{" not in kind.hint  # verify fills nothing in


def test_each_has_a_slug_of_its_own() -> None:
    slugs = [kind.slug for kind in FINDINGS.values()]
    assert len(set(slugs)) == len(slugs)
    assert set(slugs).isdisjoint(id_.lower() for id_ in FINDINGS)


def test_they_are_in_order() -> None:
    assert list(FINDINGS) == sorted(FINDINGS)


def test_every_id_that_the_code_names_is_there() -> None:
    package = Path(llamactl.__file__).parent
    for path in package.rglob("*.py"):
        for id_ in re.findall(r'"((?:LL\d\d|V)\d\d?)"', path.read_text(encoding="utf-8")):
            assert id_ in FINDINGS or id_ == "V0", f"{id_} in {path.name}"


def test_make_fills_the_hint_in() -> None:
    finding = make_finding("LL017", 1, ["public"], schema="{braces}", user="%s")
    assert finding.hint == "GRANT CREATE ON SCHEMA {braces} TO %s;"
    assert (finding.id, finding.severity, finding.count, finding.sample) == (
        "LL017",
        Severity.ERROR,
        1,
        ("public",),
    )


def test_make_asks_for_every_value() -> None:
    with pytest.raises(KeyError):
        make_finding("LL017", 1)
    with pytest.raises(KeyError):
        make_finding("LL999", 1)


def test_hints_have_named_fields_only() -> None:
    for kind in FINDINGS.values():
        fields = [name for _, name, _, _ in Formatter().parse(kind.hint) if name is not None]
        assert all(re.fullmatch(r"[a-z_]+", name) for name in fields), kind.id


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """File, id and call of each make() whose id is written out."""
    for path in Path(llamactl.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("make_finding",)
                and isinstance(node.args[0], ast.Constant)
            ):
                yield path.name, node.args[0].value, node


def test_the_code_gives_each_hint_what_it_asks_for() -> None:
    for file, id_, call in calls():
        given = {keyword.arg for keyword in call.keywords}
        asked = {name for _, name, _, _ in Formatter().parse(FINDINGS[id_].hint) if name is not None}
        assert asked <= given or None in given, f"{file}: {id_}"


@pytest.mark.parametrize("name", ["LL104", "ll104", "Ll104", "ambiguous-parents", "Ambiguous-Parents"])
def test_find_takes_ids_and_slugs_in_any_case(name: str) -> None:
    assert find_kind(name) is FINDINGS["LL104"]


@pytest.mark.parametrize("kind", FINDINGS.values(), ids=list(FINDINGS))
def test_find_takes_each_id_and_each_slug(kind: Any) -> None:
    assert find_kind(kind.id) is find_kind(kind.slug.upper()) is kind


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("LL1o5", "LL105 (cycle)"),
        ("V2", "V02 (missing-root)"),
        ("ambiguos-parent", "LL104 (ambiguous-parents)"),
        ("ambiguous_parents", "LL104 (ambiguous-parents)"),
        ("cycles", "LL105 (cycle)"),
        ("Self-Parents", "LL101 (self-parent)"),
        ("guard", "LL126 (outdated-guard)"),
        ("snapshot", "LL114 (old-snapshot)"),
    ],
)
def test_an_unknown_name_suggests_near_ones(name: str, suggested: str) -> None:
    with pytest.raises(LlamactlError) as caught:
        find_kind(name)
    assert caught.value.code is ErrorCode.USAGE
    assert name in caught.value.message
    assert suggested in caught.value.hint
    assert caught.value.hint.startswith("Did you mean ")


@pytest.mark.parametrize("name", ["", "-", "zzzzzz", "\x1b[31m", "日本"])
def test_a_name_like_none_names_the_list(name: str) -> None:
    with pytest.raises(LlamactlError) as caught:
        find_kind(name)
    assert caught.value.hint == "llamactl explain lists all of them"


def test_completion() -> None:
    titles = {kind.id: kind.title for kind in FINDINGS.values()}
    assert complete_name("LL10")[0] == ("LL101", titles["LL101"])
    assert {name for name, _ in complete_name("LL10")} == {f"LL10{digit}" for digit in range(1, 10)}
    assert complete_name("ambig") == [("ambiguous-parents", titles["LL104"])]
    # A shell offers what begins as typed.
    assert complete_name("ll104") == [("ll104", titles["LL104"])]
    assert {name for name, _ in complete_name("")} == {
        name for kind in FINDINGS.values() for name in (kind.id, kind.slug)
    }
    assert complete_name("nothing") == []


def queries() -> Iterator[Any]:
    for kind in FINDINGS.values():
        for number, block in enumerate(re.findall(r"(?:^    .*\n?)+", kind.description, re.MULTILINE)):
            if block.lstrip().startswith("SELECT"):
                yield pytest.param(block, id=f"{kind.id}-{number}")


@pytest.mark.parametrize("query", list(queries()))
def test_the_queries_run(query: str, shared: psycopg.Connection[Any]) -> None:
    shared.execute(query.encode())


@pytest.fixture(scope="module")
def shared(server: Any) -> Iterator[psycopg.Connection[Any]]:
    """To a migrated log: a root column is all that the queries need besides."""
    name = server.create(server.template)
    with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
        connection.execute('ALTER TABLE "LlamaLog" ADD COLUMN IF NOT EXISTS root_job_id varchar(100)')
        yield connection
    server.drop(name)
